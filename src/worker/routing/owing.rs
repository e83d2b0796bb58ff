//! How much a shared link's server still has to say, as far as that can be told: what is in flight,
//! by the size that replies have had of late. Without a bound on it a few clients that ask for much
//! and go would have everybody wait for what nobody reads.

/// Replies by which the size of the next ones is judged; of older ones half is forgotten.
const REPLIES_JUDGED: u64 = 1024;

/// What is due on one link.
#[derive(Debug, Default)]
pub(super) struct Owing {
    in_flight: u64,
    bytes: u64,
    replies: u64,
}

impl Owing {
    /// One more command was sent.
    pub(super) fn add(&mut self) {
        self.in_flight += 1;
    }

    /// One of them is answered.
    pub(super) fn settle(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.replies += 1;
        if self.replies > REPLIES_JUDGED {
            self.replies /= 2;
            self.bytes /= 2;
        }
    }

    /// So many bytes of replies came.
    pub(super) fn read(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Bytes that are to be expected.
    pub(super) fn due(&self) -> u64 {
        let size = self.bytes / self.replies.max(1);
        self.in_flight.saturating_mul(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_follows_the_size_of_the_latest_replies() {
        let mut owing = Owing::default();
        (0..5000).for_each(|_| owing.add());
        assert_eq!(owing.due(), 0, "nothing is known of any reply");
        for _ in 0..4000 {
            owing.read(10);
            owing.settle();
        }
        assert!((9_000..=11_000).contains(&owing.due()), "{}", owing.due());
        (0..4000).for_each(|_| owing.add());
        for _ in 0..4000 {
            owing.read(1_000);
            owing.settle();
        }
        assert!(
            (900_000..=1_000_000).contains(&owing.due()),
            "{}",
            owing.due()
        );
    }
}

//! How many clients the process can take: one descriptor for each and one for its link; and how much
//! it may keep for those that wait, and for those that do not read.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything that is no client: Sentinels, listeners, admin, runtimes, logs.
const RESERVED_DESCRIPTORS: u64 = 64;
/// A client and its dedicated link.
const DESCRIPTORS_PER_CLIENT: u64 = 2;
/// Most that is kept for waiting clients without being asked for.
const HELD_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most that is kept of replies to clients that do not read without being asked for.
const OUTPUT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The part of the memory that may be taken up by either.
const SHARE: u64 = 4;
/// What stands for a limit where the system sets none.
const UNLIMITED: u64 = 1 << 20;

/// Raises the soft descriptor limit of this process to the hard one, and returns what it is now.
pub fn raise_descriptor_limit() -> u64 {
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    // Refused only where a security policy forbids it; then the present limit is what we have.
    let now = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => wanted,
        Err(_) => before,
    };
    now.current.unwrap_or(UNLIMITED).min(UNLIMITED)
}

/// Clients that `descriptors` are enough for; at least one.
pub fn clients_for(descriptors: u64) -> usize {
    let clients = descriptors.saturating_sub(RESERVED_DESCRIPTORS) / DESCRIPTORS_PER_CLIENT;
    usize::try_from(clients).unwrap_or(usize::MAX).max(1)
}

/// Bytes to keep for waiting clients where `memory` is all there is.
pub(super) fn held_bytes_for(memory: Option<u64>) -> usize {
    share_of(memory, HELD_BYTES_MAX)
}

/// Bytes of replies to keep for clients that do not read where `memory` is all there is.
pub(super) fn output_bytes_for(memory: Option<u64>) -> usize {
    share_of(memory, OUTPUT_BYTES_MAX)
}

fn share_of(memory: Option<u64>, most: u64) -> usize {
    let share = memory.map_or(most, |memory| memory / SHARE);
    usize::try_from(share.min(most)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_descriptors_for_each_client_and_a_reserve() {
        assert_eq!(clients_for(1024), 480);
        assert_eq!(clients_for(10), 1);
        assert_eq!(clients_for(UNLIMITED), 524_256);
    }

    #[test]
    fn a_quarter_of_little_memory_is_kept_and_no_more_than_a_bound_of_much() {
        assert_eq!(held_bytes_for(None), 64 << 20);
        assert_eq!(held_bytes_for(Some(64 << 20)), 16 << 20);
        assert_eq!(held_bytes_for(Some(1 << 40)), 64 << 20);
        assert_eq!(output_bytes_for(Some(64 << 20)), 16 << 20);
        assert_eq!(output_bytes_for(Some(1 << 40)), 256 << 20);
    }

    #[test]
    fn the_raised_limit_is_the_hard_one() {
        let limit = raise_descriptor_limit();
        assert_eq!(limit, raise_descriptor_limit());
        assert!(
            limit
                >= getrlimit(Resource::Nofile)
                    .current
                    .unwrap_or(0)
                    .min(UNLIMITED)
        );
    }
}

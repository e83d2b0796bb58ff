//! How much of what a Sentinel publishes reaches us, in the words of the log, `/status` and `check`.
//!
//! Pure: what each SUBSCRIBE was answered in, a judgement out. Nobody is stopped by it: polling finds
//! every change as well, only later, and a planned failover then loses what is acknowledged meanwhile.

use std::fmt;

use super::event;

/// What of a Sentinel's events reaches us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earshot {
    /// Every channel was granted.
    All,
    /// Failovers are heard of in time; this refuses other channels.
    Part(String),
    /// All channels that tell of a failover before the promotion are refused, with this.
    Late(String),
    /// Not one channel; this is why.
    Nothing(String),
}

impl Earshot {
    /// Judges by what was answered for each channel: granted, or the refusal.
    pub fn of<'a>(answers: impl IntoIterator<Item = (&'a str, Result<(), String>)>) -> Self {
        let (mut granted, mut in_time, mut refusal) = (false, false, None);
        for (channel, answer) in answers {
            match answer {
                Ok(()) => {
                    granted = true;
                    in_time |= event::is_early(channel);
                }
                Err(text) => refusal = Some(text),
            }
        }
        match (refusal, granted, in_time) {
            (None, ..) => Self::All,
            (Some(text), _, true) => Self::Part(text),
            (Some(text), true, false) => Self::Late(text),
            (Some(text), false, false) => Self::Nothing(text),
        }
    }

    /// Whether it counts as subscribed: a failover that this Sentinel leads is heard of in time.
    pub fn is_subscribed(&self) -> bool {
        matches!(self, Self::All | Self::Part(_))
    }

    /// What is missing, in a sentence, if anything is.
    pub fn complaint(&self) -> Option<String> {
        (*self != Self::All).then(|| self.to_string())
    }
}

impl fmt::Display for Earshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all events are heard"),
            Self::Part(why) => write!(f, "some events are not heard: {why}"),
            Self::Late(why) => write!(f, "the beginning of a failover is not heard: {why}"),
            Self::Nothing(why) => write!(f, "no events, polling alone: {why}"),
        }
    }
}

/// "Subscribed to k of n", in the one wording there is for it.
pub fn summary(subscribed: usize, known: usize) -> String {
    format!("subscribed to {subscribed} of {known}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn earshot(granted: &[&str]) -> Earshot {
        let answer = |channel: &&'static str| {
            let refused = || Err("NOPERM".to_owned());
            let ours = granted.contains(channel);
            (*channel, if ours { Ok(()) } else { refused() })
        };
        Earshot::of(event::CHANNELS.iter().map(answer))
    }

    #[test]
    fn counts_as_subscribed_whoever_hears_the_beginning() {
        let no = || "NOPERM".to_owned();
        assert_eq!(earshot(event::CHANNELS), Earshot::All);
        assert_eq!(earshot(&["+try-failover"]), Earshot::Part(no()));
        assert_eq!(earshot(&["+switch-master"]), Earshot::Late(no()));
        assert_eq!(earshot(&[]), Earshot::Nothing(no()));
        let subscribed = [Earshot::All, Earshot::Part(no())];
        assert!(subscribed.iter().all(Earshot::is_subscribed));
        let deaf = [Earshot::Late(no()), Earshot::Nothing(no())];
        assert!(!deaf.iter().any(Earshot::is_subscribed));
        assert!(Earshot::All.complaint().is_none());
    }
}

//! Whether a replica may serve reads, from what it last said. Pure.
//!
//! It may where it says itself that it is a replica of the present primary, that its link to that is up,
//! and where it is no further behind than is allowed. What Sentinels think of it is not asked: that is
//! older, and says less.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::lag::Course;
use crate::discovery::election::Says;
use crate::discovery::signal::Reading;
use crate::net::HostPort;
use crate::topology::LEASE;

/// Why a replica serves nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ill {
    /// It has not been heard of, or not since the primary changed.
    Unheard,
    /// It does not answer, or answers nothing of use, for this reason.
    Silent(String),
    /// It is no replica.
    Promoted,
    /// It does not let us ask whom it follows, for this reason.
    Unasked(String),
    /// It follows another node.
    Strays(HostPort),
    /// Its link to the primary is down, or its data still on the way.
    Unlinked,
    /// It is this far behind; none where that is longer than anything is remembered.
    Late(Option<Duration>),
}

impl fmt::Display for Ill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unheard => f.write_str("it has not answered yet"),
            Self::Silent(why) => f.write_str(why),
            Self::Promoted => f.write_str("it says that it is a primary"),
            Self::Unasked(why) => write!(f, "it may not be asked for its ROLE: {why}"),
            Self::Strays(other) => write!(f, "it follows {other}"),
            Self::Unlinked => f.write_str("its link to the primary is down"),
            Self::Late(Some(lag)) => write!(f, "it is {} ms behind", lag.as_millis()),
            Self::Late(None) => f.write_str("how far it is behind is not known, or very far"),
        }
    }
}

/// What a replica is measured by.
#[derive(Debug)]
pub(super) struct Measure<'a> {
    /// The present primary.
    pub(super) primary: &'a HostPort,
    /// Where that was, and when.
    pub(super) course: &'a Course,
    /// `--replica-max-lag`.
    pub(super) max_lag: Duration,
}

impl Measure<'_> {
    /// How far the replica of this `reading` was behind, if it may serve. `is_primary` says whether an
    /// address it names is the primary under another name.
    pub(super) fn examine(
        &self,
        reading: &Reading,
        is_primary: impl FnOnce(&HostPort) -> bool,
    ) -> Result<Duration, Ill> {
        let why = || reading.error.clone().unwrap_or_default();
        match reading.says {
            Says::Replica => {}
            Says::Master => return Err(Ill::Promoted),
            Says::MayNotAsk => return Err(Ill::Unasked(why())),
            Says::Alive | Says::Nothing => return Err(Ill::Silent(why())),
        }
        let Some(following) = &reading.following else {
            return Err(Ill::Unasked(match &reading.error {
                Some(error) => error.clone(),
                None => "grant our user +role".to_owned(),
            }));
        };
        if following.primary != *self.primary && !is_primary(&following.primary) {
            return Err(Ill::Strays(following.primary.clone()));
        }
        if !following.is_linked {
            return Err(Ill::Unlinked);
        }
        let lag = following
            .offset
            .map(|offset| self.course.lag(reading.sent, offset));
        match lag.flatten() {
            Some(lag) if lag <= self.max_lag => Ok(lag),
            late => Err(Ill::Late(late)),
        }
    }
}

/// Until when what was learned by a question sent at `sent` may be acted on.
pub(super) fn good_until(sent: Instant) -> Instant {
    sent + LEASE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::message::Following;

    const MAX: Duration = Duration::from_secs(10);

    fn node(port: u16) -> HostPort {
        HostPort::new("10.0.0.1", port)
    }

    fn reading(says: Says, following: Option<Following>) -> Reading {
        Reading {
            watch: 0,
            address: node(2),
            sent: Instant::now(),
            says,
            run_id: None,
            peer: None,
            knows_capa: false,
            offset: None,
            following,
            error: Some("because".to_owned()),
        }
    }

    fn follows(primary: HostPort, is_linked: bool, offset: Option<i64>) -> Option<Following> {
        Some(Following {
            primary,
            is_linked,
            offset,
        })
    }

    /// What is found of a replica whose primary, node 1, was at 100 half a minute ago, at 200 a second
    /// ago, and is also called node 9.
    fn examined(says: Says, following: Option<Following>) -> Result<Duration, Ill> {
        let reading = reading(says, following);
        let mut course = Course::new(2 * MAX);
        let ago = |seconds| reading.sent - Duration::from_secs(seconds);
        course.note(ago(30), 100);
        course.note(ago(1), 200);
        let measure = Measure {
            primary: &node(1),
            course: &course,
            max_lag: MAX,
        };
        measure.examine(&reading, |other| *other == node(9))
    }

    #[test]
    fn who_follows_the_primary_closely_is_well() {
        for primary in [node(1), node(9)] {
            let near = examined(Says::Replica, follows(primary, true, Some(200)));
            assert_eq!(near, Ok(Duration::from_secs(1)));
        }
    }

    #[test]
    fn who_follows_another_or_from_afar_is_not() {
        let of = |primary, linked, offset| {
            examined(Says::Replica, follows(node(primary), linked, offset))
        };
        assert_eq!(of(3, true, Some(200)), Err(Ill::Strays(node(3))));
        assert_eq!(of(1, false, Some(200)), Err(Ill::Unlinked));
        let late = Some(Duration::from_secs(30));
        assert_eq!(of(1, true, Some(199)), Err(Ill::Late(late)));
        assert_eq!(of(1, true, Some(99)), Err(Ill::Late(None)));
        assert_eq!(of(1, true, None), Err(Ill::Late(None)));
    }

    #[test]
    fn who_says_no_more_than_that_it_lives_is_not() {
        let because = || "because".to_owned();
        let all = follows(node(1), true, Some(200));
        assert_eq!(examined(Says::Master, all.clone()), Err(Ill::Promoted));
        let silent = Err(Ill::Silent(because()));
        assert_eq!(examined(Says::Nothing, all.clone()), silent);
        assert_eq!(examined(Says::Alive, all), silent);
        let unasked = Err(Ill::Unasked(because()));
        assert_eq!(examined(Says::MayNotAsk, None), unasked);
        assert_eq!(examined(Says::Replica, None), unasked, "only HELLO told");
    }
}

//! One failover under the whole load, by kind, and what may and may not come of it.

use std::fs;
use std::time::Duration;

use serde_json::Value as Json;

use super::entrance::Entrance;
use super::load::{Load, Size};
use super::outcome::Outcome;
use super::report::rounds;
use super::scenario::Fault;
use super::verdict::{PLANNED_PAUSE, PROMOTED_PAUSE, always, in_time, paused, planned, unplanned};
use crate::bed::{Bed, Builder, server_name, speaks_tls, valkey_9};
use crate::pki::Secured;
use crate::proxy::Proxy;
use crate::rng::Rng;
use crate::tls;

/// How often Sentinels tell each other and everybody of the primary they hold.
const HELLO_PERIOD: Duration = Duration::from_secs(2);

/// How often a replica tells its primary how far it is; a coordinated failover waits for the next
/// such word, which alone took 40 to 1,000 ms in twelve tries on Valkey 9.1.2. `WAIT` beforehand does
/// not hurry it, because the question it sends is counted in the stream and not in the answer.
const ACK_PERIOD: Duration = Duration::from_secs(1);

/// The random naps of frozen primaries.
const SEED: u64 = 3;

/// One kind of round.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) fault: Fault,
    pub(super) bed: Builder,
    pub(super) login: &'static [&'static str],
    pub(super) flags: &'static [(&'static str, &'static str)],
    pub(super) pause: Duration,
    /// Steadfast has a login of its own, and may ask nodes for their role.
    pub(super) may_ask: bool,
    /// All legs have TLS.
    pub(super) secured: Option<Secured>,
}

impl Kind {
    /// `fault` on a bed without passwords.
    pub(super) fn plain(fault: Fault) -> Self {
        Self {
            name: fault.name(),
            fault,
            bed: Bed::builder().alone(),
            login: &[],
            flags: &[],
            pause: PLANNED_PAUSE,
            may_ask: false,
            secured: None,
        }
    }

    /// `fault` with TLS on all legs, and certificates asked of everybody.
    fn secured(name: &'static str, fault: Fault) -> Self {
        let by = Secured::new();
        Self {
            name,
            bed: Bed::builder().alone().secured(&by),
            secured: Some(by),
            ..Self::plain(fault)
        }
    }

    /// `fault` where every client logs in as `default`.
    fn with_password(name: &'static str, fault: Fault) -> Self {
        Self {
            name,
            bed: Bed::builder().alone().requirepass("secret"),
            login: &["AUTH", "secret"],
            may_ask: true,
            ..Self::plain(fault)
        }
    }

    /// `fault` where every client is a user without rights beyond its work.
    fn with_user(name: &'static str, fault: Fault) -> Self {
        let bed = Bed::builder().alone().requirepass("secret");
        Self {
            name,
            bed: bed.user("app", "on >app-pw ~* &* +@all -@dangerous"),
            login: &["AUTH", "app", "app-pw"],
            may_ask: true,
            ..Self::plain(fault)
        }
    }

    /// Its rounds.
    pub(super) fn run(self) {
        if self.secured.is_some() && !speaks_tls() {
            eprintln!(
                "not run: {}: {} was built without TLS",
                self.name,
                server_name()
            );
            return;
        }
        rounds(self.name, |round| self.round(round));
    }

    fn round(&self, round: usize) -> Json {
        let bed = self.bed.clone().start();
        let proxy = self
            .flags
            .iter()
            .fold(Proxy::for_bed(&bed), |proxy, (flag, value)| {
                proxy.flag(flag, value)
            });
        let secret = bed.dir().join("control");
        fs::write(&secret, "secret\n").unwrap();
        let proxy = match self.may_ask {
            true => proxy.flag("--control-password-file", &secret),
            false => proxy,
        };
        let proxy = match &self.secured {
            Some(by) => tls::all_legs(proxy, by),
            None => proxy,
        };
        let proxy = proxy.start_ready();
        let entrance = match &self.secured {
            Some(by) => Entrance::secured(&proxy, by.trust.clone()),
            None => Entrance::of(&[&proxy]),
        };
        let load = Load::start(&entrance.login(self.login), "w", Size::FULL);
        let mut rng = Rng::new(SEED + u64::try_from(round).unwrap());
        let (new, moments) = self.fault.strike(&bed, &load, &mut rng);
        let outcome = Outcome::of(&load.stop(new), new, moments);
        let figures = outcome.figures();
        eprintln!("{} {round}: {figures}", self.name);
        let mut faults = always(&outcome);
        match self.fault {
            Fault::Planned | Fault::Coordinated => faults.extend(planned(&outcome, self.pause)),
            Fault::Crash | Fault::Freeze => faults.extend(unplanned(&outcome)),
            Fault::Paused => faults.extend(paused(&outcome)),
        }
        let excuse = match self.fault {
            Fault::Freeze => outcome.longest_pause(),
            _ => self.pause.saturating_sub(PLANNED_PAUSE),
        };
        faults.extend(in_time(&outcome, excuse));
        assert!(faults.is_empty(), "{}: {faults:#?}", self.name);
        figures
    }
}

#[test]
fn a_planned_failover_costs_a_pause_and_nothing_else() {
    Kind::plain(Fault::Planned).run();
}

#[test]
fn a_planned_failover_over_tls_costs_no_more() {
    Kind::secured("planned, TLS", Fault::Planned).run();
}

#[test]
fn a_crash_over_tls_closes_nobody_and_doubles_nothing() {
    Kind::secured("crash, TLS", Fault::Crash).run();
}

#[test]
fn a_planned_failover_costs_users_with_few_rights_no_more() {
    Kind::with_user("planned, users", Fault::Planned).run();
}

/// Without a login of its own Steadfast cannot ask the promoted node for its role, and one Sentinel's
/// word is not enough then: it waits for a majority, and a Sentinel may hear of the new primary only
/// with the next hello message.
#[test]
fn a_planned_failover_of_nodes_that_may_not_be_asked_costs_a_hello_period_more() {
    let kind = Kind {
        pause: PLANNED_PAUSE + HELLO_PERIOD,
        may_ask: false,
        ..Kind::with_user("planned, roles unknown", Fault::Planned)
    };
    kind.run();
}

#[test]
fn taking_the_promoted_replica_at_once_makes_the_pause_short() {
    let kind = Kind {
        name: "promoted",
        flags: &[("--switch-on", "promoted")],
        pause: PROMOTED_PAUSE,
        ..Kind::plain(Fault::Planned)
    };
    kind.run();
}

#[test]
fn a_crash_closes_nobody_and_doubles_nothing() {
    Kind::plain(Fault::Crash).run();
}

#[test]
fn a_crash_closes_nobody_who_has_logged_in() {
    Kind::with_password("crash, password", Fault::Crash).run();
}

#[test]
fn a_frozen_primary_closes_nobody_and_its_waking_spoils_nothing() {
    Kind::plain(Fault::Freeze).run();
}

#[test]
fn a_coordinated_failover_costs_no_more_than_its_own_wait() {
    let Some(binary) = valkey_9() else {
        return eprintln!("skipped: coordinated failovers need Valkey 9 (tests/setup.sh newer)");
    };
    let kind = Kind {
        bed: Bed::builder().alone().binary(&binary),
        pause: PLANNED_PAUSE + ACK_PERIOD,
        ..Kind::plain(Fault::Coordinated)
    };
    kind.run();
}

#[test]
fn a_paused_primary_holds_nobody_back_and_keeps_no_job() {
    Kind::plain(Fault::Paused).run();
}

#[test]
fn a_primary_that_wants_replicas_is_waited_for() {
    let kind = Kind {
        name: "planned, min-replicas",
        bed: Bed::builder()
            .alone()
            .server_line("min-replicas-to-write 1"),
        // It refuses writes until its first replica has turned to it.
        pause: 2 * PLANNED_PAUSE,
        ..Kind::plain(Fault::Planned)
    };
    kind.run();
}

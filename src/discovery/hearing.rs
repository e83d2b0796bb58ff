//! Taking down what Sentinels answer and what becomes of their connections. What follows from it is
//! `steering`'s business, and what an event means `following`'s.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use tokio::time::Instant;

use super::earshot::Earshot;
use super::election::Claim;
use super::event::Event;
use super::message::{BadAnswer, MasterFields, Trouble};
use super::signal::News;
use super::task::Discovery;
use crate::net::HostPort;

impl Discovery {
    /// News from or about one Sentinel.
    pub(super) fn hear(&mut self, from: &HostPort, news: News) {
        match news {
            News::Answer {
                asked,
                run_id,
                result,
            } => self.answered(from, asked, run_id, result),
            News::Failed { asked, error } => {
                self.counts.unanswered += 1;
                if let Some(member) = self.roster.get_mut(from) {
                    member.concluded = Some(asked);
                    member.error = Some(error);
                }
            }
            News::Peers(peers) => self.roster.learn(from, peers, Instant::now()),
            News::Replicas(replicas) => {
                if let Some(member) = self.roster.get_mut(from) {
                    member.replicas = replicas;
                }
                self.tell_of_replicas();
            }
            News::Event(event) => {
                let event = self.in_our_spelling(event);
                self.heard_event(from, &event);
            }
            News::Subscribed(earshot) => self.subscribed_to(from, &earshot),
            News::Unsubscribed { error } => self.unsubscribed(from, error),
        }
    }

    /// Tells who looks after the replicas which there are.
    fn tell_of_replicas(&self) {
        let Some(outlook) = &self.outlook else { return };
        let listed: BTreeSet<_> = self.roster.replicas().into_iter().cloned().collect();
        outlook.send_if_modified(|outlook| {
            let changed = outlook.listed != listed;
            outlook.listed = listed;
            changed
        });
    }

    /// The same event, its nodes spelled as everywhere else.
    fn in_our_spelling(&self, event: Event) -> Event {
        let usual = |address: HostPort| self.usual(&address).clone();
        Event {
            about: event.about.map(usual),
            candidate: event.candidate.map(usual),
            ..event
        }
    }

    fn answered(
        &mut self,
        from: &HostPort,
        asked: Instant,
        run_id: String,
        result: Result<(HostPort, MasterFields), BadAnswer>,
    ) {
        self.counts.note_answer(asked.elapsed());
        if let Err(bad) = &result {
            self.counts.note_rejected(bad);
        }
        // A member that is gone may still have had an answer under way.
        let Some(member) = self.roster.get_mut(from) else {
            return;
        };
        member.concluded = Some(asked);
        member.answered = Some(asked);
        if !member.found {
            member.found = true;
            tracing::info!(event = "sentinel_found", sentinel = %from, run_id, "a Sentinel answers");
        }
        member.run_id = Some(run_id.clone());
        match result {
            Ok((spelled, fields)) => self.named(from, asked, &run_id, spelled, &fields),
            // Seen in the middle of a change: the next poll tells.
            Err(BadAnswer::Torn) => {}
            Err(bad) => {
                member.error = Some(bad.to_string());
                member.claim = None;
                member.spelled = None;
                member.trouble = Trouble::None;
                let at = self.millis(asked);
                self.underway.polled(from, &run_id, Trouble::None, None, at);
                self.election.retract(&run_id);
            }
        }
    }

    /// A Sentinel names a primary.
    fn named(
        &mut self,
        from: &HostPort,
        asked: Instant,
        run_id: &str,
        spelled: HostPort,
        fields: &MasterFields,
    ) {
        let at = self.millis(asked);
        let claim = Claim {
            address: self.usual(&spelled).clone(),
            epoch: fields.epoch,
        };
        if let Some(member) = self.roster.get_mut(from) {
            member.error = None;
            member.claim = Some(claim.clone());
            member.spelled = Some(spelled);
            member.trouble = fields.trouble;
            member.quorum = Some(fields.quorum);
            member.down_after = Some(fields.down_after);
            member.other_sentinels = fields.other_sentinels;
        }
        let about = Some(&claim.address);
        self.underway
            .polled(from, run_id, fields.trouble, about, at);
        self.election.observe(run_id, claim, fields.quorum, at);
        self.last_named = self.last_named.max(asked);
    }

    fn subscribed_to(&mut self, from: &HostPort, earshot: &Earshot) {
        if let Some(member) = self.roster.get_mut(from) {
            member.subscribed = earshot.is_subscribed();
            let why = earshot.complaint();
            if let Some(error) = &why {
                tracing::warn!(event = "subscription_partial", sentinel = %from, error, "grant its channels");
            }
            member.subscription_error = why;
        }
        // What was published before is not repeated.
        self.roster.nudge();
    }

    fn unsubscribed(&mut self, from: &HostPort, error: String) {
        let Some(member) = self.roster.get_mut(from) else {
            return;
        };
        // Retried for ever, so only a change is worth a line.
        if member.subscribed || member.subscription_error.is_none() {
            tracing::info!(event = "subscription_lost", sentinel = %from, error, "polling goes on");
        }
        member.subscribed = false;
        member.subscription_error = Earshot::Nothing(error).complaint();
    }

    /// A configured name was looked up, or could not be.
    pub(super) fn resolved(&mut self, seed: HostPort, result: Result<Vec<SocketAddr>, String>) {
        match result {
            Ok(addresses) => {
                self.unresolved.remove(&seed);
                for address in addresses {
                    let ip = address.ip().to_canonical();
                    if let Some(tls) = &self.config.tls.sentinel {
                        // What is dialled from here on is the address, and certificates have names.
                        tls.expect(ip, &seed.host);
                    }
                    let address = HostPort::new(ip.to_string(), seed.port);
                    self.roster.add(address, false, Instant::now());
                }
            }
            Err(error) => {
                if self
                    .unresolved
                    .insert(seed.clone(), error.clone())
                    .is_none()
                {
                    tracing::warn!(event = "sentinel_unresolved", sentinel = %seed, error, "retrying");
                }
            }
        }
    }
}

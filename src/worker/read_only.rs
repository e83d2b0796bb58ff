//! The read-only endpoint: what may change something is refused here, in the words of a replica,
//! whatever the node is that its client is led to. It is never sent.

use std::rc::Rc;

use crate::resp::questions::BAD_SUBSCRIBE;
use crate::resp::{Args, Commands, Special, replies, special};

use super::Worker;
use super::intake::{Intake, Streaming};
use super::permit::Permit;
use super::session::Session;
use super::slot::Kind;

/// What a client of the read-only endpoint is told of the command that `frame` is, or begins with; none
/// where a node is asked.
pub(super) fn own_word(commands: &Commands, name: &[u8], frame: &[u8]) -> Option<&'static [u8]> {
    if name == b"CLIENT" && is_capa(frame) {
        // It only allows to be redirected, as a replica would do for every read.
        return Some(replies::OK);
    }
    let is_ours = special(name) == Special::Http || commands.suits_replica(frame);
    (!is_ours).then_some(replies::READONLY)
}

fn is_capa(frame: &[u8]) -> bool {
    let subcommand = Args::new(frame).nth(1);
    subcommand.is_some_and(|word| word.eq_ignore_ascii_case(b"CAPA"))
}

impl Worker {
    /// How the client is told that there has been nobody to serve it for as long as `waited`.
    pub(super) fn masterdown(&self, waited: std::time::Duration) -> Vec<u8> {
        let sought = if self.config.read_only {
            "replica"
        } else {
            "primary"
        };
        replies::masterdown(sought, &self.config.primary_name, waited)
    }
}

impl Session {
    /// What the client is told in place of a node's answer to the command that `frame` is, or begins
    /// with; none where it takes its usual way.
    pub(super) fn refuses(
        &self,
        intake: &Intake,
        permit: &Permit,
        frame: &[u8],
    ) -> Option<&'static [u8]> {
        if !self.worker.config.read_only {
            return None;
        }
        let may_answer = match permit {
            Permit::Send(_) => true,
            // A transaction that has begun is ended as a whole.
            Permit::Refuse => !intake.in_multi,
            Permit::Login | Permit::Wait => false,
        };
        // The rest of a transaction that cannot be executed is answered elsewhere; and what goes on a
        // shared link with its MULTI, or has begun to go, was looked at before.
        let is_new = intake.streaming == Streaming::No && !intake.is_in_run() && !intake.hopeless;
        if !may_answer || !is_new {
            return None;
        }
        let commands = &self.worker.topology.borrow().commands;
        own_word(commands, intake.scanner.name(), frame)
    }

    /// Answers the command at hand with `word`. Inside a transaction the server has to hear that there
    /// was something it must not execute.
    pub(super) fn answer_read_only(
        self: &Rc<Self>,
        intake: &Intake,
        permit: &Permit,
        word: &'static [u8],
    ) {
        self.worker.counters.read_only.add(1);
        match permit {
            Permit::Send(link) if intake.in_multi => {
                link.command(self, Kind::Refusal(word), BAD_SUBSCRIBE);
            }
            _ => self.answer(permit, word),
        }
    }
}

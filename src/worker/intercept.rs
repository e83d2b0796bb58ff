//! The commands a session must do something about beyond passing them on.

use std::rc::Rc;

use crate::resp::questions::BAD_SUBSCRIBE;
use crate::resp::{Special, replies, special};

use super::intake::Intake;
use super::labels::ClientEnd;
use super::link::Link;
use super::login;
use super::permit::Permit;
use super::session::Session;
use super::settings::is_setting;
use super::slot::Kind;
use super::stand_in::{REDIRECT_IN_MULTI, REFUSED_IN_MULTI, stand_in};
use super::subscriptions::{REMEMBERED_MAX, TOO_MANY, cost_of_all};

impl Session {
    /// Acts on one whole command that is not ordinary, or cannot simply be sent.
    pub(super) fn act(
        self: &Rc<Self>,
        intake: &mut Intake,
        frame: &[u8],
        permit: Permit,
        held: bool,
    ) -> Permit {
        let command = special(intake.scanner.name());
        match (&permit, command) {
            _ if self.answers_hopeless(intake, &permit, command) => {}
            (_, Special::Quit) => {
                self.answer(&permit, replies::OK);
                self.note_end(ClientEnd::Client);
                self.end_after_answers(intake, &permit);
            }
            (_, Special::Http) => self.turn_away(intake, &permit),
            (Permit::Send(link), Special::Refused) if intake.in_multi => {
                // The server must hear of it, or EXEC would execute the rest.
                link.command(self, Kind::Refusal(REFUSED_IN_MULTI), BAD_SUBSCRIBE);
            }
            (_, Special::Refused) => self.answer(&permit, &replies::refused(intake.scanner.name())),
            (Permit::Login, _) => return login::admit(self, intake, command, frame),
            // What was meant for the node of the moment must not stop or turn its successor.
            (Permit::Send(_), Special::Unheld) if held => self.refuse(intake, &permit),
            (Permit::Send(link), _) => self.send_special(intake, &link.clone(), command, frame),
            (Permit::Refuse, Special::Exec | Special::Discard) if intake.in_multi => {
                self.give_up_transaction(intake);
                self.answers_hopeless(intake, &permit, command);
            }
            // What follows may be on its way already, and must not be executed by itself.
            (Permit::Refuse, Special::Multi) if !intake.in_multi && intake.scanner.argc() == 1 => {
                self.answer(&permit, replies::OK);
                intake.in_multi = true;
                self.give_up_transaction(intake);
            }
            (Permit::Refuse, _) => self.refuse(intake, &permit),
            // Not reached: nothing is scanned while waiting.
            (Permit::Wait, _) => {}
        }
        match self.awaits_answer(intake) {
            true => Permit::Wait,
            false => permit,
        }
    }

    fn send_special(
        self: &Rc<Self>,
        intake: &mut Intake,
        link: &Rc<Link>,
        command: Special,
        frame: &[u8],
    ) {
        if matches!(command, Special::Auth | Special::Hello) && self.worker.config.login.is_some() {
            return login::answer_for_server(self, intake, link, command, frame);
        }
        let argc = intake.scanner.argc();
        if let Some((kind, stand_in)) = stand_in(intake, command, frame, argc) {
            if command == Special::Exec {
                intake.in_multi = false;
                intake.watch_lost = false;
            }
            return link.command(self, kind, stand_in);
        }
        let queued = intake.in_multi;
        if command == Special::Client && self.send_addressed(queued, link, frame) {
            return;
        }
        if matches!(command, Special::Subscribe { .. }) && self.asks_too_much(intake, link, frame) {
            return self.answer(&Permit::Send(link.clone()), TOO_MANY);
        }
        self.follow_transaction(intake, command, argc);
        let kind = match command {
            Special::Exec | Special::Discard | Special::Reset => {
                self.slot_for(intake, command, frame, argc)
            }
            _ if queued => Kind::Queued,
            _ => self.slot_for(intake, command, frame, argc),
        };
        intake.awaits_pop = matches!(kind, Kind::Blocking(_));
        let was_reset = kind == Kind::Reset;
        if kind == Kind::Monitor && link.slots() == 0 && self.skips_monitor() {
            return;
        }
        link.command(self, kind, frame);
        if was_reset {
            login::renew(self, intake, link);
        }
    }

    /// Sends a command that names other clients, if it is one: the ids in it are those of this link's
    /// node, so it is not kept for another.
    fn send_addressed(self: &Rc<Self>, queued: bool, link: &Rc<Link>, frame: &[u8]) -> bool {
        let Some(addressed) = self.addressed(frame, link) else {
            return false;
        };
        match (queued, is_setting(frame)) {
            (true, true) => link.command(self, Kind::Refusal(REDIRECT_IN_MULTI), BAD_SUBSCRIBE),
            (true, false) => link.ask(self, Kind::Queued, &addressed),
            (false, true) => link.ask(self, Kind::Redirect(frame.into()), &addressed),
            (false, false) => link.ask(self, Kind::Plain, &addressed),
        }
        true
    }

    /// Whether a SUBSCRIBE, with those that are not confirmed yet, asks for more names than are
    /// remembered for one client.
    fn asks_too_much(&self, intake: &mut Intake, link: &Link, frame: &[u8]) -> bool {
        if link.slots() == 0 {
            intake.subscribing = 0;
        }
        let asked = cost_of_all(frame).saturating_add(intake.subscribing);
        let state = self.state.borrow();
        let known = state.names().map_or(0, |names| names.bytes());
        let too_much = known.saturating_add(asked) > REMEMBERED_MAX;
        if !too_much {
            intake.subscribing = asked;
        }
        too_much
    }

    /// Keeps track of whether the commands to come are queued by the server.
    fn follow_transaction(&self, intake: &mut Intake, command: Special, argc: usize) {
        match command {
            Special::Multi => {
                intake.in_multi |= argc == 1 && !self.state.borrow().is_limited();
            }
            // EXEC ends a transaction whatever its arguments.
            Special::Exec => intake.in_multi = false,
            Special::Discard | Special::Reset if argc == 1 => {
                // Outside of a transaction DISCARD is refused, and the watch lives on.
                intake.watch_lost &= command == Special::Discard && !intake.in_multi;
                intake.in_multi = false;
            }
            Special::Unwatch => intake.watch_lost &= intake.in_multi,
            _ => {}
        }
    }
}

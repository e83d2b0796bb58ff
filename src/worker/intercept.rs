//! The commands a session must do something about beyond passing them on.

use std::rc::Rc;

use tokio::time::Instant;

use crate::resp::questions::{BAD_SUBSCRIBE, DISCARD, REPLY_ON};
use crate::resp::{Args, Special, replies, special};

use super::identity::{id_question, may_name_clients};
use super::intake::Intake;
use super::link::Link;
use super::login;
use super::permit::Permit;
use super::scripts::Mark;
use super::session::Session;
use super::settings::{is_caching, is_setting};
use super::slot::{Kind, ReplyMode};

const SUBSCRIBE_IN_MULTI: &[u8] = b"-ERR steadfast: SUBSCRIBE is not allowed inside MULTI\r\n";
const REFUSED_IN_MULTI: &[u8] =
    b"-ERR steadfast: this command is not available through a proxy\r\n";
const REDIRECT_IN_MULTI: &[u8] =
    b"-ERR steadfast: CLIENT TRACKING with REDIRECT is not allowed inside MULTI\r\n";
const UNSUBSCRIBE_IN_MULTI: &[u8] = b"-ERR steadfast: UNSUBSCRIBE is not allowed inside MULTI\r\n";

impl Intake {
    /// The slot of the command at hand if it needs nothing but passing on.
    pub(super) fn ordinary(&self) -> Option<Kind> {
        match special(self.scanner.name()) {
            _ if self.hopeless => None,
            Special::Plain | Special::Blocking | Special::Script | Special::Scan { .. }
                if self.in_multi =>
            {
                Some(Kind::Queued)
            }
            Special::Plain => Some(Kind::Plain),
            Special::Blocking => Some(Kind::Blocking(Instant::now())),
            Special::Script => Some(Kind::Script(Mark::default())),
            Special::Scan { kind } => Some(Kind::Scan(kind)),
            _ => None,
        }
    }

    /// A transaction that cannot be executed is over for the client.
    fn end_hopeless(&mut self) {
        self.hopeless = false;
        self.in_multi = false;
        self.watch_lost = false;
    }

    /// Whether the command at hand would be queued for a transaction that cannot be executed.
    pub(super) fn is_part_of_hopeless(&self) -> bool {
        let ends = matches!(
            special(self.scanner.name()),
            Special::Exec | Special::Discard | Special::Reset | Special::Quit
        );
        self.hopeless && !ends
    }

    /// Whether the command that `beginning` is of cannot be streamed, because all of it has to be
    /// seen first.
    pub(super) fn must_be_whole(&self, beginning: &[u8]) -> bool {
        match special(self.scanner.name()) {
            _ if self.hopeless => true,
            Special::Auth | Special::Hello | Special::Refused => true,
            Special::Client => may_name_clients(beginning),
            Special::Subscribe { .. } | Special::Unsubscribe { .. } => self.in_multi,
            _ => false,
        }
    }

    /// The slot of a command of which only the beginning is there.
    pub(super) fn streamed_kind(&mut self) -> Kind {
        let names = self.scanner.argc().saturating_sub(1);
        match special(self.scanner.name()) {
            Special::Exec => {
                self.in_multi = false;
                Kind::Exec
            }
            _ if self.in_multi => Kind::Queued,
            Special::Blocking => Kind::Blocking(Instant::now()),
            Special::Subscribe { kind } => Kind::Subscribe(kind, names),
            Special::Unsubscribe { kind } => Kind::Unsubscribe(kind, Some(names)),
            _ => Kind::Plain,
        }
    }
}

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
                self.end_after_answers(intake, &permit);
            }
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
        if intake.blocked { Permit::Wait } else { permit }
    }

    /// Answers what belongs to a transaction that cannot be executed any more; `false` when the
    /// command does not.
    fn answers_hopeless(
        self: &Rc<Self>,
        intake: &mut Intake,
        permit: &Permit,
        command: Special,
    ) -> bool {
        match command {
            _ if !intake.hopeless || matches!(permit, Permit::Login) => return false,
            Special::Quit => return false,
            Special::Reset => {
                intake.end_hopeless();
                return false;
            }
            Special::Exec => {
                intake.end_hopeless();
                self.answer(permit, replies::ABORTED);
            }
            Special::Discard => {
                intake.end_hopeless();
                self.answer(permit, replies::OK);
            }
            _ => self.queue_in_vain(intake, permit),
        }
        true
    }

    /// Answers a part of a transaction that cannot be executed any more.
    pub(super) fn queue_in_vain(self: &Rc<Self>, intake: &mut Intake, permit: &Permit) {
        match permit {
            Permit::Refuse => self.refuse(intake, permit),
            _ => self.answer(permit, replies::QUEUED),
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
        self.follow_transaction(intake, command, argc);
        let kind = match command {
            Special::Exec | Special::Discard | Special::Reset => {
                self.slot_for(intake, command, frame, argc)
            }
            _ if queued => Kind::Queued,
            _ => self.slot_for(intake, command, frame, argc),
        };
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

    /// What the reply to a command will mean. A login on a node whose role is not known yet holds
    /// back what comes after it.
    fn slot_for(&self, intake: &mut Intake, command: Special, frame: &[u8], argc: usize) -> Kind {
        match command {
            Special::Auth => {
                intake.blocked = self.role_pending.get();
                Kind::Auth
            }
            Special::Hello => {
                let logs_in = Args::new(frame).any(|arg| arg.eq_ignore_ascii_case(b"AUTH"));
                intake.blocked = logs_in && self.role_pending.get();
                Kind::Hello(logs_in)
            }
            Special::Reset if argc == 1 => Kind::Reset,
            Special::Subscribe { kind } if argc > 1 => Kind::Subscribe(kind, argc - 1),
            Special::Unsubscribe { kind } => {
                Kind::Unsubscribe(kind, (argc > 1).then_some(argc - 1))
            }
            Special::Monitor if argc == 1 => Kind::Monitor,
            Special::Blocking => Kind::Blocking(Instant::now()),
            Special::Script => Kind::Script(Mark::default()),
            Special::Scan { kind } => Kind::Scan(kind),
            Special::Multi => Kind::Multi,
            Special::Exec => Kind::Exec,
            Special::Discard => Kind::Discard,
            Special::Watch => Kind::Watch,
            Special::Unwatch => Kind::Unwatch,
            Special::Setting => Kind::Setting,
            Special::Client if is_setting(frame) => Kind::Setting,
            Special::Client if is_caching(frame) => Kind::Caching,
            Special::Client => id_question(frame).unwrap_or(Kind::Plain),
            _ => Kind::Plain,
        }
    }

    /// There has been no primary for longer than commands are held.
    pub(super) fn refuse(self: &Rc<Self>, intake: &mut Intake, permit: &Permit) {
        self.tell_refused(intake, permit);
        if intake.in_multi {
            self.give_up_transaction(intake);
        }
    }

    /// Tells the client that its command was not executed.
    pub(super) fn tell_refused(self: &Rc<Self>, intake: &Intake, permit: &Permit) {
        let waited = intake.outage(&self.worker);
        self.worker.counters.refused.add(1);
        let name = &self.worker.config.primary_name;
        self.answer(permit, &replies::masterdown(name, waited));
    }
}

/// What the server is sent in place of a command whose own effect would break the pairing of
/// replies, and what its answer then means.
fn stand_in(
    intake: &Intake,
    command: Special,
    frame: &[u8],
    argc: usize,
) -> Option<(Kind, &'static [u8])> {
    let in_multi = intake.in_multi;
    match command {
        Special::Exec if in_multi && intake.watch_lost => Some((Kind::LostWatch, DISCARD)),
        Special::Client => Some((Kind::ReplyMode(reply_mode(frame, argc)?), REPLY_ON)),
        Special::Subscribe { .. } if in_multi => {
            Some((Kind::Refusal(SUBSCRIBE_IN_MULTI), BAD_SUBSCRIBE))
        }
        Special::Unsubscribe { .. } if in_multi => {
            Some((Kind::Refusal(UNSUBSCRIBE_IN_MULTI), BAD_SUBSCRIBE))
        }
        _ => None,
    }
}

/// The mode a CLIENT REPLY asks for, if that is what it is.
fn reply_mode(frame: &[u8], argc: usize) -> Option<ReplyMode> {
    let mut args = Args::new(frame).skip(1);
    if argc != 3 || !args.next()?.eq_ignore_ascii_case(b"REPLY") {
        return None;
    }
    let mode = args.next()?;
    [
        (&b"ON"[..], ReplyMode::On),
        (b"OFF", ReplyMode::Off),
        (b"SKIP", ReplyMode::Skip),
    ]
    .into_iter()
    .find_map(|(word, meaning)| mode.eq_ignore_ascii_case(word).then_some(meaning))
}

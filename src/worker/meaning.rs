//! What the reply to a command will mean: the kind of slot it is noted with.

use tokio::time::Instant;

use crate::resp::{Args, Class, Special, class, special};

use super::identity::id_question;
use super::intake::Intake;
use super::scripts::Mark;
use super::session::{Route, Session};
use super::settings::{is_caching, is_setting};
use super::slot::Kind;

impl Intake {
    /// The slot of the command at hand, which is `frame` or begins it, if it needs nothing but
    /// passing on.
    pub(super) fn ordinary(&self, frame: &[u8]) -> Option<Kind> {
        match special(self.scanner.name()) {
            _ if self.hopeless => None,
            Special::Plain | Special::Blocking | Special::Script | Special::Scan { .. }
                if self.in_multi =>
            {
                Some(Kind::Queued)
            }
            Special::Plain => Some(Kind::Plain),
            Special::Blocking => Some(blocking(frame)),
            Special::Script => Some(Kind::Script(Mark::default())),
            Special::Scan { kind } => Some(Kind::Scan(kind)),
            _ => None,
        }
    }
}

impl Session {
    /// Whether something of ours is to be asked between a login and what comes after it.
    pub(super) fn login_holds_back(&self) -> bool {
        let route = self.route.borrow();
        let capa = matches!(&*route, Route::Attached(link) if link.wants_capa.get());
        capa || self.role_pending.get()
    }

    /// What the reply to a command will mean. A login on a node whose role is not known yet holds
    /// back what comes after it.
    pub(super) fn slot_for(
        &self,
        intake: &mut Intake,
        command: Special,
        frame: &[u8],
        argc: usize,
    ) -> Kind {
        match command {
            Special::Auth => {
                intake.blocked = self.login_holds_back();
                Kind::Auth
            }
            Special::Hello => {
                let logs_in = Args::new(frame).any(|arg| arg.eq_ignore_ascii_case(b"AUTH"));
                intake.blocked = logs_in && self.login_holds_back();
                Kind::Hello(logs_in)
            }
            Special::Reset if argc == 1 => Kind::Reset,
            Special::Subscribe { kind } if argc > 1 => Kind::Subscribe(kind, argc - 1),
            Special::Unsubscribe { kind } => {
                Kind::Unsubscribe(kind, (argc > 1).then_some(argc - 1))
            }
            Special::Monitor if argc == 1 => Kind::Monitor,
            Special::Blocking => blocking(frame),
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
}

/// What the reply to a command means whose name says that it may wait. Behind one that may be asked
/// again nothing is sent; WAIT never is, and XREAD waits only where it has a BLOCK.
fn blocking(frame: &[u8]) -> Kind {
    match class(frame) {
        Class::Blocking | Class::BlockingRead { .. } => Kind::Blocking(Instant::now()),
        Class::Wait => Kind::Wait,
        _ => Kind::Plain,
    }
}

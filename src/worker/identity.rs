//! Keeps clients to the ids of `ids`: what a server says about ids is said anew, and commands that
//! name a client reach the server with the upstream id.

use std::num::NonZeroU64;
use std::ops::Range;
use std::rc::Rc;

use crate::resp::questions::CLIENT_ID;
use crate::resp::{Args, elements, hello_id, integer};

use super::ids::Registration;
use super::link::Link;
use super::login::command;
use super::session::Session;
use super::slot::Kind;

impl Link {
    /// What the server calls this connection, once that is known.
    pub(crate) fn upstream_id(&self) -> Option<u64> {
        self.upstream_id.get().map(NonZeroU64::get)
    }

    /// Asks what the server calls this connection, unless that was done already.
    pub(super) fn ask_id(&self, owner: &Rc<Session>) {
        if !self.id_asked.replace(true) {
            self.ask(owner, Kind::OwnId, CLIENT_ID);
        }
    }

    /// The server said what it calls this connection.
    pub(super) fn learn_id(&self, owner: &Session, id: u64) {
        self.id_asked.set(true);
        self.upstream_id.set(NonZeroU64::new(id));
        self.register(owner);
    }

    /// Lets the owner's id lead here, where somebody may know it.
    pub(super) fn register(&self, owner: &Session) {
        if let Some(id) = self.upstream_id()
            && owner.told_id.get()
            && !self.has_ended()
            && self.registration.borrow().is_none()
        {
            let ids = &owner.worker.ids;
            let registration = Registration::new(ids, owner.id, self.generation, id);
            *self.registration.borrow_mut() = Some(Box::new(registration));
        }
    }

    /// Has nobody's id lead here any more; `false` where somebody has used the owner's.
    pub(super) fn deregister(&self) -> bool {
        let registration = self.registration.borrow();
        registration.as_ref().is_none_or(|it| it.withdraw())
    }
}

impl Session {
    /// The reply to a command of this kind as the client is to see it, where that is not as it
    /// stands.
    pub(super) fn renumbered(&self, kind: &Kind, frame: &[u8], link: &Link) -> Option<Vec<u8>> {
        let range = match kind {
            Kind::ClientId => {
                let range = id_range(frame)?;
                // Others may be told of it, and have to find a link of its own by it.
                self.pinned.set(true);
                range
            }
            Kind::Hello(_) => hello_id(frame)?,
            Kind::Exec => return self.renumbered_elements(frame, link),
            Kind::RedirectTarget => return self.redirect_target(frame),
            _ => return None,
        };
        self.tell_id(frame.get(range.clone())?, link);
        Some(replaced(frame, range, self.id))
    }

    /// EXEC tells the results of the commands that were queued.
    fn renumbered_elements(&self, frame: &[u8], link: &Link) -> Option<Vec<u8>> {
        let state = self.state.borrow();
        let transaction = state.transaction.as_ref().filter(|it| it.sets_state())?;
        let mut out = None;
        let mut shift = 0_usize;
        for (queued, result) in transaction.frames().skip(1).zip(elements(frame)?) {
            let range = if asks_id(queued) {
                self.pinned.set(true);
                id_range(result)
            } else if is_hello(queued) {
                hello_id(result)
            } else {
                None
            };
            let Some(range) = range else { continue };
            self.tell_id(result.get(range.clone())?, link);
            // The elements are parts of the frame.
            let at = (result.as_ptr() as usize).checked_sub(frame.as_ptr() as usize)?;
            let digits = self.id.to_string();
            let from = at + range.start + shift;
            let out: &mut Vec<u8> = out.get_or_insert_with(|| frame.to_vec());
            out.splice(from..from + range.len(), digits.bytes());
            // No id of ours is shorter than one of a server.
            shift += digits.len().saturating_sub(range.len());
        }
        out
    }

    /// The client gets to know its id, and may tell others.
    fn tell_id(&self, upstream: &[u8], link: &Link) {
        self.told_id.set(true);
        let id = std::str::from_utf8(upstream).ok();
        if let Some(id) = id.and_then(|digits| digits.parse().ok()) {
            link.learn_id(self, id);
        }
    }

    /// CLIENT GETREDIR: 0 and below are no ids.
    fn redirect_target(&self, frame: &[u8]) -> Option<Vec<u8>> {
        integer(frame).filter(|id| *id > 0)?;
        let state = self.state.borrow();
        Some(format!(":{}\r\n", state.redirection()?).into_bytes())
    }

    /// A command that names clients, as the server is to get it on `link`; none for any other.
    pub(super) fn addressed(&self, frame: &[u8], link: &Link) -> Option<Vec<u8>> {
        let args: Vec<_> = Args::new(frame).collect();
        let places = named_clients(&args);
        if places.is_empty() {
            return None;
        }
        let ids = &self.worker.ids;
        let translated: Vec<_> = (0..)
            .zip(&args)
            .map(
                |(at, arg)| match number(arg).filter(|_| places.contains(&at)) {
                    Some(client) => ids
                        .upstream(client, link.generation)
                        .to_string()
                        .into_bytes(),
                    None => arg.to_vec(),
                },
            )
            .collect();
        Some(command(translated.iter().map(Vec::as_slice)))
    }
}

/// What the reply to a CLIENT command means for ids; none where nothing.
pub(super) fn id_question(frame: &[u8]) -> Option<Kind> {
    let word = Args::new(frame).nth(1)?;
    if asks_id(frame) {
        Some(Kind::ClientId)
    } else if word.eq_ignore_ascii_case(b"GETREDIR") {
        Some(Kind::RedirectTarget)
    } else {
        None
    }
}

/// The client that a CLIENT TRACKING names as the one to be told of changes.
pub(super) fn redirection(frame: &[u8]) -> Option<u64> {
    let args: Vec<_> = Args::new(frame).collect();
    let tracks = args.get(1)?.eq_ignore_ascii_case(b"TRACKING");
    let at = *named_clients(&args).first().filter(|_| tracks)?;
    number(args.get(at)?)
}

fn asks_id(frame: &[u8]) -> bool {
    let mut args = Args::new(frame);
    let mut is = |word: &[u8]| {
        args.next()
            .is_some_and(|arg| arg.eq_ignore_ascii_case(word))
    };
    is(b"CLIENT") && is(b"ID")
}

fn is_hello(frame: &[u8]) -> bool {
    let name = Args::new(frame).next();
    name.is_some_and(|name| name.eq_ignore_ascii_case(b"HELLO"))
}

/// The digits of an integer reply.
fn id_range(frame: &[u8]) -> Option<Range<usize>> {
    integer(frame)?;
    Some(1..frame.len().checked_sub(2)?)
}

fn replaced(frame: &[u8], range: Range<usize>, id: u64) -> Vec<u8> {
    let mut out = frame.to_vec();
    out.splice(range, id.to_string().bytes());
    out
}

/// Any number a server may take as an id; what is none of ours names nobody.
fn number(arg: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(arg).ok()?;
    let number: i64 = text.parse().ok()?;
    // 0 and below are refused in the server's own words.
    u64::try_from(number).ok().filter(|number| *number > 0)
}

/// Whether the CLIENT command that `beginning` is of may name clients.
pub(super) fn may_name_clients(beginning: &[u8]) -> bool {
    const WORDS: [&[u8]; 4] = [b"KILL", b"LIST", b"TRACKING", b"UNBLOCK"];
    let word = Args::new(beginning).nth(1);
    word.is_none_or(|word| WORDS.iter().any(|listed| word.eq_ignore_ascii_case(listed)))
}

/// Which arguments of a CLIENT command, its name being 0, are ids of clients.
fn named_clients(args: &[&[u8]]) -> Vec<usize> {
    let is = |at: usize, word: &str| {
        let arg = args.get(at);
        arg.is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    if is(1, "UNBLOCK") {
        return vec![2];
    }
    // The old form of KILL has nothing but an address.
    let filters = (is(1, "KILL") && args.len() > 3) || is(1, "LIST");
    let tracking = is(1, "TRACKING");
    if !filters && !tracking {
        return Vec::new();
    }
    let mut places = Vec::new();
    let mut at = if tracking { 3 } else { 2 };
    while at < args.len() {
        let ids = filters && (is(at, "ID") || is(at, "NOT-ID"));
        let redirect = tracking && is(at, "REDIRECT");
        let takes_value = filters || redirect || is(at, "PREFIX");
        if redirect {
            places.push(at + 1);
        }
        at += 1 + usize::from(takes_value && !ids);
        while ids && args.get(at).is_some_and(|arg| number(arg).is_some()) {
            places.push(at);
            at += 1;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(line: &str) -> Vec<usize> {
        let args: Vec<_> = line.split(' ').map(str::as_bytes).collect();
        named_clients(&args)
    }

    #[test]
    fn knows_which_arguments_are_ids() {
        assert_eq!(places("CLIENT UNBLOCK 7 ERROR"), [2]);
        assert_eq!(places("client kill id 7"), [3]);
        assert_eq!(places("CLIENT KILL TYPE normal ID 7 SKIPME no"), [5]);
        assert_eq!(places("CLIENT KILL ID 7 8 USER 9 NOT-ID 5"), [3, 4, 8]);
        assert_eq!(places("CLIENT LIST ID 7 8"), [3, 4]);
        assert_eq!(places("CLIENT TRACKING ON REDIRECT 7 PREFIX redirect"), [4]);
        assert!(places("CLIENT TRACKING ON PREFIX REDIRECT NOLOOP").is_empty());
        for line in [
            "CLIENT KILL 127.0.0.1:7",
            "CLIENT KILL USER ID",
            "CLIENT ID",
            "CLIENT",
            "CLIENT SETNAME 7",
            "CLIENT KILL ID x",
        ] {
            assert!(places(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn half_a_command_may_name_clients_unless_its_word_says_otherwise() {
        assert!(may_name_clients(b"*4\r\n$6\r\nCLIENT\r\n$4\r\nkill\r\n$9"));
        assert!(may_name_clients(b"*4\r\n$6\r\nCLIENT\r\n$4\r\nki"));
        assert!(!may_name_clients(
            b"*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$9"
        ));
    }

    #[test]
    fn the_target_of_a_redirection_is_the_client_s_own_word() {
        let frame = |line: &str| command(line.split(' ').map(str::as_bytes));
        assert_eq!(
            redirection(&frame("CLIENT TRACKING on redirect 77")),
            Some(77)
        );
        assert_eq!(redirection(&frame("CLIENT TRACKING on")), None);
        assert_eq!(redirection(&frame("CLIENT LIST ID 7")), None);
    }
}

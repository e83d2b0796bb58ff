//! What Steadfast asks a server for itself just before a command, on the same link, so that the
//! command does what it would have done had the link never changed. The answers are swallowed.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use crate::resp::questions::CLIENT_ID;

use super::link::Link;
use super::login::command;
use super::scripts::{Digest, Effect, Mark, asked_for, digest_of, effect};
use super::session::Session;
use super::slot::Kind;

/// Bytes of scripts loaded before one MULTI.
const PRELOAD_MAX: usize = 1024 * 1024;

/// A question of our own.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) kind: Kind,
    pub(super) frame: Cow<'static, [u8]>,
}

impl Question {
    pub(super) fn new(kind: Kind, frame: impl Into<Cow<'static, [u8]>>) -> Self {
        let frame = frame.into();
        Self { kind, frame }
    }

    /// Asks it. The caller has sent all that comes before.
    pub(super) fn ask(self, link: &Link, owner: &Rc<Session>) {
        link.ask(owner, self.kind, &self.frame);
    }
}

impl Session {
    /// What is to be asked before `frame` is sent on `link`, and what its reply means then; or, as
    /// [`Kind::Local`], what the client is told instead.
    pub(super) fn prelude(&self, link: &Link, kind: Kind, frame: &[u8]) -> (Kind, Vec<Question>) {
        match kind {
            Kind::Blocking(_) | Kind::Wait => blocking_prelude(link, kind, frame),
            Kind::Scan(about) => match self.refuse_cursor(about, frame, link) {
                Some(reply) => (Kind::Local(reply.into()), Vec::new()),
                None => (kind, Vec::new()),
            },
            Kind::Multi => (kind, self.scripts_missing(link)),
            Kind::Plain | Kind::Script(_) | Kind::Repeated => {
                self.script_prelude(link, kind, frame)
            }
            _ => (kind, Vec::new()),
        }
    }

    fn script_prelude(&self, link: &Link, kind: Kind, frame: &[u8]) -> (Kind, Vec<Question>) {
        let worker = &self.worker;
        if asked_for(frame).is_some() {
            let load = self.script_lacking(link, frame);
            // Only what comes next is tracked, and that would be ours.
            let again = load.as_ref().and_then(|_| self.caching_again());
            return (Kind::Plain, load.into_iter().chain(again).collect());
        }
        let mark = worker.scripts.mark(link.generation);
        match (kind, effect(frame)) {
            (Kind::Script(_), Some(Effect::Loaded(text, false)))
                if worker.known_scripts.has(&digest_of(text), mark) =>
            {
                (Kind::Plain, Vec::new())
            }
            (Kind::Script(_), Some(_)) => (Kind::Script(mark), Vec::new()),
            (_, _) => (Kind::Plain, Vec::new()),
        }
    }

    /// Sets up anew what is to apply to the next command, where anything is.
    pub(super) fn caching_again(&self) -> Option<Question> {
        let state = self.state.borrow();
        let frame = state.caching()?.to_vec();
        Some(Question::new(Kind::Restore(false), frame))
    }

    /// What loads the script that `frame` asks for by its digest, where that has to be done.
    pub(super) fn script_lacking(&self, link: &Link, frame: &[u8]) -> Option<Question> {
        let digest = asked_for(frame).filter(|_| !link.scripts_refused.get())?;
        let worker = &self.worker;
        let mark = worker.scripts.mark(link.generation);
        let text = worker.known_scripts.lacks(&worker.scripts, &digest, mark)?;
        let mut loads = link.loads.borrow_mut();
        let begins = loads.get_or_insert_default().begin(digest, mark);
        begins.then(|| load(digest, &text, mark))
    }

    /// A transaction cannot be repaired once it is executed: all that it may use is loaded before.
    fn scripts_missing(&self, link: &Link) -> Vec<Question> {
        // None is called in what goes on a shared link.
        if link.scripts_refused.get() || link.is_shared() {
            return Vec::new();
        }
        let worker = &self.worker;
        let mark = worker.scripts.mark(link.generation);
        let known = &worker.known_scripts;
        let missing = known.missing(&worker.scripts, mark, PRELOAD_MAX);
        let mut loads = link.loads.borrow_mut();
        let loads = loads.get_or_insert_default();
        let begun = missing.into_iter();
        let begun = begun.filter(|(digest, _)| loads.begin(*digest, mark));
        let load_one = |(digest, text): (Digest, Arc<[u8]>)| load(digest, &text, mark);
        begun.map(load_one).collect()
    }

    /// A transaction may use a script: the next one finds it loaded on any node.
    pub(super) fn note_script(&self, frame: &[u8]) {
        if let Some(digest) = asked_for(frame) {
            let worker = &self.worker;
            let mark = worker.scripts.mark(worker.generation());
            worker.known_scripts.lacks(&worker.scripts, &digest, mark);
        }
    }

    /// A command that succeeded, sent at `mark`, may have changed the server's scripts.
    pub(super) fn learn_script(&self, frame: &[u8], mark: Mark) {
        match effect(frame) {
            Some(Effect::Loaded(text, wanted)) => {
                let digest = self.worker.scripts.learn(text, wanted, mark);
                self.worker.known_scripts.learn(digest, mark);
            }
            Some(Effect::Flushed) => self.worker.scripts.forget_all(),
            None => {}
        }
    }

    /// What loads a script that the server turned out not to have; none where its text is unknown.
    pub(super) fn script_to_repair(&self, link: &Link, frame: &[u8]) -> Option<Question> {
        let digest = asked_for(frame)?;
        let scripts = &self.worker.scripts;
        let (text, _) = scripts.want(&digest, Mark::default())?;
        // Whoever took this one away may have taken others.
        scripts.doubt();
        let mark = scripts.mark(link.generation);
        (!link.scripts_refused.get()).then(|| load(digest, &text, mark))
    }
}

fn blocking_prelude(link: &Link, kind: Kind, frame: &[u8]) -> (Kind, Vec<Question>) {
    // Only by that name can the call be ended.
    let name = (!link.id_asked.replace(true)).then(|| Question::new(Kind::OwnId, CLIENT_ID));
    match link.wait_prelude(frame) {
        Some(publish) => (Kind::Wait, name.into_iter().chain([publish]).collect()),
        None => (kind, name.into_iter().collect()),
    }
}

fn load(digest: Digest, text: &[u8], mark: Mark) -> Question {
    let frame = command([&b"SCRIPT"[..], b"LOAD", text].into_iter());
    Question::new(Kind::ScriptLoad(Box::new((digest, mark))), frame)
}

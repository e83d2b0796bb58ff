//! The scripts clients have given servers. A server does not hand its scripts on to the one that
//! takes its place, so their text is kept here, to be loaded there when it is asked for by digest.
//!
//! `Scripts` is the process's, behind a lock; `Known` is what one worker has found out from it, so
//! that a script that is loaded costs a look-up and no lock. Functions are replicated and no matter
//! of ours.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::resp::Args;

/// Bytes of text kept for all clients; what was used longest ago goes first.
const KEPT_MAX: usize = 16 * 1024 * 1024;
/// What one script costs beside its text.
const ENTRY_COST: usize = 256;
/// Digests a worker remembers the standing of.
const KNOWN_MAX: usize = 16 * 1024;
/// Uses of a loaded script after which it counts as used lately again.
const TOUCH_EVERY: u32 = 64;

/// What a script is asked for by.
pub(crate) type Digest = [u8; 20];

/// Where a script was seen to be loaded: counts for as long as nothing has changed there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    generation: u64,
    era: u64,
}

#[derive(Debug)]
struct Script {
    text: Arc<[u8]>,
    /// It was asked for by its digest, or given for that.
    wanted: bool,
    loaded: Mark,
    used: u64,
}

#[derive(Debug, Default)]
struct Shelf {
    scripts: HashMap<Digest, Script>,
    by_use: BTreeMap<u64, Digest>,
    clock: u64,
    bytes: usize,
}

impl Shelf {
    fn touch(&mut self, digest: &Digest) {
        self.clock += 1;
        if let Some(script) = self.scripts.get_mut(digest) {
            self.by_use.remove(&script.used);
            script.used = self.clock;
            self.by_use.insert(self.clock, *digest);
        }
    }

    fn add(&mut self, digest: Digest, text: &[u8]) {
        self.bytes += text.len() + ENTRY_COST;
        let script = Script {
            text: text.into(),
            wanted: false,
            loaded: Mark::default(),
            used: 0,
        };
        self.scripts.insert(digest, script);
        self.touch(&digest);
        while self.bytes > KEPT_MAX
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            let dropped = self.scripts.remove(&oldest);
            self.bytes -= dropped.map_or(0, |script| script.text.len() + ENTRY_COST);
        }
    }
}

/// The scripts of a process.
#[derive(Debug, Default)]
pub struct Scripts {
    shelf: Mutex<Shelf>,
    era: AtomicU64,
    /// How often a script was added.
    added: AtomicU64,
}

impl Scripts {
    /// A script that is loaded from now on is loaded there.
    pub(super) fn mark(&self, generation: u64) -> Mark {
        let era = self.era.load(Ordering::Relaxed);
        Mark { generation, era }
    }

    /// Scripts that were loaded may not be any more.
    pub(super) fn doubt(&self) {
        self.era.fetch_add(1, Ordering::Relaxed);
    }

    /// SCRIPT FLUSH: who drops all scripts does not want them back.
    pub(super) fn forget_all(&self) {
        *self.shelf() = Shelf::default();
        self.doubt();
    }

    /// A server took this text at `mark`; `wanted` when it did so for its digest to be used.
    pub(super) fn learn(&self, text: &[u8], wanted: bool, mark: Mark) -> Digest {
        let digest = digest_of(text);
        let mut shelf = self.shelf();
        if shelf.scripts.contains_key(&digest) {
            shelf.touch(&digest);
        } else {
            shelf.add(digest, text);
            self.added.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(script) = shelf.scripts.get_mut(&digest) {
            script.loaded = mark;
            script.wanted |= wanted;
        }
        digest
    }

    /// The script was loaded at `mark`.
    pub(super) fn loaded(&self, digest: &Digest, mark: Mark) {
        if let Some(script) = self.shelf().scripts.get_mut(digest) {
            script.loaded = mark;
        }
    }

    /// Its digest was used: the text, where it is known, and whether it is loaded at `mark`.
    pub(super) fn want(&self, digest: &Digest, mark: Mark) -> Option<(Arc<[u8]>, bool)> {
        let mut shelf = self.shelf();
        shelf.touch(digest);
        let script = shelf.scripts.get_mut(digest)?;
        script.wanted = true;
        Some((script.text.clone(), script.loaded == mark))
    }

    /// What may be used by its digest and is not loaded at `mark`, last used first, up to so many
    /// bytes.
    pub(super) fn missing(&self, mark: Mark, most: usize) -> Vec<(Digest, Arc<[u8]>)> {
        let shelf = self.shelf();
        let mut left = most;
        let latest = shelf.by_use.values().rev();
        latest
            .filter_map(|digest| Some((*digest, shelf.scripts.get(digest)?)))
            .filter(|(_, script)| script.wanted && script.loaded != mark)
            .map_while(|(digest, script)| {
                left = left.checked_sub(script.text.len())?;
                Some((digest, script.text.clone()))
            })
            .collect()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // A panic in between would leave at worst a count that is off.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The scripts one link has asked the server to load at one mark: until it has answered, what
/// follows in the same pipeline must not ask for each again.
#[derive(Debug, Default)]
pub(super) struct Loads {
    at: Mark,
    digests: HashSet<Digest>,
}

impl Loads {
    /// Notes that the script is being loaded at `mark`; `false` when it was noted before.
    pub(super) fn begin(&mut self, digest: Digest, mark: Mark) -> bool {
        if self.at != mark || self.digests.len() >= KNOWN_MAX {
            self.digests.clear();
            self.at = mark;
        }
        self.digests.insert(digest)
    }
}

#[derive(Debug, Clone, Copy)]
enum Standing {
    /// Loaded by way of its text, and never used by its digest.
    Given,
    /// Loaded, and used this often since the shelf was told.
    Loaded(u32),
    /// Nobody gave its text, when so many had been added.
    Unknown(u64),
}

/// What one worker knows of scripts at one mark.
#[derive(Debug, Default)]
pub(super) struct Known {
    at: Cell<Mark>,
    standings: RefCell<HashMap<Digest, Standing>>,
    /// Where nothing was missing when last looked.
    complete: Cell<Option<Mark>>,
}

impl Known {
    /// The text to load before the script can be used by its digest; none where it is loaded or
    /// not known at all.
    pub(super) fn lacks(
        &self,
        scripts: &Scripts,
        digest: &Digest,
        mark: Mark,
    ) -> Option<Arc<[u8]>> {
        let mut standings = self.standings(mark);
        let added = scripts.added.load(Ordering::Relaxed);
        match standings.get_mut(digest) {
            Some(Standing::Loaded(uses)) if *uses < TOUCH_EVERY => {
                *uses += 1;
                return None;
            }
            Some(Standing::Unknown(then)) if *then == added => return None,
            _ => {}
        }
        let (standing, text) = match scripts.want(digest, mark) {
            Some((_, true)) => (Standing::Loaded(0), None),
            // Not before the server has said so.
            Some((text, false)) => return Some(text),
            None => (Standing::Unknown(added), None),
        };
        standings.insert(*digest, standing);
        text
    }

    /// A server took its text at `mark`.
    pub(super) fn learn(&self, digest: Digest, mark: Mark) {
        self.standings(mark)
            .entry(digest)
            .or_insert(Standing::Given);
    }

    fn standings(&self, mark: Mark) -> RefMut<'_, HashMap<Digest, Standing>> {
        let mut standings = self.standings.borrow_mut();
        if self.at.replace(mark) != mark || standings.len() >= KNOWN_MAX {
            standings.clear();
        }
        standings
    }

    /// Whether this worker has seen the script loaded at `mark`.
    pub(super) fn has(&self, digest: &Digest, mark: Mark) -> bool {
        let standings = self.standings.borrow();
        let there = |standing: &Standing| !matches!(standing, Standing::Unknown(_));
        self.at.get() == mark && standings.get(digest).is_some_and(there)
    }

    /// What is missing at `mark` for commands that cannot wait for it later.
    pub(super) fn missing(
        &self,
        scripts: &Scripts,
        mark: Mark,
        most: usize,
    ) -> Vec<(Digest, Arc<[u8]>)> {
        if self.complete.get() == Some(mark) {
            return Vec::new();
        }
        let missing = scripts.missing(mark, most);
        if missing.is_empty() {
            self.complete.set(Some(mark));
        }
        missing
    }
}

/// What the server calls this script.
pub(super) fn digest_of(text: &[u8]) -> Digest {
    sha1_smol::Sha1::from(text).digest().bytes()
}

/// The digest an EVALSHA or `EVALSHA_RO` asks for.
pub(super) fn asked_for(frame: &[u8]) -> Option<Digest> {
    let mut args = Args::new(frame);
    let name = args.next()?;
    let by_digest =
        name.eq_ignore_ascii_case(b"EVALSHA") || name.eq_ignore_ascii_case(b"EVALSHA_RO");
    let hex = args.next().filter(|hex| by_digest && hex.len() == 40)?;
    let mut digest = Digest::default();
    for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(digest)
}

/// What a command with success has done to the server's scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect<'a> {
    /// This text is there now; `true`: for its digest to be used.
    Loaded(&'a [u8], bool),
    /// None is left.
    Flushed,
}

/// What success of this command does to the server's scripts.
pub(super) fn effect(frame: &[u8]) -> Option<Effect<'_>> {
    let mut args = Args::new(frame);
    let name = args.next()?;
    let first = args.next()?;
    let is = |arg: &[u8], word: &str| arg.eq_ignore_ascii_case(word.as_bytes());
    if is(name, "EVAL") || is(name, "EVAL_RO") {
        Some(Effect::Loaded(first, false))
    } else if !is(name, "SCRIPT") {
        None
    } else if is(first, "LOAD") {
        Some(Effect::Loaded(args.next()?, true))
    } else {
        is(first, "FLUSH").then_some(Effect::Flushed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::login::command;

    fn frame(words: &[&str]) -> Vec<u8> {
        command(words.iter().map(|word| word.as_bytes()))
    }

    const TEXT: &[u8] = b"return 1";
    const HEX: &str = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";

    #[test]
    fn digests_are_the_server_s() {
        let asked = asked_for(&frame(&["evalsha", HEX, "0"]));
        assert_eq!(asked, Some(digest_of(TEXT)));
        let upper = HEX.to_uppercase();
        assert_eq!(asked_for(&frame(&["EVALSHA_RO", &upper, "0"])), asked);
        for words in [&["EVALSHA", "e0e1"][..], &["GET", HEX], &["EVALSHA"]] {
            assert_eq!(asked_for(&frame(words)), None);
        }
        let odd = format!("z{}", &HEX[1..]);
        assert_eq!(asked_for(&frame(&["EVALSHA", &odd])), None);
    }

    #[test]
    fn what_a_command_does_to_scripts() {
        let given = frame(&["SCRIPT", "load", "return 1"]);
        assert_eq!(effect(&given), Some(Effect::Loaded(TEXT, true)));
        let given = frame(&["eval", "return 1", "0"]);
        assert_eq!(effect(&given), Some(Effect::Loaded(TEXT, false)));
        let flush = frame(&["SCRIPT", "FLUSH", "ASYNC"]);
        assert_eq!(effect(&flush), Some(Effect::Flushed));
        assert_eq!(effect(&frame(&["SCRIPT", "EXISTS", HEX])), None);
        assert_eq!(effect(&frame(&["SCRIPT", "LOAD"])), None);
    }

    #[test]
    fn a_script_is_lacked_once_per_node_and_doubt() {
        let (scripts, known) = (Scripts::default(), Known::default());
        let digest = digest_of(TEXT);
        let first = scripts.mark(1);
        assert_eq!(
            known.lacks(&scripts, &digest, first),
            None,
            "nobody gave it"
        );
        scripts.learn(TEXT, true, first);
        assert_eq!(known.lacks(&scripts, &digest, first), None, "it is there");
        assert!(known.has(&digest, first));
        let second = scripts.mark(2);
        assert!(!known.has(&digest, second));
        for _ in 0..2 {
            let text = known.lacks(&scripts, &digest, second);
            assert_eq!(text.as_deref(), Some(TEXT), "until it is loaded");
        }
        scripts.loaded(&digest, second);
        assert_eq!(known.lacks(&scripts, &digest, second), None);
        scripts.doubt();
        let third = scripts.mark(2);
        assert!(known.lacks(&scripts, &digest, third).is_some());
        scripts.forget_all();
        assert_eq!(known.lacks(&scripts, &digest, scripts.mark(2)), None);
    }

    #[test]
    fn only_what_is_used_by_digest_is_loaded_beforehand() {
        let (scripts, known) = (Scripts::default(), Known::default());
        let (old, new) = (scripts.mark(1), scripts.mark(2));
        scripts.learn(b"return 1", true, old);
        scripts.learn(b"return 2", false, old);
        assert!(known.missing(&scripts, old, 100).is_empty());
        let missing = known.missing(&scripts, new, 100);
        assert_eq!(missing.len(), 1);
        assert!(
            known.missing(&scripts, new, 3).is_empty(),
            "too long for that"
        );
        scripts.want(&digest_of(b"return 2"), new);
        let newest = scripts.mark(3);
        let texts: Vec<_> = known.missing(&scripts, newest, 100);
        assert_eq!(&*texts[0].1, b"return 2", "last used first");
        assert_eq!(texts.len(), 2);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let scripts = Scripts::default();
        let mark = scripts.mark(1);
        let text = |n: usize| {
            let mut text = vec![b' '; 1024 * 1024];
            text.extend(n.to_string().bytes());
            text
        };
        for n in 0..20 {
            scripts.learn(&text(n), true, mark);
            assert!(scripts.want(&digest_of(&text(0)), mark).is_some(), "in use");
        }
        assert!(scripts.want(&digest_of(&text(1)), mark).is_none());
        assert!(scripts.want(&digest_of(&text(19)), mark).is_some());
        let shelf = scripts.shelf();
        assert!(shelf.bytes <= KEPT_MAX);
        assert_eq!(shelf.scripts.len(), shelf.by_use.len());
    }
}

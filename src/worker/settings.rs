//! What a client has set on its connection and a new link has to be told again: login, RESP version,
//! database, names, tracking. Learned when the server has said yes, and kept as the very commands
//! that did it, in the order of their last success, but the login first.

use zeroize::Zeroizing;

use crate::resp::Args;

use super::identity::redirection;
use super::key::Key;
use super::login::without_auth;

/// What a command sets; a later one of the same kind takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setting {
    Login,
    Version,
    Database,
    Name,
    LibraryName,
    LibraryVersion,
    NoEvict,
    NoTouch,
    Tracking,
    ReadOnly,
    ImportSource,
}

/// One setting, as it is to be asked for again.
pub(super) struct Wish {
    setting: Setting,
    frame: Zeroizing<Vec<u8>>,
}

impl Wish {
    fn new(setting: Setting, frame: &[u8]) -> Self {
        let frame = Zeroizing::new(frame.to_vec());
        Self { setting, frame }
    }

    /// The command.
    pub(super) fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Whether the client must not go on without it: it would be somebody else, or elsewhere.
    pub(super) fn is_vital(&self) -> bool {
        use Setting::{Database, Login, Tracking, Version};
        matches!(self.setting, Login | Version | Database | Tracking)
    }
}

impl std::fmt::Debug for Wish {
    /// Without the command, which may carry a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.setting)
    }
}

/// All that is set.
#[derive(Debug, Default)]
pub(super) struct Settings(Vec<Wish>);

impl Settings {
    /// The server said yes to `frame`.
    pub(super) fn learn(&mut self, frame: &[u8]) {
        let args: Vec<_> = Args::new(frame).collect();
        let [name, args @ ..] = args.as_slice() else {
            return;
        };
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        if is("AUTH") {
            self.learn_auth(frame);
        } else if is("HELLO") {
            self.learn_hello(args, frame);
        } else if is("SELECT") {
            self.set(Setting::Database, frame);
        } else if is("READONLY") {
            self.set(Setting::ReadOnly, frame);
        } else if is("READWRITE") {
            self.unset(Setting::ReadOnly);
        } else if is("RESET") {
            self.reset();
        } else if is("CLIENT") {
            self.learn_client(args, frame);
        }
    }

    /// Who the client is counts before all else: without it nothing else may be asked for.
    fn learn_auth(&mut self, frame: &[u8]) {
        let version = self.0.iter_mut();
        for wish in version.filter(|wish| wish.setting == Setting::Version) {
            wish.frame = Zeroizing::new(without_auth(&wish.frame));
        }
        self.set_first(Setting::Login, frame);
    }

    /// A HELLO with AUTH or SETNAME does what those would; without a version it changes nothing.
    fn learn_hello(&mut self, args: &[&[u8]], frame: &[u8]) {
        if args.is_empty() {
            return;
        }
        let has = |word: &[u8]| args.iter().any(|arg| arg.eq_ignore_ascii_case(word));
        // What an earlier one did beside choosing the version stays in force.
        if let Some(at) = self
            .0
            .iter()
            .position(|wish| wish.setting == Setting::Version)
        {
            let carries = |word: &[u8]| {
                Args::new(&self.0[at].frame).any(|arg| arg.eq_ignore_ascii_case(word))
            };
            if carries(b"AUTH") {
                self.0[at].setting = Setting::Login;
            } else if carries(b"SETNAME") {
                self.0[at].setting = Setting::Name;
            }
        }
        if has(b"SETNAME") {
            self.unset(Setting::Name);
        }
        if has(b"AUTH") {
            self.unset(Setting::Login);
            self.set_first(Setting::Version, frame);
        } else {
            self.set(Setting::Version, frame);
        }
    }

    fn learn_client(&mut self, args: &[&[u8]], frame: &[u8]) {
        let word = |at: usize| args.get(at).map(|arg: &&[u8]| arg.to_ascii_uppercase());
        let is_off = matches!(word(1).as_deref(), Some(b"OFF" | b"NO"));
        match word(0).as_deref() {
            Some(b"SETNAME") => self.set(Setting::Name, frame),
            Some(b"SETINFO") if word(1).as_deref() == Some(b"LIB-VER") => {
                self.set(Setting::LibraryVersion, frame);
            }
            Some(b"SETINFO") => self.set(Setting::LibraryName, frame),
            Some(b"NO-EVICT") => self.switch(Setting::NoEvict, is_off, frame),
            Some(b"NO-TOUCH") => self.switch(Setting::NoTouch, is_off, frame),
            Some(b"IMPORT-SOURCE") => self.switch(Setting::ImportSource, is_off, frame),
            Some(b"TRACKING") => self.switch(Setting::Tracking, is_off, frame),
            _ => {}
        }
    }

    /// What is to be asked for again, in order.
    pub(super) fn wishes(&self) -> &[Wish] {
        &self.0
    }

    /// The command the client logged in with.
    pub(super) fn login(&self) -> Option<&[u8]> {
        let hello = self
            .find(Setting::Version)
            .filter(|frame| Args::new(frame).any(|arg| arg.eq_ignore_ascii_case(b"AUTH")));
        hello.or_else(|| self.find(Setting::Login))
    }

    /// Whether nothing is set but what makes a key, and names.
    pub(super) fn is_common(&self) -> bool {
        use Setting::{Database, LibraryName, LibraryVersion, Login, Name, Version};
        self.0.iter().all(|wish| {
            matches!(
                wish.setting,
                Login | Version | Database | Name | LibraryName | LibraryVersion
            )
        })
    }

    /// What of it makes a key.
    pub(super) fn key(&self, resp3: bool) -> Key {
        Key::new(self.login(), resp3, self.find(Setting::Database))
    }

    /// Whether the client keeps a cache that the server tells of changes.
    pub(super) fn has_tracking(&self) -> bool {
        self.find(Setting::Tracking).is_some()
    }

    /// The client that is told of changes in this one's stead.
    pub(super) fn redirection(&self) -> Option<u64> {
        redirection(self.find(Setting::Tracking)?)
    }

    /// Tracking has ended.
    pub(super) fn stop_tracking(&mut self) {
        self.unset(Setting::Tracking);
    }

    /// RESET was answered: the library's name and version survive it (`resetCommand` in the
    /// server's networking.c).
    fn reset(&mut self) {
        use Setting::{LibraryName, LibraryVersion};
        self.0
            .retain(|wish| matches!(wish.setting, LibraryName | LibraryVersion));
    }

    fn find(&self, setting: Setting) -> Option<&[u8]> {
        let found = self.0.iter().find(|wish| wish.setting == setting);
        found.map(Wish::frame)
    }

    fn switch(&mut self, setting: Setting, off: bool, frame: &[u8]) {
        if off {
            self.unset(setting);
        } else {
            self.set(setting, frame);
        }
    }

    fn set(&mut self, setting: Setting, frame: &[u8]) {
        self.unset(setting);
        self.0.push(Wish::new(setting, frame));
    }

    fn set_first(&mut self, setting: Setting, frame: &[u8]) {
        self.unset(setting);
        self.0.insert(0, Wish::new(setting, frame));
    }

    fn unset(&mut self, setting: Setting) {
        self.0.retain(|wish| wish.setting != setting);
    }
}

/// Whether `frame`, a CLIENT command, is about the command that comes next.
pub(super) fn is_caching(frame: &[u8]) -> bool {
    let word = Args::new(frame).nth(1).unwrap_or_default();
    word.eq_ignore_ascii_case(b"CACHING")
}

/// Whether the success of `frame`, a CLIENT command, is to be learned.
pub(super) fn is_setting(frame: &[u8]) -> bool {
    const WORDS: [&[u8]; 6] = [
        b"SETNAME",
        b"SETINFO",
        b"NO-EVICT",
        b"NO-TOUCH",
        b"IMPORT-SOURCE",
        b"TRACKING",
    ];
    let word = Args::new(frame).nth(1).unwrap_or_default();
    WORDS.iter().any(|listed| word.eq_ignore_ascii_case(listed))
}

#[cfg(test)]
mod tests;

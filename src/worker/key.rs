//! What clients must have in common for their commands to travel on one link: who they are, the
//! RESP version they speak, and the database they are in.
//!
//! A key is the very commands that make a fresh connection so, hence two keys are equal only if the
//! server would take the two clients for one. The password is part of it: who presented another one,
//! or an old one, shares no link with who presented this.

use zeroize::Zeroizing;

use crate::resp::{Args, RequestScanner, Scanned};

use super::login::command;

/// What the choice of a version, and more digits than were given, take up at most.
const HELLO_LEN_MAX: usize = 64;

/// The commands that make a fresh connection what the clients of this key are; prints nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Key(Zeroizing<Vec<u8>>);

impl Key {
    /// The key of a client that logged in with `login`, an AUTH or a HELLO, and chose its database
    /// with `select`, where it did.
    pub(super) fn new(login: Option<&[u8]>, resp3: bool, select: Option<&[u8]>) -> Self {
        // Large enough from the start, so that growing leaves no copy of a password behind unwiped.
        let given = [login, select].into_iter().flatten().map(<[u8]>::len);
        let len = given.sum::<usize>() + HELLO_LEN_MAX;
        let mut frames = Zeroizing::new(Vec::with_capacity(len));
        if let Some(auth) = login.and_then(auth) {
            frames.extend_from_slice(&auth);
        }
        if resp3 {
            frames.extend(command([&b"HELLO"[..], b"3"].into_iter()));
        }
        let database = select.and_then(|frame| Args::new(frame).nth(1));
        if let Some(number) = database.filter(|number| *number != b"0") {
            frames.extend(command([&b"SELECT"[..], number].into_iter()));
        }
        Self(frames)
    }

    /// What a fresh connection is told, in order.
    pub(super) fn commands(&self) -> &[u8] {
        &self.0
    }

    /// Whether nobody is named: what it is good for is up to what the server has for strangers.
    pub(super) fn is_anonymous(&self) -> bool {
        Args::new(&self.0).next() != Some(b"AUTH")
    }

    /// How many commands those are.
    pub(super) fn len(&self) -> usize {
        let mut rest: &[u8] = &self.0;
        let mut count = 0;
        while let Ok(Scanned::Command { len }) = RequestScanner::new().scan(rest) {
            rest = rest.get(len..).unwrap_or_default();
            count += 1;
        }
        count
    }
}

impl std::fmt::Debug for Key {
    /// Without the commands, which may carry a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// The AUTH that is `frame`, or that is in it; of several in a HELLO the last one counts.
fn auth(frame: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let args: Vec<_> = Args::new(frame).collect();
    let words = match args.as_slice() {
        [name, rest @ ..] if name.eq_ignore_ascii_case(b"AUTH") => rest,
        [_, _, options @ ..] => presented(options)?,
        _ => return None,
    };
    let words = [&b"AUTH"[..]].into_iter().chain(words.iter().copied());
    Some(Zeroizing::new(command(words)))
}

/// User and password of the last AUTH among the options of a HELLO.
fn presented<'a, 'b>(mut options: &'a [&'b [u8]]) -> Option<&'a [&'b [u8]]> {
    let mut found = None;
    while let [option, after @ ..] = options {
        let values = match option {
            _ if option.eq_ignore_ascii_case(b"AUTH") => 2,
            _ if option.eq_ignore_ascii_case(b"SETNAME") => 1,
            _ => 0,
        };
        if values == 2 {
            found = after.get(..2);
        }
        options = after.get(values..)?;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(line: &str) -> Vec<u8> {
        command(line.split(' ').map(str::as_bytes))
    }

    fn key(login: &str, resp3: bool, select: &str) -> Key {
        let some = |line: &str| (!line.is_empty()).then(|| frame(line));
        Key::new(some(login).as_deref(), resp3, some(select).as_deref())
    }

    #[test]
    fn a_key_is_what_a_fresh_connection_is_told() {
        assert_eq!(key("", false, ""), Key::default());
        assert_eq!(key("", false, "SELECT 0"), Key::default());
        let told = [
            frame("AUTH ann secret"),
            frame("HELLO 3"),
            frame("SELECT 7"),
        ];
        let whole = key("auth ann secret", true, "select 7");
        assert_eq!(whole.commands(), told.concat());
        assert_eq!((whole.len(), Key::default().len()), (3, 0));
        assert!(!whole.is_anonymous() && Key::default().is_anonymous());
        assert!(key("", true, "SELECT 7").is_anonymous());
    }

    #[test]
    fn however_a_client_logged_in_it_is_the_same() {
        let by_auth = key("AUTH ann secret", true, "");
        assert_eq!(
            by_auth,
            key("HELLO 3 SETNAME auth AUTH ann secret", true, "")
        );
        assert_eq!(
            by_auth,
            key("HELLO 3 AUTH bob old AUTH ann secret", true, "")
        );
        assert_eq!(key("HELLO 3 SETNAME n", true, ""), key("", true, ""));
    }

    #[test]
    fn another_password_user_version_or_database_is_another_key() {
        let ann = key("AUTH ann secret", false, "");
        for other in [
            key("AUTH ann Secret", false, ""),
            key("AUTH bob secret", false, ""),
            key("AUTH secret", false, ""),
            key("AUTH ann secret", true, ""),
            key("AUTH ann secret", false, "SELECT 1"),
        ] {
            assert!(other != ann);
        }
        assert!(!format!("{ann:?}").contains("secret"));
    }
}

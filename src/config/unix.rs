//! Who may connect to the Unix sockets that clients come by: the flags, and the names they may have.

use std::fs;

use clap::Args;

use super::Error;
use super::parse;

/// What applies when no mode is given: this user and its group, as a volume that a sidecar shares with
/// its application has one in common.
const DEFAULT_MODE: u32 = 0o660;
/// Where users and groups have their numbers. A static program has no other way to ask, and an empty
/// image has neither file: numbers always work.
const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// The permissions and the owner of a Unix socket's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketPermissions {
    /// As for chmod.
    pub mode: u32,
    /// Whom it is given to; none leaves it this process's.
    pub owner: Option<Owner>,
}

/// A user, a group, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user's number, where it changes.
    pub user: Option<u32>,
    /// The group's number, where it changes.
    pub group: Option<u32>,
}

// No doc comment: clap would take it for the text about the program.

#[derive(Debug, Args)]
#[command(next_help_heading = "Serving clients")]
pub(super) struct UnixFlags {
    /// Permissions of the files of Unix sockets: who may write may connect [default: 0660]
    #[arg(long, value_name = "MODE", value_parser = parse::mode)]
    listen_unix_mode: Option<u32>,
    /// Whom those files are given to, by name or number, which takes the right to do so
    /// [default: the user and group Steadfast runs as]
    #[arg(long, value_name = "USER[:GROUP]|:GROUP")]
    listen_unix_owner: Option<String>,
}

impl UnixFlags {
    /// Whether anything is said about files.
    pub(super) const fn are_given(&self) -> bool {
        self.listen_unix_mode.is_some() || self.listen_unix_owner.is_some()
    }

    /// What they mean. Reads where names have their numbers, if there are names.
    pub(super) fn load(self) -> Result<SocketPermissions, Error> {
        let owner = self.listen_unix_owner.map(|text| {
            let number = |name: &str, file: &str| number_of(name, || fs::read_to_string(file));
            owner(&text, &number).ok_or(Error::Owner { name: text.clone() })
        });
        Ok(SocketPermissions {
            mode: self.listen_unix_mode.unwrap_or(DEFAULT_MODE),
            owner: owner.transpose()?,
        })
    }
}

/// `USER`, `USER:GROUP` or `:GROUP`; `number` knows each name in one of the two files.
fn owner(text: &str, number: &dyn Fn(&str, &str) -> Option<u32>) -> Option<Owner> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let user = Some(user).filter(|user| !user.is_empty() || group.is_none());
    Some(Owner {
        user: user
            .map(|user| number(user, USERS).ok_or(()))
            .transpose()
            .ok()?,
        group: group
            .map(|group| number(group, GROUPS).ok_or(()))
            .transpose()
            .ok()?,
    })
}

/// A number as it is; a name by the third field of its line, as both files have it.
fn number_of(name: &str, read: impl Fn() -> std::io::Result<String>) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let text = read().ok()?;
    let mut lines = text.lines().map(|line| line.split(':'));
    let mut fields = lines.find_map(|mut fields| (fields.next()? == name).then_some(fields))?;
    fields.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(Option<u32>, Option<u32>)>) {
        let number = |name: &str, file: &str| {
            let text = match file {
                USERS => "root:x:0:0:root:/root:/bin/sh\napp:x:33:44::/:\ntorn\n",
                _ => "root:x:0:\nwww:x:55:app\n",
            };
            number_of(name, || Ok(text.to_owned()))
        };
        let found = owner(text, &number).map(|owner| (owner.user, owner.group));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn names_and_numbers() {
        check("app", Some((Some(33), None)));
        check("app:www", Some((Some(33), Some(55))));
        check(":www", Some((None, Some(55))));
        check("65532:7", Some((Some(65532), Some(7))));
        for bad in [
            "", ":", "app:", "nobody", "www", "app:app", "torn", "-1", "1:2:3",
        ] {
            check(bad, None);
        }
    }
}

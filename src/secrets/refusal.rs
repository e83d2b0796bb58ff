//! The three ways a server says that somebody is not let in, and what to do about each. Pure.

/// What a server did not like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is logged in (`NOAUTH`).
    NoLogin,
    /// There is no such user, or its password is another (`WRONGPASS`).
    WrongPassword,
    /// The user may not do this (`NOPERM`).
    NoRight,
}

/// Whose login it is about, which decides whose settings to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// That of Steadfast at the Sentinels.
    Sentinel,
    /// That of Steadfast's own checks.
    Control,
    /// That of Steadfast for its clients.
    Clients,
    /// Nobody's: clients bring their own, and Steadfast's own checks do without.
    Nobody,
}

impl Refusal {
    /// What kind of refusal an error is, by its text without the `-`; none if it is none.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        match text.split([' ', '\r', '\n']).next()? {
            "NOAUTH" => Some(Self::NoLogin),
            "WRONGPASS" => Some(Self::WrongPassword),
            "NOPERM" => Some(Self::NoRight),
            // Redis 5 and older.
            _ if text.contains("invalid password") => Some(Self::WrongPassword),
            _ => None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn advice(self, whose: Whose) -> &'static str {
        match (self, whose) {
            (Self::NoLogin, Whose::Sentinel) => {
                "give --sentinel-password-file or STEADFAST_SENTINEL_PASSWORD; Sentinels have a password of their own"
            }
            (Self::NoLogin, Whose::Nobody) => {
                "clients log in themselves; give --control-password-file or STEADFAST_CONTROL_PASSWORD to let Steadfast check the role by itself, or --password-file to let it log in for its clients"
            }
            (Self::NoLogin, Whose::Control) => {
                "the password alone logs in the default user: name another one with --control-username"
            }
            (Self::NoLogin, Whose::Clients) => {
                "the password alone logs in the default user: name another one with --username"
            }
            (Self::WrongPassword, Whose::Sentinel) => {
                "check --sentinel-password-file and --sentinel-username; Sentinels have a password of their own, often another one than the data servers"
            }
            (Self::WrongPassword, Whose::Control) => {
                "check --control-password-file and --control-username; the data servers' password may differ from the Sentinels', and a user other than the default one is named by its own flag"
            }
            (Self::WrongPassword, Whose::Clients | Whose::Nobody) => {
                "check --password-file and --username; the data servers' password may differ from the Sentinels', and a user other than the default one is named by its own flag"
            }
            (Self::NoRight, Whose::Sentinel) => {
                "grant its user what the README lists for the Sentinels' user (+sentinel|master +sentinel|get-master-addr-by-name and more), on every Sentinel"
            }
            (Self::NoRight, Whose::Control) => {
                "grant +ping +role (or +hello) to the user of --control-username, on every server"
            }
            (Self::NoRight, Whose::Clients | Whose::Nobody) => {
                "grant +ping +role (or +hello) to this user on every server, or give Steadfast's own checks a user with --control-username"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_are_told_apart_and_each_has_its_advice() {
        let texts = [
            "NOAUTH Authentication required.",
            "WRONGPASS invalid username-password pair or user is disabled.",
            "NOPERM this user has no permissions to run the 'role' command",
        ];
        let kinds = [Refusal::NoLogin, Refusal::WrongPassword, Refusal::NoRight];
        for (text, kind) in texts.iter().zip(kinds) {
            assert_eq!(Refusal::of(text), Some(kind), "{text}");
        }
        assert_eq!(
            Refusal::of("ERR invalid password\r\n"),
            Some(Refusal::WrongPassword)
        );
        assert_eq!(Refusal::of("ERR unknown command 'NOAUTH'"), None);
        for whose in [
            Whose::Sentinel,
            Whose::Control,
            Whose::Clients,
            Whose::Nobody,
        ] {
            let advice = kinds.map(|kind| kind.advice(whose));
            assert!(advice[0] != advice[1] && advice[1] != advice[2]);
        }
    }
}

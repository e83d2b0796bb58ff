//! What counts are told apart by: closed lists, so that no client can add to them.

/// An enum, all its values in order, and their names as labels.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$said:meta])* $value:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$said])* $value,)+
        }

        impl $name {
            /// All of them, in the order they are counted in.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// Its name as a label.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$value => $label,)+
                }
            }

            /// Its own of what there is one for each.
            pub const fn of<T>(self, all: &[T; Self::ALL.len()]) -> &T {
                &all[self as usize]
            }
        }
    };
}

labels! {
    /// Where a client came in.
    Entrance {
        /// TCP without TLS.
        Tcp = "tcp",
        /// TCP with TLS.
        Tls = "tls",
        /// A Unix socket.
        Unix = "unix",
    }
}

labels! {
    /// Why a client has left.
    ClientEnd {
        /// It wanted to.
        Client = "client",
        /// It sent nothing for too long.
        Idle = "idle",
        /// It sent what makes no sense.
        Protocol = "protocol",
        /// It did not read what it was sent.
        SlowConsumer = "slow_consumer",
        /// It listens, and there was nothing to listen to for longer than commands are held.
        HoldTimeout = "hold_timeout",
        /// What became of its link leaves nothing else.
        Upstream = "upstream",
        /// This process stops.
        Drain = "drain",
        /// Its socket failed.
        Io = "io",
        /// Anything else.
        Other = "other",
    }
}

labels! {
    /// What became of a session whose commands waited for a primary.
    HoldEnd {
        /// They went on.
        Resumed = "resumed",
        /// They failed, because that took too long.
        Timeout = "timeout",
        /// The client left.
        ClientGone = "client_gone",
    }
}

labels! {
    /// Error replies, by their first word.
    ErrorCode {
        /// The node is a replica.
        Readonly = "READONLY",
        /// It reads its data.
        Loading = "LOADING",
        /// It has no primary.
        Masterdown = "MASTERDOWN",
        /// A login is missing.
        Noauth = "NOAUTH",
        /// A login is wrong.
        Wrongpass = "WRONGPASS",
        /// A right is missing.
        Noperm = "NOPERM",
        /// Its memory is full.
        Oom = "OOM",
        /// Replicas are missing.
        Noreplicas = "NOREPLICAS",
        /// A cluster has it elsewhere.
        Moved = "MOVED",
        /// Every other word.
        Other = "other",
    }
}

impl ErrorCode {
    /// The one of an error reply.
    #[must_use]
    pub fn of_reply(reply: &[u8]) -> Self {
        let word = reply.strip_prefix(b"-").unwrap_or_default();
        let end = word.iter().position(|byte| matches!(byte, b' ' | b'\r'));
        let word = word.get(..end.unwrap_or(word.len())).unwrap_or_default();
        let is_it = |code: &&Self| code.label().as_bytes() == word;
        Self::ALL.iter().find(is_it).copied().unwrap_or(Self::Other)
    }
}

labels! {
    /// What a command does, as far as its duration is concerned.
    RequestClass {
        /// It only reads.
        Read = "read",
        /// It may change something.
        Write = "write",
        /// It waits.
        Blocking = "blocking",
        /// It publishes.
        Publish = "publish",
        /// Anything else.
        Other = "other",
    }
}

labels! {
    /// How a dial ended.
    DialEnd {
        /// With a connection.
        Ok = "ok",
        /// Nobody listens there.
        Refused = "refused",
        /// Nobody answered in time.
        Timeout = "timeout",
        /// TLS failed.
        Tls = "tls",
        /// Our own login was refused.
        Auth = "auth",
        /// Anything else.
        Error = "error",
    }
}

labels! {
    /// Why a session has a link of its own.
    Pinned {
        /// It is in a transaction, or watches keys.
        Transaction = "transaction",
        /// It is subscribed.
        Pubsub = "pubsub",
        /// It waits in a blocking call.
        Blocking = "blocking",
        /// It monitors.
        Monitor = "monitor",
        /// It has its cache told of changes.
        Tracking = "tracking",
        /// Anything else, `--pool session` included.
        Other = "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reply_is_known_by_its_whole_first_word() {
        let code = |reply: &[u8]| ErrorCode::of_reply(reply);
        assert_eq!(code(b"-OOM command not allowed\r\n"), ErrorCode::Oom);
        assert_eq!(code(b"-OOM\r\n"), ErrorCode::Oom);
        assert_eq!(code(b"-OOMPH x\r\n"), ErrorCode::Other);
        assert_eq!(code(b"-ERR NOPERM\r\n"), ErrorCode::Other);
        assert_eq!(code(b""), ErrorCode::Other);
        assert_eq!(code(b"-other\r\n"), ErrorCode::Other);
    }

    #[test]
    fn each_label_has_a_place_of_its_own() {
        let places: [usize; ErrorCode::ALL.len()] = std::array::from_fn(|at| at);
        for (at, code) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!(*code.of(&places), at);
        }
    }
}

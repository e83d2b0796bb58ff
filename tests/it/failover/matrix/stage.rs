//! What the rows play on: a bed with passwords and users, a proxy, and the loss.

use std::cell::Cell;
use std::time::Duration;

use crate::bed::{Bed, FAILOVER_LIMIT, Node, wait_until};
use crate::client::Client;
use crate::proxy::Proxy;
use crate::value::Value;

/// How long anything may take that should just work.
pub(super) const SOON: Duration = Duration::from_secs(60);
/// How long a wait is that should find nothing.
pub(super) const BRIEF: Duration = Duration::from_millis(150);
const APP_RULES: &str = "on >app-pw ~* &* +@all -@dangerous";

/// A look at a session after the loss.
pub(super) type Check = Box<dyn FnOnce(&Stage)>;
/// What a session does before the loss, and its name.
pub(super) type Row = (&'static str, fn(&Stage) -> Check);

/// A check.
pub(super) fn after(check: impl FnOnce(&Stage) + 'static) -> Check {
    Box::new(check)
}

/// How links are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A planned failover.
    Failover,
    /// Every client's link killed by the primary, which stays.
    Kill,
}

/// A bed and a proxy.
pub(super) struct Stage {
    proxy: Proxy,
    bed: Bed,
    protocol: &'static str,
    way: Way,
    primary: Cell<usize>,
}

impl Stage {
    /// Servers that want a password, know a user `app`, and of which only the first primary knows a
    /// user `gone`.
    #[track_caller]
    pub(super) fn set(protocol: &'static str, way: Way) -> Self {
        let bed = Bed::builder()
            .requirepass("secret")
            .user("app", APP_RULES)
            .line_of(
                0,
                &format!("user gone {}", APP_RULES.replace("app-pw", "gone-pw")),
            )
            .start();
        let proxy = Proxy::ready(&bed);
        Self {
            proxy,
            bed,
            protocol,
            way,
            primary: Cell::new(0),
        }
    }

    /// Loses every link, and waits until the proxy knows where the primary is.
    #[track_caller]
    pub(super) fn lose(&self) {
        match self.way {
            Way::Failover => {
                let old = self.primary().port();
                self.bed.begin_failover(0);
                let new = self.bed.wait_promoted(old);
                self.proxy.wait_primary(FAILOVER_LIMIT, new.addr());
                let mut servers = 0..3;
                let index = servers.find(|index| self.bed.server(*index).port() == new.port());
                self.primary.set(index.unwrap());
            }
            Way::Kill => {
                for kind in ["normal", "pubsub"] {
                    self.primary().command(&["CLIENT", "KILL", "TYPE", kind]);
                }
            }
        }
    }

    /// What is still on the old primary and should not be.
    pub(super) fn left_behind(&self) -> Vec<String> {
        if self.way == Way::Kill {
            return Vec::new();
        }
        let clients = self.bed.server(0).command(&["CLIENT", "LIST"]).text();
        let ours = |line: &&str| {
            let busy = [" sub=0 ", " psub=0 ", " multi=-1 "]
                .iter()
                .any(|idle| !line.contains(idle));
            let named = line.contains(" name=matrix");
            let blocked = line.contains(" flags=b");
            !line.contains(" name=sentinel-") && (busy || named || blocked)
        };
        let left = clients.lines().filter(ours);
        left.map(|line| format!("left on the old primary: {line}"))
            .collect()
    }

    /// Whether there is another primary after the loss.
    pub(super) fn fails_over(&self) -> bool {
        self.way == Way::Failover
    }

    /// The primary there is.
    pub(super) fn primary(&self) -> &Node {
        self.bed.server(self.primary.get())
    }

    /// The protocol of this run.
    pub(super) fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// A new session that has not said who it is.
    #[track_caller]
    pub(super) fn stranger(&self) -> Client {
        self.proxy.connect()
    }

    /// A new session, logged in and speaking the protocol of this run.
    #[track_caller]
    pub(super) fn client(&self) -> Client {
        self.user("default", "secret")
    }

    /// As [`Stage::client`] for another user.
    #[track_caller]
    pub(super) fn user(&self, name: &str, password: &str) -> Client {
        let mut client = self.stranger();
        if self.protocol == "2" {
            ok(&client.call(&["AUTH", name, password]));
        } else {
            let reply = client.call(&["HELLO", self.protocol, "AUTH", name, password]);
            assert_eq!(reply.error(), None);
        }
        client
    }

    /// Sends a call that blocks and waits until it does.
    #[track_caller]
    pub(super) fn block(&self, client: &mut Client, args: &[&str]) {
        let blocked = || self.primary().info("blocked_clients").parse::<usize>();
        let before = blocked().unwrap();
        client.send(args).unwrap();
        wait_until(SOON, "the call blocks", || blocked() == Ok(before + 1));
    }

    /// Publishes on the primary until somebody hears it.
    #[track_caller]
    pub(super) fn wait_publish(&self, publish: &str, channel: &str) {
        wait_until(SOON, "somebody hears it", || {
            self.primary().command(&[publish, channel, "news"]) == Value::Int(1)
        });
    }

    /// Waits until the primary has as many subscribers of `channel`.
    #[track_caller]
    pub(super) fn wait_subscribers(&self, ask: &str, channel: &str, count: usize) {
        wait_until(SOON, "it is subscribed there", || {
            let reply = self.primary().command(&["PUBSUB", ask, channel]);
            reply.at(1) == count.to_string()
        });
    }
}

/// Asserts that this is `+OK`.
#[track_caller]
pub(super) fn ok(reply: &Value) {
    assert!(reply.is_ok(), "{reply:?}");
}

/// Asserts that this is an error of this kind.
#[track_caller]
pub(super) fn refused(reply: &Value, kind: &str) {
    let text = reply.error().unwrap_or_default();
    assert!(text.starts_with(kind), "{reply:?}, not {kind}");
}

/// Asserts that this is `text`.
#[track_caller]
pub(super) fn is(reply: &Value, text: &str) {
    assert_eq!(reply.text(), text, "{reply:?}");
}

/// Asserts that nothing comes for a moment.
#[track_caller]
pub(super) fn nothing(client: &mut Client) {
    let came = client.reply_within(BRIEF);
    let kind = came.as_ref().map_err(std::io::Error::kind);
    assert_eq!(kind, Err(std::io::ErrorKind::TimedOut), "{came:?}");
}

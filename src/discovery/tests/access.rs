//! Passwords, permissions and wrong names: what works anyway, and what is said where it does not.

use super::bed::{Server, until};
use super::running::{Running, config};
use crate::config::Config;
use crate::discovery::message;
use crate::net::HostPort;
use crate::secrets::{Credentials, Password, Secret};
use crate::topology::Gate;

/// One node and one Sentinel that names it, each with some more configuration.
fn pair(dir: &std::path::Path, node: &str, sentinel: &str) -> (Server, Server) {
    let node = Server::start(dir, node, false);
    let port = node.address.port;
    let monitor = format!("sentinel monitor mymaster 127.0.0.1 {port} 1\n{sentinel}");
    let sentinel = Server::start(dir, &monitor, true);
    (node, sentinel)
}

fn login(username: Option<&str>, password: &str) -> Option<Credentials> {
    Some(Credentials {
        username: username.map(str::to_owned),
        password: Password::fixed(Secret::new(password)),
    })
}

async fn says(config: Config, what: &str) {
    let running = Running::start(config);
    until(what, async || {
        let status = running.status.load();
        status
            .waiting_for
            .as_ref()
            .is_some_and(|reason| reason.contains(what))
    })
    .await;
    assert_eq!(running.now().generation, 0);
}

#[tokio::test]
async fn each_misconfiguration_has_its_own_sentence() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_node, sentinel) = pair(dir.path(), "", "requirepass right\n");
    let settings = || config(vec![sentinel.address.clone()]);
    says(settings(), "requires a login").await;
    let wrong = Config {
        sentinel_credentials: login(None, "wrong"),
        ..settings()
    };
    says(wrong, "refuses the user or password").await;
    let unknown = Config {
        sentinel_credentials: login(None, "right"),
        primary_name: "other".to_owned(),
        ..settings()
    };
    says(unknown, "a Sentinel that knows the primary name 'other'").await;
    says(
        config(vec![HostPort::new("127.0.0.1", 1)]),
        "cannot connect",
    )
    .await;
    says(
        config(vec![HostPort::new("nowhere.invalid", 1)]),
        "cannot be looked up",
    )
    .await;
}

#[tokio::test]
async fn a_primary_that_may_not_be_asked_serves_with_its_role_unverified() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_node, sentinel) = pair(dir.path(), "requirepass secret\n", "");
    let running = Running::start(config(vec![sentinel.address.clone()]));
    running.open_at(1).await;
    let primary = running.now().primary.clone().expect("a primary");
    assert!(!primary.role_verified);
    until("it is said", async || {
        running.status.load().primary_error.is_some()
    })
    .await;
    drop(running);

    let with_login = Config {
        login: login(None, "secret"),
        ..config(vec![sentinel.address.clone()])
    };
    let running = Running::start(with_login);
    running.open_at(1).await;
    let primary = running.now().primary.clone().expect("a primary");
    assert!(primary.role_verified);
}

#[tokio::test]
async fn few_rights_are_enough() {
    let dir = tempfile::tempdir().expect("a directory");
    let node = "user app on >pw ~* &* +@all -@dangerous\n";
    let sentinel = "user proxy on >pw -@all +auth +ping +sentinel|master \
                    +sentinel|get-master-addr-by-name\n";
    let (_node, sentinel) = pair(dir.path(), node, sentinel);
    let running = Running::start(Config {
        sentinel_credentials: login(Some("proxy"), "pw"),
        control_credentials: login(Some("app"), "pw"),
        ..config(vec![sentinel.address.clone()])
    });
    running.open_at(1).await;
    let primary = running.now().primary.clone().expect("a primary");
    assert!(primary.role_verified, "HELLO tells what ROLE may not");
    until("polling alone is reported", async || {
        let status = running.status.load();
        let mut errors = status.sentinels.iter().filter_map(|s| s.error.as_ref());
        errors.any(|error| error.contains("polling alone") && error.contains("NOPERM"))
    })
    .await;
    assert_eq!(running.now().gate, Gate::Open);
}

#[tokio::test]
async fn whoever_may_only_hear_the_outcome_is_not_called_subscribed() {
    let dir = tempfile::tempdir().expect("a directory");
    let sentinel = "user proxy on >pw resetchannels &+switch-master -@all +auth +ping +subscribe \
                    +sentinel|master +sentinel|get-master-addr-by-name\n";
    let (_node, sentinel) = pair(dir.path(), "", sentinel);
    let running = Running::start(Config {
        sentinel_credentials: login(Some("proxy"), "pw"),
        ..config(vec![sentinel.address.clone()])
    });
    running.open_at(1).await;
    until("it is said", async || {
        let status = running.status.load();
        let mut errors = status.sentinels.iter().filter_map(|s| s.error.as_ref());
        errors.any(|error| error.contains("is not heard") && error.contains("NOPERM"))
    })
    .await;
    assert_eq!(running.status.load().subscribed, 0);
}

#[tokio::test]
async fn a_new_primary_is_asked_for_its_commands_and_may_refuse() {
    let dir = tempfile::tempdir().expect("a directory");
    let node = "user app on >pw ~* &* +@all -command\n";
    for (credentials, refused) in [(None, false), (login(Some("app"), "pw"), true)] {
        let (node, sentinel) = pair(dir.path(), node, "");
        let running = Running::start(Config {
            control_credentials: credentials,
            shared_commands: vec!["MY.OWN".to_owned()],
            ..config(vec![sentinel.address.clone()])
        });
        running.open_at(1).await;
        until("it is asked", async || {
            let stats = node.ask(&["INFO", "commandstats"]).await;
            let stats = stats.as_ref().and_then(message::text).unwrap_or_default();
            let line = stats
                .lines()
                .find(|line| line.starts_with("cmdstat_command:"));
            line.is_some_and(|line| line.contains("rejected_calls=1") == refused)
        })
        .await;
        assert_eq!(running.now().gate, Gate::Open);
        assert!(running.now().commands.shareable(b"MY.OWN", b""));
        assert!(!running.now().commands.shareable(b"OTHER", b""));
    }
}

//! Goal: every way of logging in works, before and after a failover. Method: beds with passwords
//! and ACL users; clients that log in themselves and clients that cannot.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::bed::{Bed, FAILOVER_LIMIT};
use crate::client::{Client, command};
use crate::fakes::{FakeSentinel, FakeServer, Reaction};
use crate::proxy::{Proxy, run_to_end, shares_links};
use crate::value::Value;

/// What applications are usually granted; ROLE and INFO are not in it.
const APP_RULES: &str = "on >app-pw ~* &* +@all -@dangerous";

fn secret(bed: &Bed, name: &str, text: &str) -> PathBuf {
    let path = bed.dir().join(name);
    fs::write(&path, format!("{text}\n")).unwrap();
    path
}

#[track_caller]
fn refused(reply: &Value, kind: &str) {
    assert!(
        reply.error().is_some_and(|text| text.starts_with(kind)),
        "{reply:?}, not {kind}"
    );
}

/// Moves the primary and waits until the proxy has followed.
fn fail_over(bed: &Bed, proxy: &Proxy) -> u16 {
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    new.port()
}

#[test]
fn a_clients_own_password_passes_through_and_still_does_after_a_failover() {
    let bed = Bed::builder().requirepass("secret").start();
    let proxy = Proxy::ready(&bed);
    refused(&proxy.connect().call(&["GET", "k"]), "NOAUTH");
    refused(&proxy.connect().call(&["AUTH", "wrong"]), "WRONGPASS");
    let mut client = proxy.connect();
    assert!(client.call(&["AUTH", "secret"]).is_ok());
    assert!(client.call(&["SET", "k", "v"]).is_ok());
    let new = fail_over(&bed, &proxy);
    assert_eq!(client.call(&["GET", "k"]).text(), "v");
    assert_eq!(client.node_port(), new);
    refused(&proxy.connect().call(&["GET", "k"]), "NOAUTH");
}

#[test]
fn an_unprivileged_user_is_served_without_a_control_user() {
    let bed = Bed::builder()
        .requirepass("admin")
        .user("app", APP_RULES)
        .start();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    assert!(client.call(&["AUTH", "app", "app-pw"]).is_ok());
    assert!(client.call(&["SET", "k", "v"]).is_ok());
    refused(&client.call(&["ROLE"]), "NOPERM");
    fail_over(&bed, &proxy);
    assert_eq!(client.call(&["GET", "k"]).text(), "v");
    assert_eq!(client.call(&["ACL", "WHOAMI"]).text(), "app");
}

#[test]
fn a_control_user_checks_roles_and_lends_its_rights_to_nobody() {
    let bed = Bed::builder()
        .requirepass("admin")
        .user("app", APP_RULES)
        .user(
            "steadfast",
            "on >control-pw -@all +auth +hello +ping +role +info",
        )
        .start();
    let proxy = Proxy::for_bed(&bed)
        .flag("--control-username", "steadfast")
        .flag(
            "--control-password-file",
            secret(&bed, "control", "control-pw"),
        )
        .start_ready();
    refused(&proxy.connect().call(&["ROLE"]), "NOAUTH");
    let mut client = proxy.connect();
    assert!(client.call(&["AUTH", "app", "app-pw"]).is_ok());
    refused(&client.call(&["ROLE"]), "NOPERM");
    fail_over(&bed, &proxy);
    let mut again = proxy.connect();
    assert!(again.call(&["AUTH", "app", "app-pw"]).is_ok());
    assert!(again.call(&["SET", "k", "v"]).is_ok());
}

#[test]
fn steadfast_logs_in_for_clients_that_cannot() {
    let bed = Bed::builder()
        .requirepass("admin")
        .user("app", APP_RULES)
        .start();
    let proxy = Proxy::for_bed(&bed)
        .flag("--username", "app")
        .flag("--password-file", secret(&bed, "password", "app-pw"))
        .start_ready();
    let mut client = proxy.connect();
    assert!(client.call(&["SET", "k", "v"]).is_ok());
    assert_eq!(client.call(&["ACL", "WHOAMI"]).text(), "app");
    fail_over(&bed, &proxy);
    assert_eq!(proxy.connect().call(&["GET", "k"]).text(), "v");
}

#[test]
fn clients_present_the_client_password_and_nothing_else_will_do() {
    let bed = Bed::builder()
        .requirepass("admin")
        .user("app", APP_RULES)
        .start();
    let proxy = Proxy::for_bed(&bed)
        .flag("--username", "app")
        .flag("--password-file", secret(&bed, "password", "app-pw"))
        .flag("--client-password-file", secret(&bed, "client", "door"))
        .start_ready();
    refused(&proxy.connect().call(&["GET", "k"]), "NOAUTH");
    refused(&proxy.connect().call(&["AUTH", "wrong"]), "WRONGPASS");
    refused(&proxy.connect().call(&["AUTH", "admin"]), "WRONGPASS");
    refused(&proxy.connect().call(&["HELLO", "3"]), "NOAUTH");
    let mut client = proxy.connect();
    assert!(client.call(&["AUTH", "door"]).is_ok());
    assert!(client.call(&["SET", "k", "v"]).is_ok());
    let mut modern = proxy.connect();
    let hello = modern.call(&["HELLO", "3", "AUTH", "default", "door"]);
    assert_eq!(hello.fields()["proto"], "3");
    assert_eq!(modern.call(&["GET", "k"]).text(), "v");
}

#[test]
fn sentinels_may_ask_for_a_password() {
    let bed = Bed::builder()
        .sentinel_password("watch")
        .requirepass("admin")
        .start();
    let proxy = Proxy::for_bed(&bed)
        .flag(
            "--sentinel-password-file",
            secret(&bed, "sentinel", "watch"),
        )
        .flag("--control-password-file", secret(&bed, "control", "admin"))
        .start_ready();
    let port = fail_over(&bed, &proxy);
    let mut client = Client::connect(proxy.addr());
    assert!(client.call(&["AUTH", "admin"]).is_ok());
    assert_eq!(client.node_port(), port);
}

#[test]
fn an_open_door_beyond_loopback_is_refused_at_the_start() {
    let bed = Bed::builder().replicas(0).sentinels(1).start();
    let password = secret(&bed, "password", "app-pw");
    let output = run_to_end(&[
        "run",
        "--sentinel",
        &bed.sentinel(0).addr().to_string(),
        "--listen",
        "0.0.0.0:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--password-file",
        password.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(64));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("client-password"), "{text}");
}

#[test]
fn a_second_login_in_one_hello_does_not_reach_the_server() {
    let bed = Bed::builder()
        .requirepass("admin")
        .user("app", APP_RULES)
        .start();
    let proxy = Proxy::for_bed(&bed)
        .flag("--username", "app")
        .flag("--password-file", secret(&bed, "password", "app-pw"))
        .flag("--client-password-file", secret(&bed, "client", "door"))
        .start_ready();
    let twice = [
        "HELLO", "3", "AUTH", "x", "door", "AUTH", "default", "admin",
    ];
    let mut stranger = proxy.connect();
    stranger.call(&twice);
    refused(&stranger.call(&["GET", "k"]), "NOAUTH");
    let mut client = proxy.connect();
    assert!(client.call(&["AUTH", "door"]).is_ok());
    client.call(&twice);
    assert_eq!(client.call(&["ACL", "WHOAMI"]).text(), "app");
}

#[test]
fn a_hello_inside_a_transaction_changes_the_version_under_our_login_too() {
    let bed = Bed::builder().user("app", APP_RULES).start();
    let proxy = Proxy::for_bed(&bed)
        .flag("--username", "app")
        .flag("--password-file", secret(&bed, "password", "app-pw"))
        .start_ready();
    let mut client = proxy.connect();
    client.call(&["HELLO", "3"]);
    client.call(&["MULTI"]);
    client.call(&["HELLO", "2"]);
    client.call(&["EXEC"]);
    assert_eq!(client.call(&["SUBSCRIBE", "a", "b"]).at(1), "a");
    assert_eq!(client.reply().unwrap().at(1), "b");
    proxy.connect().call(&["PUBLISH", "b", "news"]);
    assert_eq!(client.reply().unwrap().at(2), "news");
}

#[test]
fn a_node_whose_role_only_our_login_may_ask_is_asked_before_any_command() {
    let server = FakeServer::start(|words| match words {
        [auth, .., password] if auth == "AUTH" && password != "app-pw" => {
            Reaction::Reply(b"-WRONGPASS no\r\n".to_vec())
        }
        [role] if role == "ROLE" => Reaction::Reply(
            b"*5\r\n$5\r\nslave\r\n$1\r\nx\r\n:1\r\n$9\r\nconnected\r\n:0\r\n".to_vec(),
        ),
        _ => Reaction::AsUsual,
    });
    let sentinel = FakeSentinel::start("mymaster", server.addr(), 1);
    let bed = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = bed.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster")
        .flag("--username", "app")
        .flag("--password-file", file("password", "app-pw"))
        .flag("--control-username", "control")
        .flag("--control-password-file", file("control", "outdated"))
        .start_ready();
    let mut client = proxy.connect();
    let _ = client.send(&["SET", "k", "stray"]);
    let _ = client.reply_within(Duration::from_secs(2));
    assert_eq!(server.count("stray"), 0, "sent to a replica");
}

#[test]
fn a_reset_in_flight_does_not_keep_a_client_with_a_password_waiting() {
    let lost = AtomicBool::new(false);
    let server = FakeServer::start(move |words| {
        let first = || !lost.swap(true, Ordering::Relaxed);
        match words[0].as_str() {
            "RESET" if first() => Reaction::ReplyAndClose(Vec::new()),
            "RESET" => Reaction::Reply(b"+RESET\r\n".to_vec()),
            _ => Reaction::AsUsual,
        }
    });
    let sentinel = FakeSentinel::start("mymaster", server.addr(), 1);
    let password = std::env::temp_dir().join(format!("steadfast-reset-{}", std::process::id()));
    fs::write(&password, "secret\n").unwrap();
    let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster")
        .flag("--sentinel-discovery", "off")
        .flag("--password-file", &password)
        .flag("--client-password-file", &password)
        .start_ready();
    fs::remove_file(&password).unwrap();
    let mut client = proxy.connect();
    assert!(client.call(&["AUTH", "secret"]).is_ok());
    assert_eq!(client.call(&["RESET"]).text(), "RESET");
    assert!(client.call(&["SET", "k", "v"]).is_error("NOAUTH"));
    assert!(client.call(&["AUTH", "secret"]).is_ok());
    assert!(client.call(&["SET", "k", "v"]).is_ok());
}

#[test]
fn a_server_is_asked_to_redirect_once_the_client_has_logged_in() {
    let locked = AtomicBool::new(true);
    let server = FakeServer::start(move |words| match words[0].as_str() {
        "INFO" => Reaction::Reply(valkey_info()),
        "CLIENT" if locked.load(Ordering::SeqCst) => {
            Reaction::Reply(b"-NOAUTH Authentication required.\r\n".to_vec())
        }
        "AUTH" => {
            locked.store(false, Ordering::SeqCst);
            Reaction::AsUsual
        }
        _ => Reaction::AsUsual,
    });
    let sentinel = FakeSentinel::start("mymaster", server.addr(), 1);
    let proxy = Proxy::of(&[sentinel.addr().to_string()], "mymaster")
        .flag("--sentinel-discovery", "off")
        .start_ready();
    let mut client = proxy.connect();
    let mut bytes = command(&["AUTH", "secret"]);
    bytes.extend(command(&["MULTI"]));
    bytes.extend(command(&["GET", "k"]));
    client.send_raw(&bytes).unwrap();
    assert!(client.reply().unwrap().is_ok(), "AUTH");
    assert!(client.reply().unwrap().is_ok(), "MULTI");
    assert_eq!(client.reply().unwrap(), Value::Null);
    let received = String::from_utf8_lossy(&server.received()).into_owned();
    let places = |word: &str| received.match_indices(word).map(|(at, _)| at).collect();
    let (auth, capa): (Vec<usize>, Vec<usize>) = (places("AUTH"), places("CAPA"));
    // A shared link is asked as well, when it is new.
    let before = 1 + usize::from(shares_links());
    assert_eq!(capa.len(), before + 1, "{received}");
    assert!(
        capa[before - 1] < auth[0] && auth[0] < capa[before],
        "{received}"
    );
    assert!(capa[before] < places("MULTI")[0], "{received}");
}

/// What a server says of itself that can send clients elsewhere.
fn valkey_info() -> Vec<u8> {
    let text = "# Server\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n\
                run_id:0123456789012345678901234567890123456789\r\n\
                role:master\r\nmaster_repl_offset:0\r\n";
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

//! Goal: starting, stopping and failing to start do what operators rely on. Method: signals, exit
//! codes and the admin endpoints of the binary.

use std::net::TcpListener;
use std::time::Duration;

use crate::bed::{Bed, free_port, wait_until};
use crate::client::Client;
use crate::proxy::{Proxy, http_get, run_to_end};
use crate::value::Value;

const SOON: Duration = Duration::from_secs(60);

#[test]
fn sigterm_ends_it_with_zero() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed).start_ready();
    let mut client = proxy.connect();
    assert!(client.call(&["SET", "k", "v"]).is_ok());
    proxy.terminate();
    assert_eq!(proxy.exit_code(SOON), Some(0));
    assert!(client.closed_within(SOON).is_some());
    assert!(Client::try_connect(proxy.addr()).is_err());
}

#[test]
fn sigterm_while_commands_are_held_ends_it_with_zero() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "60s")
        .flag("--drain-timeout", "2s")
        .start_ready();
    bed.primary().kill();
    let mut client = proxy.connect();
    client.send(&["SET", "k", "v"]).unwrap();
    wait_until(SOON, "the loss is noticed", || proxy.gate_is("shut"));
    proxy.terminate();
    assert_eq!(proxy.exit_code(SOON), Some(0));
}

#[test]
fn a_port_that_is_taken_is_explained_and_exits_69() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0".to_owned();
    for (listen, admin) in [(&taken, &free), (&free, &taken)] {
        let output = run_to_end(&["run", "--listen", listen, "--admin-listen", admin]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(69), "{text}");
        assert!(text.contains(&taken), "{text}");
        assert!(text.contains("taken") || text.contains("in use"), "{text}");
    }
}

#[test]
fn nonsense_on_the_command_line_exits_64() {
    for args in [
        &["run", "--no-such-flag"][..],
        &["run", "--sentinel", "no port here:x"],
        &["run", "--hold-timeout", "soon"],
        &["run", "--workers", "0"],
        &["run", "--password-file", "/nonexistent/password"],
    ] {
        let output = run_to_end(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{args:?}: {text}");
        assert!(!text.is_empty(), "{args:?}");
    }
}

#[test]
fn the_admin_endpoints_tell_the_state() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let code = |path: &str| proxy.get(path).map(|(code, _)| code);
    assert_eq!(code("/livez"), Some(200));
    assert_eq!(code("/readyz"), Some(200));
    assert_eq!(code("/no-such-page"), Some(404));
    let status = proxy.status();
    assert_eq!(status["generation"], 1, "{status}");
    assert_eq!(proxy.primary(), Some(bed.primary().addr()));
    assert!(status["primary"]["epoch"].is_u64(), "{status}");
    assert_eq!(status["discovery"]["reachable"], 1, "{status}");
    assert!(http_get(proxy.admin(), "/livez").is_ok());
}

#[test]
fn without_any_sentinel_it_lives_and_says_that_it_is_not_ready() {
    let nowhere = [format!("127.0.0.1:{}", free_port())];
    let proxy = Proxy::of(&nowhere, "mymaster")
        .flag("--hold-timeout", "500ms")
        .start();
    assert_eq!(proxy.get("/livez").map(|(code, _)| code), Some(200));
    assert!(!proxy.is_ready());
    let reply = proxy.connect().call(&["PING"]);
    assert!(
        reply
            .error()
            .is_some_and(|text| text.starts_with("MASTERDOWN")),
        "{reply:?}"
    );
    proxy.terminate();
    assert_eq!(proxy.exit_code(SOON), Some(0));
}

#[test]
fn several_workers_share_the_clients() {
    let bed = Bed::lonely();
    let proxy = Proxy::for_bed(&bed).flag("--workers", "3").start_ready();
    let mut clients: Vec<_> = (0..30).map(|_| proxy.connect()).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        let counted = i64::try_from(index).unwrap() + 1;
        assert_eq!(client.call(&["INCR", "n"]), Value::Int(counted));
    }
}

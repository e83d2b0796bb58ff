//! Nothing that Steadfast prints, tells or shows has a password in it, whatever happens to it.

use std::ffi::OsString;
use std::fs;
use std::process::{Command, Stdio};

use super::{SOON, Volume, file};
use crate::bed::{Bed, FAILOVER_LIMIT, wait_until};
use crate::proxy::{Proxy, run_to_end};

/// What every password here begins with, right or wrong.
const MARK: &str = "hush-";

fn bed() -> Bed {
    Bed::builder()
        .requirepass("hush-admin")
        .user("app", "on >hush-app ~* &* +@all -@dangerous")
        .sentinel_user("watch", "on >hush-watch ~* &* +@all")
        .start()
}

/// Neither its log, nor `/status`, nor the process list.
#[track_caller]
fn keeps_quiet(proxy: &Proxy) {
    let status = proxy.get("/status").unwrap().1;
    let listed = fs::read_to_string(format!("/proc/{}/cmdline", proxy.pid())).unwrap();
    let log = proxy.log();
    assert!(log.len() > 5 && listed.contains("--listen") && status.contains("primary"));
    for text in log.iter().chain([&status, &listed]) {
        assert!(!text.contains(MARK), "{text}");
    }
}

/// Every way to log in, right and wrong, whole and broken.
fn try_everything(proxy: &Proxy, user: &str, right: &str) {
    let ways: [&[&str]; 9] = [
        &["AUTH", user, "hush-wrong"],
        &["AUTH", "hush-wrong"],
        &["AUTH", user, "hush-wrong", "hush-more"],
        &["HELLO", "3", "AUTH", user, "hush-wrong"],
        &["HELLO", "9", "AUTH", user, right],
        &["AUTH", user, right],
        &["HELLO", "3", "SETNAME", "x", "AUTH", user, right],
        &["RESET"],
        &["AUTH", user, right],
    ];
    let mut client = proxy.connect();
    for way in ways {
        let _ = client.try_call(way);
        let _ = client.try_call(&["SET", "k", "v"]);
    }
    let _ = client.try_call(&["MULTI"]);
    let _ = client.try_call(&["AUTH", user, right]);
    let _ = client.try_call(&["EXEC"]);
    let broken: [&[u8]; 4] = [
        b"AUTH app hush-inline\r\n",
        b"AUTH \"hush-unbalanced\r\n",
        b"*3\r\n$4\r\nAUTH\r\n$3\r\napp\r\n$hush-length\r\n",
        b"*3\r\n$4\r\nAUTH\r\n$3\r\napp\r\n$99\r\nhush-cut",
    ];
    for bytes in broken {
        let mut client = proxy.connect();
        let _ = client.send_raw(bytes);
        client.shutdown_write();
        let _ = client.reply();
    }
}

#[test]
fn a_proxy_that_logs_in_for_its_clients_never_prints_a_password() {
    let bed = bed();
    let volume = Volume::new(&bed, &["app"], "hush-app");
    let proxy = Proxy::for_bed(&bed)
        .flag("--username", "app")
        .flag("--password-file", volume.at("app"))
        .flag("--client-password-file", file(&bed, "door", "hush-door"))
        .flag("--control-password-file", file(&bed, "all", "hush-admin"))
        .flag("--sentinel-username", "watch")
        .flag("--sentinel-password-file", file(&bed, "w", "hush-watch"))
        .flag("--hold-timeout", "1s")
        .flag("--log-level", "debug")
        .start_ready();
    try_everything(&proxy, "default", "hush-door");
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    let rules = ["ACL", "SETUSER", "app", "resetpass", ">hush-other"];
    assert!(new.command(&rules).is_ok());
    let mut client = proxy.connect();
    assert!(client.call(&["AUTH", "hush-door"]).is_ok());
    let _ = client.try_call(&["CLIENT", "ID"]);
    wait_until(SOON, "a login was refused", || {
        !proxy.events("login_failed").is_empty()
    });
    keeps_quiet(&proxy);
}

#[test]
fn a_proxy_whose_clients_log_in_themselves_never_prints_a_password() {
    let bed = bed();
    let proxy = Proxy::for_bed(&bed)
        .flag("--sentinel-password-file", file(&bed, "w", "hush-wrong"))
        .flag("--sentinel-username", "watch")
        .flag("--log-level", "debug")
        .start();
    wait_until(SOON, "the Sentinels refuse it", || {
        proxy.log().iter().any(|line| line.contains("WRONGPASS"))
    });
    keeps_quiet(&proxy);
    drop(proxy);

    let proxy = Proxy::for_bed(&bed)
        .flag("--sentinel-password-file", file(&bed, "w", "hush-watch"))
        .flag("--sentinel-username", "watch")
        .flag("--log-level", "debug")
        .start_ready();
    try_everything(&proxy, "app", "hush-app");
    let mut app = proxy.connect();
    assert!(app.call(&["AUTH", "app", "hush-app"]).is_ok());
    bed.primary().cut_links();
    let set = app.call(&["SET", "k", "v"]);
    if !set.is_ok() {
        // It went out on the link that was being cut.
        assert!(
            set.error().unwrap_or_default().starts_with("UNCERTAIN"),
            "{set:?}"
        );
        assert!(app.call(&["SET", "k", "v"]).is_ok());
    }
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    assert_eq!(app.call(&["GET", "k"]).text(), "v");
    assert_eq!(new.command(&["ACL", "DELUSER", "app"]).text(), "1");
    wait_until(SOON, "who is deleted is out", || {
        app.try_call(&["GET", "k"]).is_err()
    });
    keeps_quiet(&proxy);
}

#[test]
fn a_check_never_prints_a_password() {
    let bed = bed();
    let sentinel = bed.sentinel(0).addr().to_string();
    let path = |name: &str, text: &str| file(&bed, name, text).display().to_string();
    let [right, wrong, watch] = [
        path("r", "hush-admin"),
        path("x", "hush-wrong"),
        path("w", "hush-watch"),
    ];
    for control in [&right, &wrong] {
        for sentinels in [&watch, &wrong] {
            let output = run_to_end(&[
                "check",
                "--log-level=debug",
                "--sentinel",
                &sentinel,
                "--sentinel-username=watch",
                "--sentinel-password-file",
                sentinels,
                "--control-password-file",
                control,
            ]);
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(text.contains(&sentinel) && !text.contains(MARK), "{text}");
        }
    }
}

#[test]
fn a_refusal_to_start_never_prints_a_password() {
    let refused = |args: &[&str], variables: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
            .args(args)
            .env_clear()
            .envs(
                variables
                    .iter()
                    .map(|(name, value)| (OsString::from(name), OsString::from(value))),
            )
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(!text.is_empty() && !text.contains(MARK), "{text}");
    };
    let password = ("STEADFAST_PASSWORD", "hush-env");
    let door = ("STEADFAST_CLIENT_PASSWORD", "hush-env");
    refused(&["--listen", "0.0.0.0:0"], &[password]);
    refused(&[], &[door]);
    refused(&["--hold-timeout", "5"], &[password, door]);
    refused(&["--no-such-flag"], &[password]);
    refused(&["--password=hush-flag"], &[]);
    refused(&["--sentinel", "redis://app:hush-url@s1:26379"], &[]);
    refused(&["--sentinel=s1,redis://:hush-url@s2"], &[]);
    refused(&["redis://app:hush-url@s1:26379"], &[]);
    let urls = [
        "STEADFAST_SENTINEL",
        "STEADFAST_LISTEN",
        "STEADFAST_ADMIN_LISTEN",
        "VALKEY_SENTINEL_HOST",
        "VALKEY_SENTINEL_PORT",
    ];
    for name in urls {
        refused(&[], &[(name, "redis://app:hush-url@s1:26379")]);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    fs::write(&path, "hush-".repeat(1000)).unwrap();
    refused(&["--password-file", path.to_str().unwrap()], &[]);
}

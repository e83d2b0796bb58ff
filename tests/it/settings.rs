//! Goal: where settings stand decides nothing but who wins, and mistakes are told before anything is
//! dialled. Method: the binary, run to its end with files, variables and flags of all kinds.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::Output;
use std::time::Duration;

use crate::bed::{Bed, eventually};
use crate::proxy::{Proxy, program, run_to_end};

/// Exit code, and what was said on either side.
#[track_caller]
fn told(output: Output) -> (i32, String) {
    let mut text = String::from_utf8(output.stdout).unwrap();
    text.push_str(&String::from_utf8(output.stderr).unwrap());
    (output.status.code().unwrap(), text)
}

/// A file of settings, and its path.
fn settings(content: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("steadfast.toml");
    fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

#[test]
fn a_file_is_the_whole_setup_and_a_flag_wins_over_it() {
    let bed = Bed::builder()
        .name("cache-7")
        .replicas(0)
        .sentinels(1)
        .start();
    let sentinel = bed.sentinel(0).addr();
    let content = format!("sentinel = ['{sentinel}']\nprimary_name = 'cache-7'\n");
    let (_dir, path) = settings(&content);
    let (code, text) = told(run_to_end(&["check", "--config", &path]));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&bed.primary().addr().to_string()), "{text}");

    let other = ["check", "--config", &path, "--primary-name", "other"];
    let (code, text) = told(run_to_end(&other));
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("cache-7") && text.contains("other"), "{text}");

    let mut by_variable = program();
    by_variable.args(["check"]).env("STEADFAST_CONFIG", &path);
    let (code, text) = told(by_variable.output().unwrap());
    assert_eq!(code, 0, "{text}");
}

#[test]
fn a_mistake_in_the_file_is_told_with_its_line_and_nothing_starts() {
    for (content, line, because) in [
        ("\nlistn = '127.0.0.1:0'", 2, "did you mean"),
        ("workers = 1\nhold_timeout = 5", 2, "as in 500ms"),
        ("workers = ", 1, "no TOML"),
    ] {
        let (_dir, path) = settings(content);
        let (code, text) = told(run_to_end(&["run", "--config", &path]));
        assert_eq!(code, 64, "{text}");
        let at = format!("{path}:{line}");
        assert!(text.contains(&at) && text.contains(because), "{text}");
    }
}

/// Goal: nothing leaves the process. Method: where it would dial somebody listens and is not called,
/// and where it would listen somebody does already.
#[test]
fn settings_are_checked_without_dialling_or_listening() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    taken.set_nonblocking(true).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let flags = [
        "--check-config",
        "--sentinel",
        &address,
        "--listen",
        &address,
    ];
    for command in [&["run"] as &[&str], &["check"], &[]] {
        let (code, text) = told(run_to_end(&[command, &flags].concat()));
        assert_eq!((code, text.lines().count()), (0, 1), "{text}");
    }
    let called = taken.accept().map_err(|error| error.kind());
    assert_eq!(called.err(), Some(ErrorKind::WouldBlock));
}

#[test]
fn a_check_of_settings_reads_the_files_they_name() {
    let (dir, path) = settings("password_file = '/no/such/password'");
    let broken = dir.path().join("broken.pem");
    fs::write(&broken, "-----BEGIN CERTIFICATE-----\nhalf").unwrap();
    let broken = broken.to_str().unwrap();
    for (flags, because) in [
        (&["--config", path.as_str()] as &[&str], "/no/such/password"),
        (&["--upstream-tls-ca-file", broken], "broken.pem"),
        (
            &["--sentinel-password-file", "/no/such/file"],
            "/no/such/file",
        ),
        (&["--config", "/no/such/settings"], "/no/such/settings"),
        (&["--listen", "6379"], "HOST:PORT"),
    ] {
        let (code, text) = told(run_to_end(&[flags, &["--check-config"]].concat()));
        assert_eq!(code, 64, "{flags:?}: {text}");
        assert!(text.contains(because), "{flags:?}: {text}");
    }
}

#[test]
fn settings_are_shown_with_their_origin_and_without_passwords() {
    let (_dir, path) = settings("# mine\nhold_timeout = '3s'\n");
    let show = |format: &str| {
        let mut show = program();
        show.args(["config", "show", "--config", &path, "--workers", "1"]);
        show.args(["--format", format]);
        show.env("STEADFAST_PASSWORD", "hunter2");
        show.env("STEADFAST_POOL", "session");
        let (code, text) = told(show.output().unwrap());
        assert_eq!(code, 0, "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        text
    };
    let text = show("text");
    for (name, origin) in [
        ("hold_timeout = \"3s\"", format!("{path}:2")),
        ("pool = \"session\"", "STEADFAST_POOL".to_owned()),
        ("workers = \"1\"", "--workers".to_owned()),
        ("# listen = [\"127.0.0.1:6379\"]", "default".to_owned()),
        ("# password = \"***\"", "STEADFAST_PASSWORD".to_owned()),
    ] {
        let line = text.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
        assert!(line.ends_with(&format!("# {origin}")), "{line}");
    }
    let json: serde_json::Value = serde_json::from_str(&show("json")).unwrap();
    let hold = json["settings"].as_array().unwrap().iter();
    let hold = hold.filter(|it| it["name"] == "hold_timeout");
    let sources: Vec<_> = hold.map(|it| it["source"].clone()).collect();
    assert_eq!(sources, [format!("{path}:2")]);
}

#[test]
fn one_url_is_the_whole_setup_and_its_passwords_are_not_told() {
    let bed = Bed::builder()
        .name("cache-7")
        .replicas(0)
        .sentinels(1)
        .requirepass("hunter2")
        .sentinel_password("hunter3")
        .start();
    let sentinel = bed.sentinel(0).addr();
    let url = format!("redis-sentinel://:hunter%32@{sentinel}/cache-7?sentinel_password=hunter3");
    let mut by_variable = program();
    by_variable.args(["check"]).env("STEADFAST_SENTINEL", &url);
    let (code, text) = told(by_variable.output().unwrap());
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&bed.primary().addr().to_string()), "{text}");
    assert!(!text.contains("hunter"), "{text}");

    let wrong = format!("{url}&node=");
    let (code, text) = told(run_to_end(&["run", "--sentinel", &wrong]));
    assert_eq!(code, 64, "{text}");
    assert!(!text.contains("hunter"), "{text}");
}

#[test]
fn on_sighup_it_says_which_settings_need_a_restart_and_goes_on_with_the_old() {
    let bed = Bed::lonely();
    let (_dir, path) = settings("workers = 1\nhold_timeout = '3s'\n");
    let proxy = Proxy::for_bed(&bed).flag("--config", &path).start_ready();
    let rereads = |content: &str, event: &str, key: &str, times: usize| {
        fs::write(&path, content).unwrap();
        proxy.hang_up();
        eventually(Duration::from_secs(60), event, || {
            let found = proxy.events(event);
            let told = found.get(times - 1)?[key].as_str()?;
            Some(told.to_owned())
        })
    };
    let told = rereads(
        "hold_timeout = '4s'\npoll_interval = '2s'\n",
        "restart_needed",
        "settings",
        1,
    );
    // What is left out has its default, and that is another one.
    let mut names: Vec<_> = told.split(',').collect();
    names.sort_unstable();
    assert!(
        names.contains(&"hold_timeout") && names.contains(&"poll_interval"),
        "{told}"
    );
    assert!(names.len() <= 3, "{told}");
    let told = rereads("hold_timeout = 'soon'\n", "settings_unusable", "error", 1);
    assert!(
        told.contains("steadfast.toml:1") && told.contains("--hold-timeout"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
    let told = rereads(
        "workers = 1\nhold_timeout = '9s'\n",
        "restart_needed",
        "settings",
        2,
    );
    assert_eq!(told, "hold_timeout");
    // As at the start: there is nothing to be said, although it was read.
    fs::write(&path, "workers = 1\nhold_timeout = '3s'\n").unwrap();
    proxy.hang_up();
    let asked = |count| move |proxy: &Proxy| proxy.events("reload_asked").len() == count;
    crate::bed::wait_until(Duration::from_secs(60), "it is read", || asked(4)(&proxy));
    assert_eq!(proxy.events("restart_needed").len(), 2);
    assert_eq!(proxy.status()["hold_timeout_ms"], 3000);
}

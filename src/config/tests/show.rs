//! `config show`: nothing left out, nothing made up, no password.

use serde_json::Value;

use super::*;

/// The settings as programs see them: name, value, origin and source of each.
fn shown(args: &str, variables: &[(&str, &str)]) -> Vec<(String, Value, String, Value)> {
    let invocation = load_with(args, variables).expect("usable");
    let json: Value = serde_json::from_str(&invocation.settings.to_json()).expect("JSON");
    let all = json["settings"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    all.map(|it| {
        let (name, origin) = (text(&it["name"]), text(&it["origin"]));
        (name, it["value"].clone(), origin, it["source"].clone())
    })
    .collect()
}

#[track_caller]
fn check(args: &str, variables: &[(&str, &str)], name: &str, expected: (Value, &str, &str)) {
    let all = shown(args, variables);
    let found = all.into_iter().find(|it| it.0 == name);
    let (_, value, origin, source) = found.unwrap_or_else(|| panic!("{name} is missing"));
    let source = source.as_str().unwrap_or_default();
    let got = (value, origin.as_str(), source);
    assert_eq!(got, expected, "{args} {variables:?}: {name}");
}

#[test]
fn every_flag_is_there() {
    use clap::CommandFactory;

    let all = shown("", &[]);
    let command = flags::Cli::command();
    let longs: Vec<_> = command
        .get_arguments()
        .filter_map(|arg| arg.get_long())
        .collect();
    assert!(longs.len() > 40, "{longs:?}");
    for long in longs {
        let name = long.replace('-', "_");
        assert!(all.iter().any(|it| it.0 == name), "{name} is missing");
    }
}

#[test]
fn each_value_has_its_origin() {
    let (file, path) = file(b"\nhold_timeout = '3s'\nsentinel = ['a', 'b:1']");
    let flags = format!("config show --config {path} --pool session");
    let env = [("STEADFAST_POLL_INTERVAL", "2s")];
    let line = |line| format!("{}:{line}", file.path().display());
    let json = |text: &str| serde_json::json!(text);
    check(&flags, &env, "hold_timeout", (json("3s"), "file", &line(2)));
    let sentinels = serde_json::json!(["a:26379", "b:1"]);
    check(&flags, &env, "sentinel", (sentinels, "file", &line(3)));
    check(&flags, &env, "pool", (json("session"), "flag", "--pool"));
    let variable = (json("2s"), "environment", "STEADFAST_POLL_INTERVAL");
    check(&flags, &env, "poll_interval", variable);
    check(&flags, &env, "config", (json(&path), "flag", "--config"));
    check(&flags, &env, "on_uncertain", (json("reply"), "default", ""));
    check(&flags, &env, "username", (Value::Null, "default", ""));
}

#[test]
fn what_was_left_open_is_shown_as_it_turned_out() {
    let json = |text: &str| serde_json::json!(text);
    check("", &[], "workers", (json("4"), "default", ""));
    check("", &[], "max_clients", (json("480"), "default", ""));
    check("", &[], "max_held_bytes", (json("67108864"), "default", ""));
    check("", &[], "listen_unix_mode", (json("0660"), "default", ""));
    let local = serde_json::json!(["127.0.0.1:26379"]);
    check("", &[], "sentinel", (local, "default", ""));
    let platform = [("VALKEY_SENTINEL_HOST", "rfs-a")];
    let named = serde_json::json!(["rfs-a:26379"]);
    check(
        "",
        &platform,
        "sentinel",
        (named, "environment", "VALKEY_SENTINEL_HOST"),
    );
    let skips = "--sentinel-tls-skip-verify";
    let tls = (json("true"), "flag", skips);
    check(skips, &[], "sentinel_tls", tls);
    check(skips, &[], "upstream_tls", (json("false"), "default", ""));
}

#[test]
fn passwords_are_told_of_and_not_told() {
    let (_file, path) = file(b"hunter2");
    let flags = format!("config show --password-file {path}");
    let env = [
        ("STEADFAST_PASSWORD", "hunter2"),
        ("STEADFAST_SENTINEL_PASSWORD", "hunter2"),
    ];
    let hidden = || serde_json::json!("***");
    check(
        &flags,
        &env,
        "password",
        (hidden(), "flag", "--password-file"),
    );
    let variable = (hidden(), "environment", env[1].0);
    check(&flags, &env, "sentinel_password", variable);
    check(
        &flags,
        &env,
        "control_password",
        (Value::Null, "default", ""),
    );
    let invocation = load_with(&flags, &env).expect("usable");
    let text = format!(
        "{} {0:?} {}",
        invocation.settings,
        invocation.settings.to_json()
    );
    assert!(!text.contains("hunter2"), "{text}");
}

/// Goal: the text says what the settings are. Method: read it as a file of settings.
#[test]
fn the_text_is_a_file_with_the_same_settings() {
    let flags = "--sentinel [::1],b --listen unix:@a,127.0.0.1:1 --hold-timeout 3s \
                 --shared-commands ft.search --upstream-tls-skip-verify --admin-listen off";
    let first = load_with(flags, &[]).expect("usable");
    assert_eq!(first.command, Command::Run);
    let (_file, path) = file(first.settings.to_string().as_bytes());
    let second = load_with(&format!("--config {path}"), &[]);
    let second = second.unwrap_or_else(|refusal| panic!("{refusal}\n{}", first.settings));
    let plain = |config: &Config| Config {
        tls: Legs::default(),
        ..config.clone()
    };
    let [one, other] = [&first, &second].map(|it| format!("{:?}", plain(&it.config)));
    assert_eq!(one, other, "{}", first.settings);
    assert!(second.config.tls.upstream.is_some());
}

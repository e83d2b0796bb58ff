//! Settings as a whole: precedence, the platform's variables, passwords, refusals.

use std::io::Write;

use super::*;

mod endpoints;
mod file;
mod passwords;
mod show;
mod unix;
mod url;

const MACHINE: Machine = Machine {
    descriptors: 1024,
    parallelism: 16,
    memory: None,
};

fn load_with(args: &str, variables: &[(&str, &str)]) -> Result<Invocation, Refusal> {
    let args = std::iter::once("steadfast").chain(args.split_whitespace());
    let env = |name: &str| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| OsString::from(value))
    };
    load(args.map(OsString::from).collect(), &env, MACHINE)
}

#[track_caller]
fn config(args: &str, variables: &[(&str, &str)]) -> Config {
    match load_with(args, variables) {
        Ok(invocation) => invocation.config,
        Err(refusal) => panic!("{args} {variables:?} is refused: {refusal}"),
    }
}

#[track_caller]
fn check_refused(args: &str, variables: &[(&str, &str)], because: &str) {
    match load_with(args, variables) {
        Ok(_) => panic!("{args} {variables:?} is accepted"),
        Err(refusal) => {
            let text = refusal.to_string();
            assert!(text.contains(because), "{args} {variables:?}: {text}");
        }
    }
}

/// The map that `--address-map` with this value stands for.
pub(crate) fn address_map(value: &str) -> AddressMap {
    config(&format!("--address-map {value}"), &[]).address_map
}

fn addresses(list: &[HostPort]) -> String {
    let list: Vec<_> = list.iter().map(HostPort::to_string).collect();
    list.join(",")
}

/// A file with this content; gone with the returned handle.
fn file(content: &[u8]) -> (tempfile::NamedTempFile, String) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(content).expect("writing it");
    let path = file.path().display().to_string();
    (file, path)
}

#[test]
fn defaults_are_those_of_a_sidecar() {
    let config = config("", &[]);
    assert_eq!(addresses(&config.sentinels), "127.0.0.1:26379");
    assert_eq!(config.primary_name, "mymaster");
    assert_eq!(addresses(&config.listen), "127.0.0.1:6379");
    let admin = AdminListen::Tcp(HostPort::new("127.0.0.1", 9379));
    assert_eq!(config.admin_listen, Some(admin));
    assert!(!config.admin_actions);
    assert_eq!(config.ready_policy, ReadyPolicy::PrimaryOnce);
    assert_eq!(config.startup_timeout, Duration::from_secs(30));
    assert_eq!(config.hold_timeout, HoldTimeout::Auto);
    assert_eq!(config.max_held_bytes, 64 << 20);
    assert_eq!(config.max_held_bytes_per_client, 1 << 20);
    assert_eq!(config.max_output_bytes, 256 << 20);
    assert_eq!(config.connect_timeout, Duration::from_secs(1));
    assert_eq!(config.heartbeat_timeout, Duration::from_secs(1));
    assert_eq!(config.poll_interval, Duration::from_secs(1));
    assert!(config.sentinel_discovery);
    assert_eq!(config.switch_on, SwitchOn::Named);
    assert_eq!(config.on_sentinel_loss, OnSentinelLoss::Serve);
    assert_eq!(config.workers, 4);
    assert_eq!(config.max_clients, 480);
    assert!(config.login.is_none() && config.client_password.is_none());
}

#[test]
fn a_flag_wins_over_the_environment_which_wins_over_the_default() {
    let env = [("STEADFAST_HOLD_TIMEOUT", "7s")];
    let seven = HoldTimeout::Fixed(Duration::from_secs(7));
    assert_eq!(config("", &env).hold_timeout, seven);
    assert_eq!(config("check", &env).hold_timeout, seven);
    let zero = HoldTimeout::Fixed(Duration::ZERO);
    assert_eq!(config("--hold-timeout 0s", &env).hold_timeout, zero);
    assert_eq!(config("--hold-timeout=0s run", &env).hold_timeout, zero);
    assert_eq!(config("run --hold-timeout 0s", &env).hold_timeout, zero);
}

#[test]
fn every_list_is_replaced_not_extended() {
    let env = [
        ("STEADFAST_SENTINEL", "a,b:1"),
        ("STEADFAST_LISTEN", "[::]:6379"),
    ];
    assert_eq!(addresses(&config("", &env).sentinels), "a:26379,b:1");
    let given = config("check --sentinel c --sentinel d,d", &env);
    assert_eq!(addresses(&given.sentinels), "c:26379,d:26379");
    assert_eq!(addresses(&given.listen), "[::]:6379");
}

#[test]
fn empty_and_unknown_variables_do_not_count() {
    let env = [
        ("STEADFAST_HOLD_TIMEOUT", ""),
        ("STEADFAST_PORT", "tcp://10.0.0.1:6379"),
        ("STEADFAST_SERVICE_HOST", "10.0.0.1"),
        ("STEADFAST_VERSION", "7"),
    ];
    assert_eq!(config("", &env).hold_timeout, HoldTimeout::Auto);
}

#[test]
fn the_platforms_sentinel_is_the_last_resort() {
    let platform = ("VALKEY_SENTINEL_HOST", "rfs-a");
    assert_eq!(addresses(&config("", &[platform]).sentinels), "rfs-a:26379");
    let own = ("STEADFAST_SENTINEL", "own");
    assert_eq!(
        addresses(&config("", &[platform, own]).sentinels),
        "own:26379"
    );
    assert_eq!(
        addresses(&config("--sentinel f", &[platform]).sentinels),
        "f:26379"
    );
    check_refused("", &[("VALKEY_SENTINEL_PORT", "x")], "VALKEY_SENTINEL_PORT");
}

#[test]
fn both_subcommands_take_the_same_flags_and_run_may_be_left_out() {
    for (args, expected) in [
        ("--master x", Command::Run),
        ("run --master-name x", Command::Run),
        ("check --primary-name x", Command::Check),
        ("--primary-name x check", Command::Check),
    ] {
        let invocation = load_with(args, &[]).expect(args);
        assert_eq!(invocation.command, expected, "{args}");
        assert_eq!(invocation.config.primary_name, "x", "{args}");
    }
}

#[test]
fn switches_can_be_turned_off() {
    let config = config(
        "--admin-listen off --sentinel-discovery off --on-sentinel-loss fence --workers 1",
        &[
            ("STEADFAST_MAX_CLIENTS", "9"),
            ("STEADFAST_SWITCH_ON", "promoted"),
        ],
    );
    assert_eq!(config.admin_listen, None);
    assert!(!config.sentinel_discovery);
    assert_eq!(config.switch_on, SwitchOn::Promoted);
    assert_eq!(config.on_sentinel_loss, OnSentinelLoss::Fence);
    assert_eq!((config.workers, config.max_clients), (1, 9));
}

#[test]
fn bad_values_are_refused_with_the_reason() {
    check_refused("--hold-timeout 5", &[], "as in 500ms");
    check_refused("--connect-timeout 0s", &[], "longer than zero");
    check_refused("--heartbeat-timeout 2s", &[], "within 1s");
    check_refused("--max-held-bytes-per-client 1MB", &[], "as in 64KiB");
    check_refused("--address-map a:1", &[], "not FROM=TO");
    check_refused("--address-map a=b,a=c", &[], "two places");
    check_refused("--listen ::1:6379", &[], "goes in brackets");
    check_refused("--listen unix:a.sock", &[], "an absolute path");
    check_refused("--listen unix:/a --listen-unix-mode 0999", &[], "octal");
    check_refused("--admin-listen unix:a", &[], "an absolute path");
    check_refused("--primary-name=", &[], "not empty");
    check_refused("--pool links", &[], "shared");
    check_refused("--no-such-flag", &[], "--no-such-flag");
    check_refused("", &[("STEADFAST_WORKERS", "0")], "STEADFAST_WORKERS");
    check_refused("", &[("STEADFAST_POOL", "links")], "STEADFAST_POOL");
    let listen = [("STEADFAST_LISTEN", "6379")];
    check_refused("", &listen, "STEADFAST_LISTEN");
}

#[test]
fn help_names_every_variable_and_shows_no_value() {
    let env = [
        ("STEADFAST_USERNAME", "somebody"),
        ("STEADFAST_PASSWORD", "hunter2"),
    ];
    let refusal = load_with("--help", &env).expect_err("help");
    let Refusal::CommandLine(error) = &refusal else {
        panic!("{refusal}");
    };
    assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp);
    // Lines are wrapped to the terminal.
    let help: Vec<_> = error
        .to_string()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let help = help.join(" ");
    for name in [
        "SENTINEL",
        "PRIMARY_NAME",
        "LISTEN",
        "HOLD_TIMEOUT",
        "PASSWORD_FILE",
        "LOG_LEVEL",
    ] {
        assert!(
            help.contains(&format!("[env: STEADFAST_{name}]")),
            "{name}: {help}"
        );
    }
    assert!(!help.contains("somebody") && !help.contains("hunter2"));
}

#[test]
fn only_commands_that_nobody_else_knows_may_be_declared() {
    let declared = config(
        "--shared-commands ft.search,JSON.GET --shared-commands vsim",
        &[],
    );
    assert_eq!(declared.shared_commands, ["FT.SEARCH", "JSON.GET", "VSIM"]);
    let variables = [("STEADFAST_SHARED_COMMANDS", "a.b,c.d")];
    assert_eq!(config("", &variables).shared_commands, ["A.B", "C.D"]);
    assert!(config("", &[]).shared_commands.is_empty());
    let known = "BLPOP is a command of the server itself";
    check_refused("--shared-commands FT.SEARCH,blpop", &[], known);
    check_refused("--shared-commands get", &[], "of the server itself");
    for bad in ["", "client|id", &"x".repeat(33)] {
        check_refused(
            &format!("--shared-commands=a.b,{bad}"),
            &[],
            "no name of a command",
        );
    }
}

#[test]
fn whoever_only_asks_looks_at_no_other_file() {
    let args = |command: &str| {
        let bad = "steadfast --password-file /nowhere --admin-listen 127.0.0.1:7";
        let words = bad.split(' ').chain([command]);
        words.map(OsString::from).collect::<Vec<_>>()
    };
    let nothing = |_: &str| None;
    for command in ["healthcheck", "status"] {
        let question = question(args(command), &nothing);
        let question = question.expect("no file is read").expect("a question");
        let admin = AdminListen::Tcp(HostPort::new("127.0.0.1", 7));
        assert_eq!(question.admin_listen, Some(admin));
    }
    assert!(question(args("run"), &nothing).expect("fine").is_none());
    assert!(load_with("--password-file /nowhere", &[]).is_err());
}

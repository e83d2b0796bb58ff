//! The file of settings: its place in the order of precedence, and what is said of its mistakes.

use super::*;

/// The file, and the flag that names it.
fn settings(content: &str) -> (tempfile::NamedTempFile, String) {
    let (file, path) = file(content.as_bytes());
    (file, format!("--config {path}"))
}

#[track_caller]
fn check_fault(content: &str, because: &str, line: usize) {
    let (file, flag) = settings(content);
    check_refused(&flag, &[], because);
    check_refused(&flag, &[], &format!("{}:{line}", file.path().display()));
}

#[test]
fn the_file_wins_over_the_default_and_nothing_else() {
    let (_file, flag) = settings("hold_timeout = '3s'\nprimary_name = 'filed'\nworkers = 3");
    let hold = |seconds| HoldTimeout::Fixed(Duration::from_secs(seconds));
    let alone = config(&flag, &[]);
    assert_eq!(alone.hold_timeout, hold(3));
    assert_eq!((alone.primary_name.as_str(), alone.workers), ("filed", 3));
    let env = [("STEADFAST_HOLD_TIMEOUT", "4s")];
    assert_eq!(config(&flag, &env).hold_timeout, hold(4));
    let all = config(&format!("{flag} check --hold-timeout 5s"), &env);
    assert_eq!(all.hold_timeout, hold(5));
    assert_eq!(all.primary_name, "filed");
    // An alias of the flag is the same setting.
    let named = config(&format!("{flag} --master flagged"), &[]);
    assert_eq!(named.primary_name, "flagged");
}

#[test]
fn the_file_may_be_named_by_a_variable() {
    let (file, _) = settings("workers = 3");
    let path = file.path().display().to_string();
    assert_eq!(config("", &[("STEADFAST_CONFIG", &path)]).workers, 3);
    let (_other, flag) = settings("workers = 2");
    assert_eq!(config(&flag, &[("STEADFAST_CONFIG", &path)]).workers, 2);
    check_refused("--config /no/such/file", &[], "/no/such/file");
    check_refused("--config /", &[], "cannot read");
}

#[test]
fn lists_keep_their_order_and_are_replaced_whole() {
    let (_file, flag) = settings("sentinel = ['a', 'b:1,c']\nlisten = ['off', 'unix:/a']");
    let filed = config(&flag, &[]);
    assert_eq!(addresses(&filed.sentinels), "a:26379,b:1,c:26379");
    assert_eq!(filed.listen_unix.len(), 1);
    let given = config(&format!("{flag} --sentinel d"), &[]);
    assert_eq!(addresses(&given.sentinels), "d:26379");
}

#[test]
fn switches_are_true_or_false_and_on_or_off() {
    let content = "sentinel_discovery = 'off'\nadmin_listen = 'off'\nallow_unauthenticated_clients = true\nlisten = '0.0.0.0:1'";
    let (_file, flag) = settings(content);
    let off = config(&flag, &[("STEADFAST_PASSWORD", "p")]);
    assert!(!off.sentinel_discovery && off.admin_listen.is_none());
}

#[test]
fn a_password_in_the_environment_wins_over_a_file_that_the_file_names() {
    let (_password, path) = file(b"from file");
    let (_file, flag) = settings(&format!("password_file = '{path}'"));
    let matches = |args: &str, env: &[(&str, &str)], password: &str| {
        let login = config(args, env).login.expect("a login");
        login.password.matches(password.as_bytes())
    };
    assert!(matches(&flag, &[], "from file"));
    let env = [("STEADFAST_PASSWORD", "literal")];
    assert!(matches(&flag, &env, "literal"));
    let flags = format!("{flag} --password-file {path}");
    assert!(matches(&flags, &env, "from file"));
    // One that stands beside it in the environment does not count for less.
    let beside = [env[0], ("STEADFAST_PASSWORD_FILE", path.as_str())];
    assert!(matches(&flag, &beside, "from file"));
}

#[test]
fn mistakes_are_told_with_their_line() {
    check_fault("workers = 1\nhold_timeout = 5", "as in 500ms", 2);
    check_fault("\n\npool = 'links'", "shared", 3);
    check_fault("listen_unix_mode = 0o660", "three octal digits", 1);
    check_fault("worker = 1", "did you mean workers?", 1);
    check_fault("primary_name = 'a'\nmaster = 'b'", "primary_name?", 2);
    check_fault("workers 1", "no TOML", 1);
    check_fault("workers = [1, 2]", "takes one value", 1);
    check_fault("config = 'other.toml'", "there is no setting 'config'", 1);
    check_fault("check_config = true", "no setting 'check_config'", 1);
    // What the command line gets wrong is not the file's.
    let (file, flag) = settings("workers = 1");
    let refusal = load_with(&format!("{flag} --pool links"), &[]).expect_err("refused");
    assert!(
        !refusal
            .to_string()
            .contains(&file.path().display().to_string())
    );
}

#[test]
fn no_password_of_the_file_is_repeated() {
    for content in [
        "sentinel = 'redis://app:hunter2@s1'",
        "listen = 'redis://app:hunter2@s1'",
        "password = 'hunter2'",
        "sentinel = 'redis://app:hunter2@s1",
        "workers = 1\nworkers = 'hunter2'",
        "hold_timeout = ['hunter2']",
    ] {
        let (_file, flag) = settings(content);
        let refusal = load_with(&flag, &[]).expect_err(content);
        let text = format!("{refusal} {refusal:?}");
        assert!(!text.contains("hunter2"), "{content}: {text}");
    }
}

#[test]
fn every_setting_may_stand_in_the_file() {
    use clap::CommandFactory;

    let command = flags::Cli::command();
    for arg in command.get_arguments() {
        let Some(long) = arg.get_long().filter(|long| !long.ends_with("config")) else {
            continue;
        };
        // Whether the value is right is the flag's affair; the name is known.
        let content = format!("{} = 'x'", long.replace('-', "_"));
        let (_file, flag) = settings(&content);
        if let Err(refusal) = load_with(&flag, &[]) {
            assert!(!refusal.to_string().contains("no setting"), "{refusal}");
        }
    }
}

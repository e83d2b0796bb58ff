//! Several endpoints: what each has of its own and from above, and what two cannot have.

use serde_json::Value;

use super::*;
use crate::config::file::is_process_wide;

/// All endpoints of this file with these flags and variables.
#[track_caller]
fn all(content: &str, flags: &str, variables: &[(&str, &str)]) -> Vec<Config> {
    let (_file, path) = file(content.as_bytes());
    match load_with(&format!("--config {path} {flags}"), variables) {
        Ok(invocation) => {
            let mut all = vec![invocation.config];
            all.extend(invocation.more);
            all
        }
        Err(refusal) => panic!("{content} is refused: {refusal}"),
    }
}

#[track_caller]
fn check_refused_with(content: &str, because: &str) {
    let (_file, path) = file(content.as_bytes());
    check_refused(&format!("--config {path}"), &[], because);
}

const TWO: &str = "\
sentinel = ['s1', 's2']
hold_timeout = '3s'
workers = 2

[[endpoint]]
name = 'sessions'
primary_name = 'a'
listen = '127.0.0.1:7001'

[[endpoint]]
primary_name = 'b'
sentinel = 's3:1'
listen = ['127.0.0.1:7002', 'unix:@b']
hold_timeout = '4s'
pool = 'session'
";

fn hold(seconds: u64) -> HoldTimeout {
    HoldTimeout::Fixed(Duration::from_secs(seconds))
}

#[test]
fn each_has_its_own_and_the_rest_from_above() {
    let all = all(TWO, "", &[]);
    let [one, other] = all.as_slice() else {
        panic!("two: {all:?}");
    };
    assert_eq!(
        (one.name.as_str(), one.primary_name.as_str()),
        ("sessions", "a")
    );
    assert_eq!(
        (other.name.as_str(), other.primary_name.as_str()),
        ("b", "b")
    );
    assert_eq!(addresses(&one.sentinels), "s1:26379,s2:26379");
    assert_eq!(addresses(&other.sentinels), "s3:1");
    assert_eq!(addresses(&one.listen), "127.0.0.1:7001");
    assert_eq!(addresses(&other.listen), "127.0.0.1:7002");
    assert_eq!(other.listen_unix.len(), 1);
    assert_eq!((one.hold_timeout, other.hold_timeout), (hold(3), hold(4)));
    assert_eq!((one.pool, other.pool), (Pool::Shared, Pool::Session));
    assert_eq!((one.workers, other.workers), (2, 2));
}

#[test]
fn flags_and_environment_are_for_endpoints_that_do_not_say_otherwise() {
    // As an image sets it.
    let env = [
        ("STEADFAST_LISTEN", "[::]:6379"),
        ("STEADFAST_POLL_INTERVAL", "2s"),
    ];
    let both = all(
        TWO,
        "--hold-timeout 9s --sentinel x,y --sentinel z --workers 1",
        &env,
    );
    assert_eq!(addresses(&both[0].listen), "127.0.0.1:7001");
    assert_eq!(addresses(&both[0].sentinels), "x:26379,y:26379,z:26379");
    assert_eq!(addresses(&both[1].sentinels), "s3:1");
    assert_eq!(
        (both[0].hold_timeout, both[1].hold_timeout),
        (hold(9), hold(4))
    );
    for one in both {
        assert_eq!((one.workers, one.poll_interval.as_secs()), (1, 2));
    }
    let env = [("STEADFAST_LISTEN", "[::]:6379")];
    let listens = all("[[endpoint]]\nprimary_name = 'a'", "", &env);
    assert_eq!(addresses(&listens[0].listen), "[::]:6379");
}

#[test]
fn an_endpoint_may_have_its_own_password() {
    let (_password, path) = file(b"own");
    let content = format!(
        "[[endpoint]]\npassword_file = '{path}'\n[[endpoint]]\nname = 'b'\nlisten = 'unix:@b'"
    );
    let both = all(&content, "", &[("STEADFAST_PASSWORD", "from above")]);
    let logins: Vec<_> = both
        .iter()
        .map(|one| one.login.as_ref().expect("a login"))
        .collect();
    assert!(logins[0].password.matches(b"own"));
    assert!(logins[1].password.matches(b"from above"));
}

#[test]
fn two_that_cannot_be_told_apart_are_refused() {
    let two = |first: &str, second: &str| format!("[[endpoint]]\n{first}\n[[endpoint]]\n{second}");
    let names = two("listen = 'unix:@a'", "listen = 'unix:@b'");
    check_refused_with(&names, "two endpoints are called mymaster");
    let listen = two("name = 'a'", "name = 'b'");
    check_refused_with(
        &listen,
        "the endpoints a and b both listen on 127.0.0.1:6379",
    );
    let unix = two(
        "name = 'a'\nlisten = 'unix:/s'",
        "name = 'b'\nlisten = ['[::1]:1', 'unix:/s']",
    );
    check_refused_with(&unix, "unix:/s");
    let any = two(
        "name = 'a'\nlisten = '[::1]:0'",
        "name = 'b'\nlisten = '[::1]:0'",
    );
    assert_eq!(all(&any, "", &[]).len(), 2, "each gets another port");
}

#[test]
fn mistakes_are_told_with_their_place() {
    let (file, path) = file(b"[[endpoint]]\nname = 'a'\npool = 'links'");
    let line = format!("{}:3", file.path().display());
    check_refused(&format!("--config {path}"), &[], &line);
    let off = "[[endpoint]]\nname = 'a'\nlisten = 'off'";
    check_refused_with(off, "endpoint a: --listen is off");
    let open =
        "[[endpoint]]\nname = 'a'\nlisten = '0.0.0.0:1'\nsentinel = 'redis+sentinel://:pw@s/p'";
    check_refused_with(open, "endpoint a: refusing to start");
    check_refused_with(
        "[[endpoint]]\nadmin_listen = 'off'",
        "concerns the whole process",
    );
}

#[test]
fn settings_of_the_process_are_no_endpoints() {
    use clap::CommandFactory;

    let command = flags::Cli::command();
    let heading = |arg: &&clap::Arg| arg.get_help_heading() == Some("Process");
    for long in command
        .get_arguments()
        .filter(heading)
        .filter_map(clap::Arg::get_long)
    {
        let known = is_process_wide(long) || matches!(long, "config" | "check-config");
        assert!(known, "is {long} an endpoint's?");
    }
}

#[test]
fn each_is_shown_with_what_counts_for_it() {
    let (file, path) = file(TWO.as_bytes());
    let flags = format!("--config {path} --poll-interval 2s");
    let invocation = load_with(&flags, &[]).expect("usable");
    let json: Value = serde_json::from_str(&invocation.settings.to_json()).expect("JSON");
    let find = |all: &Value, name: &str| {
        let mut all = all.as_array().expect("a list").iter();
        all.find(|it| it["name"] == name)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(find(&json["settings"], "workers")["value"], "2");
    assert!(find(&json["settings"], "hold_timeout").is_null());
    let other = &json["endpoints"][1];
    assert_eq!(other["name"], "b");
    let hold = find(&other["settings"], "hold_timeout");
    let line = format!("{}:14", file.path().display());
    assert_eq!(
        (&hold["value"], &hold["source"]),
        (&"4s".into(), &line.into())
    );
    assert_eq!(
        find(&other["settings"], "poll_interval")["source"],
        "--poll-interval"
    );
    assert!(find(&other["settings"], "workers").is_null());

    let text = invocation.settings.to_string();
    let again = all(&text, "", &[]);
    let before = all(TWO, "--poll-interval 2s", &[]);
    assert_eq!(format!("{again:?}"), format!("{before:?}"), "{text}");
}

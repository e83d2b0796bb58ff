//! The ACLs that the README lists, word for word, carry a planned failover and a crash.

use std::path::PathBuf;

use super::{SOON, file, settle, with_link_of_its_own};
use crate::bed::{Bed, FAILOVER_LIMIT, Node, wait_until};
use crate::proxy::{Proxy, run_to_end};
use crate::writer::Writer;

const README: &str = include_str!("../../../README.md");

/// A user of the README: name, password, all rules.
struct User {
    name: &'static str,
    password: &'static str,
    rules: &'static str,
}

/// The `nth` line of the block that begins with `user`.
#[track_caller]
fn user(nth: usize) -> User {
    let (_, block) = README.split_once("<!-- acl -->").unwrap();
    let block = block.split("```").nth(1).unwrap();
    let mut lines = block.lines().filter_map(|line| line.strip_prefix("user "));
    let (name, rules) = lines.nth(nth).unwrap().split_once(' ').unwrap();
    let password = rules.split(' ').find_map(|rule| rule.strip_prefix('>'));
    User {
        name,
        password: password.unwrap(),
        rules,
    }
}

/// What a node has denied this user so far.
fn denied(node: &Node, user: &User) -> Vec<String> {
    let log = node.command(&["ACL", "LOG"]);
    let entries = log.items().iter().map(|entry| entry.fields());
    let of_user = entries.filter(|entry| entry["username"] == user.name);
    of_user
        .map(|entry| format!("{} {}", entry["reason"], entry["object"]))
        .collect()
}

/// What was written with nobody closed or told an error, but for what a crash leaves uncertain.
#[track_caller]
fn judge(writers: Vec<Writer>, primary: &Node) {
    for writer in writers {
        let account = writer.stop();
        assert!(account.closes.is_empty(), "{:?}", account.closes);
        let uncertain = |text: &String| text.starts_with("UNCERTAIN");
        let errors = account.errors.iter().map(|(_, text)| text);
        let others: Vec<_> = errors.filter(|text| !uncertain(text)).collect();
        assert!(others.is_empty(), "{others:?}");
        // What was acknowledged after the crash is certainly there.
        let since = account.acks.last().unwrap().sent;
        assert!(account.lost_since(primary, since).is_empty());
    }
}

#[test]
fn what_the_readme_grants_is_enough_for_a_planned_failover_and_a_crash() {
    let [sentinel, control, login] = [0, 1, 2].map(user);
    let bed = Bed::builder()
        .requirepass("admin")
        .sentinel_user(sentinel.name, sentinel.rules)
        .user(control.name, control.rules)
        .user(login.name, login.rules)
        .start();
    let users = [
        ("sentinel-", &sentinel),
        ("control-", &control),
        ("", &login),
    ];
    let mut args: Vec<(String, PathBuf)> = Vec::new();
    for (prefix, user) in users {
        let path = file(&bed, user.name, user.password);
        args.push((format!("--{prefix}username"), user.name.into()));
        args.push((format!("--{prefix}password-file"), path));
    }
    let proxy = args
        .iter()
        .fold(Proxy::for_bed(&bed), |proxy, (flag, value)| {
            proxy.flag(flag, value)
        });
    let proxy = proxy.flag("--log-level", "debug").start_ready();
    wait_until(FAILOVER_LIMIT, "all Sentinels are heard", || {
        let status = proxy.status();
        let sentinels = status["discovery"]["sentinels"].as_array().cloned();
        sentinels.is_some_and(|all| all.len() == 3 && all.iter().all(|it| it["subscribed"] == true))
    });

    let writers = (0..3).map(|nth| Writer::start(proxy.addr(), &format!("w{nth}")));
    let writers: Vec<_> = writers.collect();
    // A call that waits is called back before the promotion, and WAIT counts after it.
    let mut popper = proxy.connect();
    popper.send(&["BLPOP", "jobs", "0"]).unwrap();
    let mut waiter = with_link_of_its_own(&proxy);
    assert!(waiter.call(&["SET", "k", "v"]).is_ok());
    let promoted = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, promoted.addr());
    writers.iter().for_each(|writer| writer.wait_acks(5));
    assert_eq!(waiter.call(&["WAIT", "0", "10"]).error(), None);
    assert_eq!(waiter.call(&["RPUSH", "jobs", "job"]).error(), None);
    assert_eq!(popper.reply().unwrap().at(1), "job");
    // In time, unless the machine stood still.
    for channel in ["+try-failover", "+selected-slave", "+switch-master"] {
        let is = |event: &serde_json::Value| event["channel"] == channel;
        wait_until(SOON, &format!("{channel} is heard"), || {
            proxy.events("sentinel_event").iter().any(is)
        });
    }

    settle(&bed, promoted);
    for node in [0, 1, 2].map(|index| bed.server(index)) {
        for user in [&control, &login] {
            assert_eq!(denied(node, user), [""; 0], "{} {}", user.name, node.port());
        }
    }
    promoted.kill();
    let next = bed.wait_promoted(promoted.port());
    proxy.wait_primary(FAILOVER_LIMIT, next.addr());
    writers.iter().for_each(|writer| writer.wait_acks(5));
    for user in [&control, &login] {
        assert_eq!(denied(next, user), [""; 0], "{}", user.name);
    }
    for node in bed.sentinels() {
        assert_eq!(denied(node, &sentinel), [""; 0], "{}", node.port());
    }
    judge(writers, next);

    let mut check = vec!["check".to_owned(), "--sentinel".to_owned()];
    check.push(bed.sentinel(0).addr().to_string());
    for (flag, value) in &args {
        check.extend([flag.clone(), value.display().to_string()]);
    }
    let check: Vec<_> = check.iter().map(String::as_str).collect();
    let told = run_to_end(&check);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("subscribed to 3 of 3"), "{told}");
    assert!(!told.contains("NOPERM"), "{told}");
}

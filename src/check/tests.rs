//! What `check` makes of answers, and of ports that do not talk RESP. Real servers are asked in
//! `tests/it`.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::judge::{Findings, choose, judge};
use super::report::{Report, Reports};
use super::sentinel::{self, Sentinel};
use super::server::{self, Server};
use super::tls::{Speech, listen_to};
use crate::config::{Config, Machine, load};
use crate::discovery::earshot::Earshot;
use crate::discovery::error::Rejection;
use crate::discovery::message::{MasterFields, Role, Trouble};
use crate::net::HostPort;

const LIMIT: Duration = Duration::from_secs(5);

fn config() -> Config {
    let machine = Machine {
        descriptors: 1024,
        parallelism: 1,
        memory: None,
    };
    let args = vec!["steadfast".into(), "check".into()];
    load(args, &|_| None, machine).expect("defaults").config
}

fn node(index: u16) -> HostPort {
    HostPort::new("10.0.0.1", index)
}

/// Sentinel `index` of `known`, naming node `primary`.
fn sentinel(index: u16, known: u64, primary: u16, epoch: u64) -> Sentinel {
    Sentinel {
        address: HostPort::new("10.0.0.2", index),
        learned: false,
        answer: Ok(sentinel::Answer {
            run_id: Some(format!("run{index}")),
            primary: node(primary),
            fields: MasterFields {
                epoch,
                quorum: 2,
                down_after: Duration::from_secs(1),
                other_sentinels: known - 1,
                trouble: Trouble::None,
            },
            flags: "master".to_owned(),
            peers: Vec::new(),
            replicas: Vec::new(),
            earshot: Earshot::All,
            denied: Vec::new(),
        }),
    }
}

fn server(index: u16, role: Role) -> Server {
    Server {
        address: node(index),
        answer: Ok(server::Answer {
            role: Ok(role),
            run_id: Some(format!("server{index}")),
            cluster: false,
            settings: Some(server::SETTINGS.map(|_| "x".to_owned()).to_vec()),
        }),
    }
}

fn healthy() -> (Vec<Sentinel>, Vec<Server>) {
    let sentinels = (1..=3).map(|index| sentinel(index, 3, 1, 4)).collect();
    let primary = Role::Master { offset: Some(7) };
    let servers = vec![
        server(1, primary),
        server(2, Role::Replica),
        server(3, Role::Replica),
    ];
    (sentinels, servers)
}

/// Each of `expected` must be said, once, in order: "F text" for failures, "W text" for warnings.
#[track_caller]
fn check(sentinels: &[Sentinel], servers: &[Server], expected: &[&str]) {
    let choice = choose(sentinels);
    let found = judge(&config(), sentinels, choice.as_ref(), servers);
    let failures = found.failures.iter().map(|text| format!("F {text}"));
    let warnings = found.warnings.iter().map(|text| format!("W {text}"));
    let said: Vec<_> = failures.chain(warnings).collect();
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(expected) {
        let (kind, words) = expected.split_once(' ').expect("a kind");
        assert!(
            said.starts_with(kind) && said.contains(words),
            "{expected}: {said}"
        );
    }
}

/// What `check` found of an endpoint called so, whose primary is node `index`, at `address`.
fn endpoint(name: &str, address: u16, index: u16) -> Report {
    let config = Config {
        name: name.to_owned(),
        ..config()
    };
    let sentinels = vec![sentinel(1, 1, address, 4)];
    let mut primary = server(index, Role::Master { offset: None });
    primary.address = node(address);
    let choice = choose(&sentinels);
    Report::new(
        &config,
        sentinels,
        vec![primary],
        choice,
        Findings::default(),
    )
}

#[test]
fn endpoints_with_one_primary_are_told_of_however_it_is_reached() {
    let clashes = |all: Vec<Report>| {
        Reports::new(all)
            .to_string()
            .matches("same primary")
            .count()
    };
    assert_eq!(clashes(vec![endpoint("a", 1, 1), endpoint("b", 2, 2)]), 0);
    assert_eq!(clashes(vec![endpoint("a", 1, 1), endpoint("b", 1, 1)]), 1);
    let by_another_name = vec![
        endpoint("a", 1, 1),
        endpoint("b", 2, 1),
        endpoint("c", 3, 3),
    ];
    assert_eq!(clashes(by_another_name), 1);
}

fn change_sentinel(sentinel: &mut Sentinel, change: impl FnOnce(&mut sentinel::Answer)) {
    change(sentinel.answer.as_mut().expect("an answer"));
}

fn change_server(server: &mut Server, change: impl FnOnce(&mut server::Answer)) {
    change(server.answer.as_mut().expect("an answer"));
}

#[test]
fn nothing_is_said_about_a_healthy_set() {
    let (sentinels, servers) = healthy();
    check(&sentinels, &servers, &[]);
}

#[test]
fn the_newest_epoch_wins_and_disagreement_is_said() {
    let (mut sentinels, servers) = healthy();
    sentinels[0] = sentinel(1, 3, 9, 3);
    assert_eq!(
        choose(&sentinels).map(|choice| choice.primary),
        Some(node(1))
    );
    check(&sentinels, &servers, &["W disagree"]);
    sentinels[0] = sentinel(1, 3, 9, 5);
    assert_eq!(
        choose(&sentinels).map(|choice| choice.primary),
        Some(node(9))
    );
    sentinels[0] = sentinel(1, 3, 9, 4);
    assert_eq!(
        choose(&sentinels).map(|choice| choice.primary),
        Some(node(1))
    );
}

#[test]
fn a_primary_that_is_none_is_a_failure() {
    let (sentinels, mut servers) = healthy();
    change_server(&mut servers[0], |one| one.role = Ok(Role::Replica));
    check(&sentinels, &servers, &["F says it is a replica"]);
    change_server(&mut servers[0], |one| one.role = Ok(Role::Other));
    check(&sentinels, &servers, &["F no data server"]);
    servers[0].answer = Err("gone".to_owned());
    check(&sentinels, &servers, &["F cannot be used"]);
    check(&[], &[], &["F no Sentinel"]);
    let (sentinels, mut servers) = healthy();
    servers[2].answer = Err("gone".to_owned());
    check(&sentinels, &servers, &["W 1 replica marked FAIL"]);
}

#[test]
fn an_unverified_role_is_a_warning_that_says_whose_rights_are_missing() {
    let (sentinels, mut servers) = healthy();
    let noauth = Rejection::new("NOAUTH Authentication required.");
    change_server(&mut servers[0], |one| one.role = Err(noauth));
    check(&sentinels, &servers, &["W --control-password-file"]);
    let noperm = Rejection::new("NOPERM this user has no permissions");
    change_server(&mut servers[0], |one| one.role = Err(noperm));
    check(&sentinels, &servers, &["W grant +role"]);
}

#[test]
fn too_few_members_and_a_lost_quorum_are_said() {
    let (mut sentinels, servers) = healthy();
    sentinels.truncate(1);
    check(&sentinels, &servers, &["W 1 of 3 Sentinels answer"]);
    sentinels[0] = sentinel(1, 1, 1, 4);
    change_sentinel(&mut sentinels[0], |one| one.fields.quorum = 1);
    check(
        &sentinels,
        &servers[..2],
        &["W 1 Sentinel in all", "W 2 data servers in all"],
    );
}

#[test]
fn one_sentinel_under_two_addresses_counts_once() {
    let (mut sentinels, servers) = healthy();
    for sentinel in &mut sentinels {
        change_sentinel(sentinel, |one| one.run_id = Some("same".to_owned()));
    }
    check(&sentinels, &servers, &["W 1 of 3 Sentinels answer"]);
}

#[test]
fn slow_detection_is_said_with_the_pause_it_means() {
    let (mut sentinels, servers) = healthy();
    let set = |seconds| {
        move |one: &mut sentinel::Answer| {
            one.fields.down_after = Duration::from_secs(seconds);
        }
    };
    change_sentinel(&mut sentinels[2], set(3));
    check(&sentinels, &servers, &[]);
    change_sentinel(&mut sentinels[2], set(30));
    check(&sentinels, &servers, &["W wait about 32s"]);
}

#[test]
fn what_would_hurt_at_a_failover_is_said() {
    let (mut sentinels, mut servers) = healthy();
    change_sentinel(&mut sentinels[0], |one| {
        one.earshot = Earshot::Nothing("NOPERM".to_owned());
        one.denied = vec!["SENTINEL MYID"];
        one.fields.trouble = Trouble::Failover;
    });
    change_server(&mut servers[1], |one| {
        one.role = Ok(Role::Master { offset: None })
    });
    change_server(&mut servers[2], |one| one.cluster = true);
    change_server(&mut servers[1], |one| one.settings = None);
    change_server(&mut servers[2], |one| {
        one.settings = Some(vec!["noeviction".to_owned(); server::SETTINGS.len()]);
    });
    let mut expected = vec![
        "W believes the primary down",
        "W no events, polling alone: NOPERM; grant",
        "W does not answer SENTINEL MYID",
        "W a primary too",
        "W cluster mode",
        "W CONFIG GET is not permitted",
    ];
    expected.push("W maxmemory-policy differs");
    expected.extend([
        "W timeout",
        "W notify-keyspace-events",
        "W min-replicas",
        "W save",
    ]);
    expected.push("W appendonly differs");
    check(&sentinels, &servers, &expected);
}

#[tokio::test]
async fn ports_that_do_not_talk_resp_are_told_apart() {
    let alert = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46];
    for (answer, expected) in [
        (&alert[..], Speech::Tls),
        (b"HTTP/1.1 400 Bad Request\r\n", Speech::Http),
        (b"", Speech::Nothing),
        (b"SSH-2.0-x\r\n", Speech::Other),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address").into();
        let answer = answer.to_vec();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a caller");
            let _ = stream.read(&mut [0; 64]).await;
            let _ = stream.write_all(&answer).await;
        });
        assert_eq!(listen_to(&address, LIMIT).await, expected);
        server.await.expect("without a panic");
    }
}

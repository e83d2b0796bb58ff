//! Replies as servers write them, and as they should not.

use super::*;

fn bulk(text: &str) -> Reply {
    Reply::BulkString(text.as_bytes().to_vec())
}

fn list(parts: &[&str]) -> Reply {
    Reply::Array(parts.iter().map(|part| bulk(part)).collect())
}

fn master(epoch: &str, flags: &str) -> Reply {
    list(&[
        "name",
        "mymaster",
        "ip",
        "10.0.0.9",
        "port",
        "1",
        "flags",
        flags,
        "config-epoch",
        epoch,
        "quorum",
        "2",
        "down-after-milliseconds",
        "1000",
        "num-other-sentinels",
        "2",
    ])
}

#[test]
fn reads_a_consistent_answer_and_refuses_a_torn_one() {
    let middle = list(&["10.0.0.2", "6379"]);
    let (address, fields) = consistent(
        &master("3", "master"),
        &middle,
        &master("3", "master"),
        false,
    )
    .expect("consistent");
    assert_eq!(address, HostPort::new("10.0.0.2", 6379));
    assert_eq!((fields.epoch, fields.quorum), (3, 2));
    assert_eq!(fields.down_after, Duration::from_secs(1));
    assert_eq!(fields.trouble, Trouble::None);
    let torn = consistent(
        &master("2", "master"),
        &middle,
        &master("3", "master"),
        false,
    );
    assert_eq!(torn, Err(BadAnswer::Torn));
}

#[test]
fn sees_a_failover_in_the_flags() {
    for (flags, trouble) in [
        ("master,o_down", Trouble::Down),
        ("master,o_down,failover_in_progress", Trouble::Failover),
        (
            "master,failover_in_progress,force_failover",
            Trouble::Failover,
        ),
        ("master,coordinated_failover", Trouble::Failover),
        // One Sentinel's opinion is no failover.
        ("master,s_down", Trouble::None),
    ] {
        let fields = master_fields(&master("0", flags)).expect("fields");
        assert_eq!(fields.trouble, trouble, "{flags}");
    }
}

#[test]
fn rejects_addresses_that_cannot_be_meant() {
    let refused = |host, port| host_port(host, port, false).expect_err("refused");
    assert_eq!(address(&Reply::Null, false), Err(BadAnswer::UnknownName));
    assert_eq!(refused("", "6379"), BadAnswer::EmptyHost);
    assert_eq!(refused("10.0.0.1", "0"), BadAnswer::BadPort);
    assert_eq!(refused("10.0.0.1", "65536"), BadAnswer::BadPort);
    for host in [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "localhost",
        "::ffff:127.0.0.1",
        "0.0.0.0",
    ] {
        assert_eq!(refused(host, "6379"), BadAnswer::Loopback);
    }
    for host in ["[::1]", "a b", "a\tb", "a/b", "u@h", "#quorum", "a,b"] {
        assert_eq!(refused(host, "6379"), BadAnswer::Shape);
    }
    assert!(host_port("127.0.0.1", "6379", true).is_ok());
    assert_eq!(address(&bulk("x"), false), Err(BadAnswer::Shape));
}

#[test]
fn nodes_are_where_the_map_says() {
    let map =
        crate::config::tests::address_map("10.0.0.1:6379=127.0.0.1:7000,127.0.0.1=nat,[fd00::1]=b");
    let map = &map;
    for on_loopback in [true, false] {
        let reading = Reading { on_loopback, map };
        let read = |host, port| host_port(host, port, reading).map(|it| it.to_string());
        // Mapped to loopback or from there, it is what the operator says.
        assert_eq!(read("10.0.0.1", "6379").as_deref(), Ok("127.0.0.1:7000"));
        assert_eq!(read("127.0.0.1", "5").as_deref(), Ok("nat:5"));
        assert_eq!(read("FD00:0::1", "5").as_deref(), Ok("b:5"));
        assert_eq!(read("10.0.0.1", "5").as_deref(), Ok("10.0.0.1:5"));
        assert_eq!(read("127.0.0.2", "5").is_ok(), on_loopback);
    }
    let reading = Reading {
        on_loopback: false,
        map,
    };
    let named = list(&["10.0.0.1", "6379"]);
    assert_eq!(
        address(&named, reading),
        Ok(HostPort::new("127.0.0.1", 7000))
    );
    let entry = list(&["ip", "10.0.0.1", "port", "6379", "runid", "abc"]);
    let entries = Reply::Array(vec![entry]);
    assert_eq!(
        replicas(&entries, reading),
        [HostPort::new("127.0.0.1", 7000)]
    );
    assert_eq!(
        peers(&entries, reading)[0].address,
        HostPort::new("127.0.0.1", 7000)
    );
}

#[test]
fn an_ipv6_address_has_one_spelling() {
    let address = host_port("2001:DB8:0::1", "6379", false).expect("fine");
    assert_eq!(address.to_string(), "[2001:db8::1]:6379");
}

#[test]
fn reads_peers_and_leaves_out_the_senseless() {
    let good = list(&[
        "name", "a", "ip", "10.0.0.3", "port", "26379", "runid", "abc",
    ]);
    let bad = list(&["name", "a", "ip", "", "port", "26379", "runid", "abd"]);
    let found = peers(&Reply::Array(vec![good, bad, Reply::Null]), false);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].run_id, "abc");
    let replica = |ip| list(&["name", "r", "ip", ip, "port", "6379", "flags", "slave"]);
    let entries = vec![replica("10.0.0.4"), replica(""), Reply::Null];
    let found = replicas(&Reply::Array(entries), false);
    assert_eq!(found, [HostPort::new("10.0.0.4", 6379)]);
}

#[test]
fn reads_roles_from_role_and_hello() {
    let primary = Reply::Array(vec![
        bulk("master"),
        Reply::Integer(7),
        Reply::Array(vec![]),
    ]);
    assert_eq!(role(&primary), Some(Role::Master { offset: Some(7) }));
    assert_eq!(
        role(&list(&["slave", "10.0.0.1", "6379"])),
        Some(Role::Replica)
    );
    assert_eq!(role(&list(&["sentinel"])), Some(Role::Other));
    assert_eq!(role(&Reply::Null), None);
    let hello = list(&["server", "redis", "mode", "standalone", "role", "replica"]);
    assert_eq!(hello_role(&hello), Some(Role::Replica));
    let info = bulk("# Server\r\nredis_version:7.0.15\r\nrun_id:ab12\r\n");
    assert_eq!(info_run_id(&info).as_deref(), Some("ab12"));
}

#[test]
fn reads_whom_a_replica_follows_and_how_far_it_has_come() {
    let replica = |host: &str, port, state: &str, offset| {
        following(&Reply::Array(vec![
            bulk("slave"),
            bulk(host),
            Reply::Integer(port),
            bulk(state),
            Reply::Integer(offset),
        ]))
    };
    let found = |is_linked, offset| {
        Some(Following {
            primary: HostPort::new("redis-0", 6379),
            is_linked,
            offset,
        })
    };
    assert_eq!(
        replica("Redis-0", 6379, "connected", 7),
        found(true, Some(7))
    );
    assert_eq!(replica("redis-0", 6379, "connect", -1), found(false, None));
    assert_eq!(replica("redis-0", 6379, "sync", 7), found(false, Some(7)));
    for (host, port) in [("", 6379), ("a b", 6379), ("a", 0), ("a", -1), ("a", 65536)] {
        assert_eq!(replica(host, port, "connected", 7), None, "{host}:{port}");
    }
    let primary = [bulk("master"), Reply::Integer(7), Reply::Array(vec![])];
    assert_eq!(following(&Reply::Array(primary.into())), None);
    assert_eq!(following(&list(&["slave", "10.0.0.1", "6379"])), None);
    assert_eq!(following(&Reply::Null), None);
}

#[test]
fn tells_who_understands_capa_redirect() {
    let info = |versions: &str| info_knows_capa(&bulk(&format!("# Server\r\n{versions}\r\n")));
    assert!(info(
        "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1"
    ));
    assert!(info("redis_version:7.2.4\r\nvalkey_version:10.1.0"));
    assert!(!info("redis_version:7.2.4\r\nvalkey_version:7.2.9"));
    assert!(!info("redis_version:8.2.1"));
    assert!(!info_knows_capa(&Reply::Null));
    let hello = |server, version| {
        hello_knows_capa(&list(&["server", server, "version", version, "proto", "2"]))
    };
    assert!(hello("valkey", "9.1.2"));
    assert!(!hello("valkey", "7.2.9"));
    assert!(!hello("redis", "8.2.1"));
    assert!(!hello("valkey", "eight"));
}

//! `/status` beside what really happened.

use super::{SOON, asked, said};
use crate::bed::{Bed, FAILOVER_LIMIT, wait_until};
use crate::proxy::{Proxy, shares_links};

#[test]
fn a_switch_is_told_from_beginning_to_end() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let old = bed.primary().addr();
    bed.begin_failover(0);
    wait_until(FAILOVER_LIMIT, "the proxy moves", || {
        proxy.primary().is_some_and(|now| now != old) && proxy.gate_is("open")
    });
    let status = proxy.status();
    let switches = status["discovery"]["last_switches"].as_array().unwrap();
    let [last, first] = switches.as_slice() else {
        panic!("the first choice and one switch: {status}");
    };
    assert!(first["from"].is_null(), "{first}");
    assert_eq!(first["to"], old.to_string(), "{first}");
    assert_eq!(last["from"], old.to_string(), "{last}");
    assert_eq!(last["to"], status["primary"]["address"], "{last}");
    assert_eq!(last["epoch"], status["primary"]["epoch"], "{last}");
    assert!(
        last["ms_ago"].as_u64() <= first["ms_ago"].as_u64(),
        "{status}"
    );
    // By whose word depends on who was heard first.
    let source = last["source"].as_str().unwrap();
    let known = |name: &str| {
        bed.sentinels()
            .iter()
            .any(|one| one.addr().to_string() == name)
    };
    assert!(source.split(',').all(known), "{source}");
    for count in ["held", "resent", "uncertain", "links_closed", "not_open_ms"] {
        assert!(last[count].is_u64(), "{count}: {last}");
    }
    let shown = said(&asked(&proxy, &["status"])).1;
    let line = format!("{old} -> {}", last["to"].as_str().unwrap());
    assert!(shown.contains(&line), "{shown}");
}

#[test]
fn sentinels_are_told_with_what_they_say_and_whether_they_answer() {
    let bed = Bed::usual();
    let proxy = Proxy::ready(&bed);
    let primary = bed.primary().addr().to_string();
    wait_until(SOON, "all three are heard and name it", || {
        let status = proxy.status();
        let sentinels = status["discovery"]["sentinels"].as_array().unwrap();
        let hears = |one: &&serde_json::Value| {
            one["connected"] == true
                && one["subscribed"] == true
                && one["primary"] == primary
                && one["epoch"].is_u64()
                && one["run_id"].is_string()
                && one["answered_ms_ago"].is_u64()
        };
        let named_by = status["primary"]["named_by"].as_array().unwrap();
        let says = &status["primary"]["says"];
        let all = sentinels.iter().filter(hears).count() == 3 && named_by.len() == 3;
        // Known from the first heartbeat after the switch on.
        all && says == "master"
    });
    bed.sentinel(2).kill();
    let gone = bed.sentinel(2).addr().to_string();
    wait_until(SOON, "one is told to be gone", || {
        let status = proxy.status();
        let sentinels = status["discovery"]["sentinels"].as_array().unwrap();
        let lost = sentinels.iter().find(|one| one["address"] == gone.as_str());
        lost.is_some_and(|one| one["connected"] == false && one["error"].is_string())
    });
}

#[test]
fn links_are_told_by_what_they_are_for() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut plain = proxy.connect();
    let mut pinned = proxy.connect();
    assert!(plain.call(&["SET", "k", "v"]).is_ok());
    assert!(pinned.call(&["MULTI"]).is_ok());
    let expected = match shares_links() {
        true => (1, 1),
        false => (0, 2),
    };
    wait_until(SOON, "both are counted", || {
        let links = &proxy.status()["links"];
        (links["shared"].as_u64(), links["dedicated"].as_u64())
            == (Some(expected.0), Some(expected.1))
    });
}

#[test]
fn neither_keys_nor_values_nor_names_of_clients_are_told() {
    let bed = Bed::lonely();
    let proxy = Proxy::ready(&bed);
    let mut client = proxy.connect();
    for command in [
        &["CLIENT", "SETNAME", "whisper-name"][..],
        &["SET", "whisper-key", "whisper-value"],
        &["SUBSCRIBE", "whisper-channel"],
    ] {
        assert!(client.call(command).error().is_none());
    }
    let mut waiting = proxy.connect();
    bed.primary().kill();
    waiting
        .send(&["SET", "whisper-held", "whisper-value"])
        .unwrap();
    wait_until(SOON, "it is held", || {
        proxy.status()["totals"]["held"].as_u64() == Some(1)
    });
    let status = proxy.get("/status").unwrap().1;
    assert!(!status.contains("whisper"), "{status}");
}

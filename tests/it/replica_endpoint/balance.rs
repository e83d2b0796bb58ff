//! Each replica serves the same share, and when one is lost only its clients are moved.

use super::*;

const CLIENTS: usize = 40;

fn crowd(proxy: &Proxy) -> Vec<Client> {
    (0..CLIENTS).map(|_| connect(proxy)).collect()
}

/// Three replicas, and as many clients as are told of them.
fn bed_of_three() -> Bed {
    Bed::builder()
        .replicas(3)
        .sentinels(1)
        .down_after(60_000)
        .start()
}

#[test]
fn replicas_serve_equal_shares_and_the_primary_none() {
    let bed = bed_of_three();
    for pool in ["shared", "session"] {
        let proxy = serving(reading(&bed).flag("--pool", pool), 3);
        let mut clients = crowd(&proxy);
        // One that was found later than the others gets its share when it has been well for a while.
        let found = wait_even(&mut clients, 3);
        assert!(!found.contains_key(&bed.server(0).port()), "{found:?}");
        wait_until(SOON, "the status shows them all", || {
            let told = told(&proxy);
            let nodes = told["replicas"].as_array().unwrap().iter();
            let served = nodes.map(|node| node["clients"].as_u64().unwrap());
            served.sum::<u64>() == CLIENTS as u64
        });
    }
}

#[test]
fn a_replica_that_dies_costs_nobody_an_answer_and_comes_back() {
    let bed = bed_of_three();
    let proxy = serving(reading(&bed), 3);
    let mut clients = crowd(&proxy);
    wait_even(&mut clients, 3);
    let before: Vec<_> = clients.iter_mut().map(Client::node_port).collect();
    let lost = bed.server(1);
    lost.kill();
    for (client, before) in clients.iter_mut().zip(&before) {
        let now = client.node_port();
        assert_ne!(now, lost.port());
        assert!(
            *before == lost.port() || now == *before,
            "it was led to {before}"
        );
    }
    let found = spread(&mut clients);
    assert!(is_even(&found, 2), "{found:?}");
    lost.restart();
    wait_even(&mut clients, 3);
}

#[test]
fn a_replica_that_hangs_or_loses_its_primary_serves_nobody() {
    let bed = bed_of_three();
    let proxy = serving(reading(&bed), 3);
    let mut clients = crowd(&proxy);
    bed.server(1).freeze();
    for client in &mut clients {
        assert_ne!(client.node_port(), bed.server(1).port());
    }
    // It answers, and follows somebody who is not there.
    bed.server(2).command(&["REPLICAOF", "127.0.0.1", "1"]);
    wait_healthy(&proxy, 1);
    assert_eq!(spread(&mut clients).len(), 1);
    bed.server(1).thaw();
    let primary = bed.server(0).port().to_string();
    bed.server(2).command(&["REPLICAOF", "127.0.0.1", &primary]);
    wait_even(&mut clients, 3);
}

#[test]
fn a_replica_that_may_not_be_asked_serves_nobody_and_that_is_said() {
    let bed = Bed::builder()
        .sentinels(1)
        .down_after(60_000)
        .user("app", "on >secret ~* &* +@all -role")
        .start();
    let proxy = reading(&bed)
        .flag("--username", "app")
        .env("STEADFAST_PASSWORD", "secret")
        .start_ready();
    wait_until(SOON, "it is said why", || {
        let replicas = told(&proxy)["replicas"].clone();
        let reasons = replicas.as_array().into_iter().flatten();
        let mut reasons = reasons.filter_map(|node| node["reason"].as_str());
        reasons.any(|reason| reason.contains("ROLE"))
    });
    wait_until(SOON, "it is logged", || {
        !proxy.events("no_replica").is_empty()
    });
}

//! What becomes of readers while there is no replica.

use super::*;

/// A primary alone, which is never failed over.
fn alone() -> Bed {
    Bed::lonely()
}

#[test]
fn without_a_replica_reads_are_held_and_then_fail() {
    let bed = alone();
    let proxy = reading(&bed).flag("--hold-timeout", "1s").start_ready();
    let mut client = connect(&proxy);
    let reply = client.call(&["GET", "k"]);
    let text = reply.error().unwrap_or_default();
    let expected = "MASTERDOWN steadfast: no replica for 'mymaster'";
    assert!(text.starts_with(expected), "{reply:?}");
    assert_eq!(client.call(&["SET", "k", "v"]).error(), Some(READONLY));
    assert!(
        proxy.connect().call(&["SET", "k", "v"]).is_ok(),
        "the primary serves on"
    );
}

#[test]
fn the_primary_stands_in_where_it_may_and_refuses_writes_all_the_same() {
    let bed = Bed::builder()
        .replicas(1)
        .sentinels(1)
        .down_after(60_000)
        .start();
    let (primary, replica) = (bed.server(0), bed.server(1));
    let proxy = serving(reading(&bed).flag("--replica-fallback", "primary"), 1);
    let mut clients: Vec<_> = (0..8).map(|_| connect(&proxy)).collect();
    let served_by = |clients: &mut [Client], node: u16| {
        wait_until(SOON, &format!("all are served by {node}"), || {
            spread(clients).keys().eq([&node])
        });
    };
    served_by(&mut clients, replica.port());
    replica.kill();
    served_by(&mut clients, primary.port());
    for client in &mut clients {
        assert_eq!(client.call(&["SET", "k", "v"]).error(), Some(READONLY));
        assert_eq!(
            client.call(&["EVAL", "return 1", "0"]).error(),
            Some(READONLY)
        );
    }
    replica.restart();
    served_by(&mut clients, replica.port());
    assert_eq!(primary.command(&["EXISTS", "k"]).text(), "0");
}

#[test]
fn held_reads_go_on_when_a_replica_comes_back() {
    let bed = Bed::builder()
        .replicas(1)
        .sentinels(1)
        .down_after(60_000)
        .start();
    let proxy = serving(reading(&bed), 1);
    let mut client = connect(&proxy);
    assert_eq!(client.call(&["GET", "k"]).error(), None);
    bed.server(1).kill();
    client.send(&["GET", "k"]).unwrap();
    client.send(&["SET", "k", "v"]).unwrap();
    wait_healthy(&proxy, 0);
    bed.server(1).restart();
    assert_eq!(client.reply_within(SOON).unwrap().error(), None);
    assert_eq!(client.reply_within(SOON).unwrap().error(), Some(READONLY));
}

//! One primary under two spellings is no other primary.

use tokio::time::Instant;

use super::bed::{Bed, until};
use super::record::{GateRecord, Writer};
use super::running::{Running, config};
use super::signs::{at_work, gate, node, reading, sentinel};
use crate::discovery::Failovers;
use crate::discovery::election::Says;
use crate::discovery::message::{MasterFields, Trouble};
use crate::discovery::signal::{News, Reading};
use crate::discovery::task::Discovery;
use crate::net::HostPort;
use crate::topology::Gate;

fn alias() -> HostPort {
    HostPort::new("localhost", 1)
}

/// The Sentinel names this primary at this epoch.
async fn names(discovery: &mut Discovery, address: HostPort, epoch: u64) {
    let fields = MasterFields {
        epoch,
        quorum: 1,
        down_after: std::time::Duration::from_secs(1),
        other_sentinels: 0,
        trouble: Trouble::None,
    };
    let answer = News::Answer {
        asked: Instant::now(),
        run_id: "sentinel".to_owned(),
        result: Ok((address, fields)),
    };
    discovery.hear(&sentinel(), answer);
    discovery.steer().await;
}

/// A watch of the present primary's other spelling, or of something else there, came back.
async fn other_says(discovery: &mut Discovery, run_id: &str) {
    // The watches under way dial nobody who answers; this is the reading of one that does.
    let look = Reading {
        address: alias(),
        watch: discovery.watches.id(&alias()).expect("it is looked at"),
        run_id: Some(run_id.to_owned()),
        peer: Some(([127, 0, 0, 1], 1).into()),
        ..reading(1, Says::Master, Some(100))
    };
    discovery.read(look);
    discovery.steer().await;
}

/// Discovery with an open gate at node 1, whose run id is known.
async fn knowing() -> Discovery {
    let mut discovery = at_work().await;
    discovery.steer().await;
    let look = Reading {
        watch: discovery.watches.id(&node(1)).expect("it is looked at"),
        run_id: Some("process".to_owned()),
        peer: Some(([127, 0, 0, 1], 1).into()),
        ..reading(1, Says::Master, Some(100))
    };
    discovery.read(look);
    discovery
}

#[tokio::test]
async fn another_spelling_of_the_primary_at_a_newer_epoch_is_learned() {
    let mut discovery = knowing().await;
    names(&mut discovery, alias(), 2).await;
    other_says(&mut discovery, "process").await;
    let now = discovery.publisher.load();
    assert_eq!(now.generation, 1, "no link is closed");
    assert_eq!(now.primary.as_ref().map(|primary| primary.epoch), Some(2));
    assert!(discovery.conflict.is_empty());
    names(&mut discovery, alias(), 2).await;
    assert_eq!(discovery.publisher.load().generation, 1);
}

#[tokio::test]
async fn another_process_under_a_new_name_is_another_primary() {
    let mut discovery = knowing().await;
    names(&mut discovery, alias(), 2).await;
    other_says(&mut discovery, "another").await;
    assert_eq!(discovery.publisher.load().generation, 2);
}

#[tokio::test]
async fn another_spelling_is_no_promoted_replica() {
    let mut discovery = knowing().await;
    names(&mut discovery, alias(), 1).await;
    discovery.shut("a test");
    other_says(&mut discovery, "process").await;
    let at = discovery.millis(Instant::now());
    assert!(discovery.underway.promoted(&node(1), at).is_none());
    assert_eq!(gate(&discovery), Gate::Shut);
}

/// Events and answers spell the primary by its name from here on; the failover of it must be met.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_met_in_whatever_spelling_it_is_told() {
    let bed = Bed::start_at("localhost", 1_000).await;
    let sentinels = bed.sentinels.iter().map(|s| s.address.clone()).collect();
    let running = Running::start(config(sentinels));
    let (old, _) = running.open_at(1).await;
    assert_eq!(old.host, "127.0.0.1");
    let gate = GateRecord::start(running.handle.clone());
    for sentinel in &bed.sentinels {
        let announce = ["SENTINEL", "CONFIG", "SET", "announce-hostnames", "yes"];
        assert!(sentinel.ask(&announce).await.is_some());
    }
    until("all spell it so, and are heard", async || {
        let status = running.status.load();
        let named = format!("localhost:{}", old.port);
        let by_name = status
            .sentinels
            .iter()
            .filter(|one| one.primary.as_ref() == Some(&named));
        by_name.count() == 3 && status.subscribed == 3
    })
    .await;
    let writer = Writer::start(running.handle.clone()).await;
    bed.fail_over(1).await;
    let (new, _) = running.open_at(2).await;
    assert_eq!(writer.missing_at(&new).await, [0; 0]);
    let states = gate.states();
    let quiesced = states.contains(&(1, Gate::Quiescing));
    assert!(quiesced || gate.was_disturbed(), "{states:?}");
    let counted = async || running.status.load().failovers.planned == 1;
    until("it is counted", counted).await;
    let planned = Failovers {
        planned: 1,
        ..Failovers::default()
    };
    let failovers = &running.status.load().failovers;
    assert!(
        *failovers == planned || gate.was_disturbed(),
        "{failovers:?}"
    );
}

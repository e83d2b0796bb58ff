//! What the probes answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::DEADLINE;
use super::bed::Bed;
use crate::config::ReadyPolicy;
use crate::discovery::Status;

#[tokio::test]
async fn probes_pass_from_the_first_primary_on_and_for_good() {
    let bed = Bed::new(Duration::ZERO).await;
    assert_eq!(bed.get("/livez").await.0, 200);
    assert_eq!(bed.get("/readyz").await.0, 503);
    assert_eq!(bed.get("/startupz").await.0, 503);
    bed.publish_primary().await;
    assert_eq!(bed.get("/readyz").await.0, 200);
    assert_eq!(bed.get("/startupz").await.0, 200);
    bed.publisher.shut().await;
    assert_eq!(
        bed.get("/readyz?verbose").await,
        (200, "ready\n".to_owned())
    );
}

#[tokio::test]
async fn a_lost_primary_counts_where_the_policy_says_so() {
    let policy = ReadyPolicy::PrimaryWithin(Duration::ZERO);
    let bed = Bed::with(Duration::ZERO, policy).await;
    assert_eq!(bed.get("/readyz").await.0, 503);
    bed.publish_primary().await;
    assert_eq!(bed.get("/readyz").await.0, 200);
    bed.publisher.shut().await;
    bed.discovery.store(Arc::new(Status {
        waiting_for: Some("a Sentinel".to_owned()),
        ..Status::default()
    }));
    let said = bed.get("/readyz").await;
    assert_eq!(said.0, 503);
    assert!(said.1.starts_with("no primary for "), "{}", said.1);
    assert!(
        said.1.ends_with(" s; waiting for a Sentinel\n"),
        "{}",
        said.1
    );
}

#[tokio::test]
async fn who_drains_is_alive_and_not_ready() {
    let bed = Bed::new(Duration::ZERO).await;
    bed.publish_primary().await;
    bed.lifecycle.set_draining();
    let (status, said) = bed.get("/readyz").await;
    assert_eq!(
        (status, said.starts_with("draining")),
        (503, true),
        "{said}"
    );
    assert_eq!(bed.get("/livez").await.0, 200);
    assert_eq!(bed.get("/startupz").await.0, 200);
}

#[tokio::test]
async fn without_a_sign_of_life_of_a_loop_it_is_not_live() {
    let bed = Bed::with(Duration::ZERO, ReadyPolicy::PrimaryOnce).await;
    let dead = async {
        while bed.get("/livez").await.0 == 200 {
            sleep(Duration::from_millis(100)).await;
        }
        bed.get("/livez").await
    };
    let (status, said) = timeout(DEADLINE, dead).await.expect("it is noticed");
    assert_eq!(
        (status, said.starts_with("discovery ")),
        (503, true),
        "{said}"
    );
    // It was a hiccup after all.
    bed.publisher.beat();
    let alive = async {
        while bed.get("/livez").await.0 != 200 {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(DEADLINE, alive)
        .await
        .expect("that is noticed, too");
}

#[tokio::test]
async fn a_start_without_a_primary_counts_as_started_after_a_while() {
    let bed = Bed::new(Duration::from_secs(30)).await;
    assert_eq!(bed.get("/startupz").await.0, 200);
    assert_eq!(bed.get("/readyz").await.0, 503);
}

#[tokio::test]
async fn who_is_full_is_not_ready_until_some_places_are_free() {
    let bed = Bed::new(Duration::ZERO).await;
    bed.publish_primary().await;
    assert_eq!(bed.get("/readyz").await.0, 200);
    // Of 100 that may be.
    bed.workers[0].clients.set(60);
    bed.workers[1].clients.set(40);
    let (status, said) = bed.get("/readyz").await;
    assert_eq!((status, said.starts_with("full: ")), (503, true), "{said}");
    assert_eq!(bed.get("/livez").await.0, 200);
    bed.workers[1].clients.set(35);
    assert_eq!(bed.get("/readyz").await.0, 503);
    bed.workers[1].clients.set(30);
    assert_eq!(bed.get("/readyz").await.0, 200);
}

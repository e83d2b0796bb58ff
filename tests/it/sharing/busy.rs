//! A server that executes nothing for the moment: its clients are told so, or wait for it, without
//! harm to each other's links.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{SOON, alone, in_front_of};
use crate::bed::{Bed, wait_until};
use crate::fakes::{FakeServer, Reaction};

/// A script that runs until it is killed.
const ENDLESS: &str = "while true do end";

#[test]
fn a_busy_server_is_told_of_as_by_itself() {
    let bed = Bed::lonely();
    let proxy = alone(&bed);
    let server = bed.server(0);
    let mut known = proxy.connect();
    assert!(known.call(&["SET", "k", "v"]).is_ok());
    assert!(known.call(&["SELECT", "3"]).is_ok());
    let mut admin = server.connect();
    admin.call(&["CONFIG", "SET", "lua-time-limit", "50"]);
    admin.send(&["EVAL", ENDLESS, "0"]).unwrap();
    let busy = |mut ask: Box<dyn FnMut() -> Option<String> + '_>| {
        let told = ask();
        assert!(
            told.as_deref().is_some_and(|it| it.starts_with("BUSY")),
            "{told:?}"
        );
    };
    // By then it answers.
    thread::sleep(Duration::from_millis(200));
    for _ in 0..3 {
        let mut fresh = proxy.connect();
        busy(Box::new(|| {
            fresh.call(&["GET", "k"]).error().map(Into::into)
        }));
    }
    busy(Box::new(|| {
        known.call(&["GET", "k"]).error().map(Into::into)
    }));
    assert!(server.command(&["SCRIPT", "KILL"]).is_ok());
    admin.reply().unwrap();
    let mut fresh = proxy.connect();
    assert_eq!(fresh.call(&["GET", "k"]).text(), "v");
}

#[test]
fn a_write_that_waits_for_replicas_is_in_nobodys_way() {
    let old = FakeServer::start(|_| Reaction::AsUsual);
    let (sentinel, proxy) = in_front_of(old.addr());
    let mut others: Vec<_> = (0..5).map(|_| proxy.connect()).collect();
    let mut writer = proxy.connect();
    assert!(writer.call(&["SET", "k", "v"]).is_ok());
    let left = Arc::new(AtomicUsize::new(3));
    let refuses = left.clone();
    let new = FakeServer::start(move |words| match words.first().map(String::as_str) {
        Some("SET") if refuses.load(Ordering::Relaxed) > 0 => {
            refuses.fetch_sub(1, Ordering::Relaxed);
            Reaction::Reply(b"-NOREPLICAS Not enough good replicas to write.\r\n".into())
        }
        _ => Reaction::AsUsual,
    });
    sentinel.name_primary("127.0.0.1", new.addr().port(), 2);
    proxy.wait_primary(SOON, new.addr());
    for other in &mut others {
        assert!(other.call(&["GET", "k"]).error().is_none());
    }
    let links = || proxy.status()["totals"]["links_total"].as_u64().unwrap();
    let before = links();
    writer.send(&["SET", "k", "v"]).unwrap();
    wait_until(SOON, "it was refused thrice", || {
        for other in &mut others {
            assert!(other.call(&["GET", "k"]).error().is_none());
        }
        left.load(Ordering::Relaxed) == 0
    });
    assert!(writer.reply().unwrap().is_ok());
    assert_eq!(links() - before, 0, "links were given up for it");
}

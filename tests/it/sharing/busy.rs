//! A server that executes nothing for the moment: its clients are told so, or wait for it, without
//! harm to each other's links.

use std::thread;
use std::time::Duration;

use super::alone;
use crate::bed::Bed;

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

//! Through failovers: no write is accepted, nobody is left at a former primary, and shares stay equal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;
use crate::bed::Node;
use crate::soak::soak;
use crate::value::Value;

const CLIENTS: usize = 40;
const KINDS: [&str; 3] = ["planned", "kill", "freeze"];

/// Tries to write until it is to stop: as if there were nothing but replicas.
fn pester(proxy: &Proxy, stop: &AtomicBool) -> usize {
    let mut client = connect(proxy);
    let mut tries = 0;
    while !stop.load(Ordering::SeqCst) {
        for write in [
            &["SET", "forbidden", "x"][..],
            &["EVAL", "return redis.call('SET', 'forbidden', 'x')", "0"],
        ] {
            assert_eq!(client.call(write).error(), Some(READONLY), "{write:?}");
            tries += 1;
        }
        assert_eq!(client.call(&["MULTI"]).error(), None);
        assert_eq!(client.call(&["INCR", "forbidden"]).error(), Some(READONLY));
        let executed = client.call(&["EXEC"]);
        let text = executed.error().unwrap_or_default().to_owned();
        // Where its connection was lost behind it, nobody can tell what the answer was.
        let told = ["EXECABORT", "UNCERTAIN"];
        assert!(
            told.iter().any(|word| text.starts_with(word)),
            "{executed:?}"
        );
    }
    tries
}

/// Reads until it is to stop, and is never told an error.
fn read_on(proxy: &Proxy, stop: &AtomicBool) -> usize {
    let mut client = connect(proxy);
    let mut reads = 0;
    while !stop.load(Ordering::SeqCst) {
        assert_eq!(client.call(&["GET", "round"]).error(), None);
        reads += 1;
    }
    reads
}

/// What a client reads, and from which node, in one step.
fn read_there(client: &mut Client) -> (usize, u16) {
    client.call(&["MULTI"]);
    client.call(&["GET", "round"]);
    client.call(&["CONFIG", "GET", "port"]);
    let both = client.call(&["EXEC"]);
    let [round, port] = both.items() else {
        panic!("{both:?}");
    };
    (
        round.text().parse().unwrap_or(0),
        port.at(1).parse().unwrap(),
    )
}

fn fail<'a>(bed: &'a Bed, proxy: &Proxy, kind: &str) -> &'a Node {
    let old = bed.primary();
    match kind {
        "planned" => bed.begin_failover(0),
        "kill" => old.kill(),
        _ => old.freeze(),
    }
    wait_until(crate::bed::FAILOVER_LIMIT, "the proxy moves", || {
        let moved = proxy.primary().is_some_and(|now| now != old.addr());
        moved && proxy.gate_is("open")
    });
    old
}

/// One failover, after which no reader is told what was so before it.
fn one_round(bed: &Bed, proxy: &Proxy, clients: &mut [Client], round: usize) {
    let kind = KINDS[round % KINDS.len()];
    let old = fail(bed, proxy, kind);
    let mut writer = proxy.connect();
    let number = (round + 1).to_string();
    assert!(writer.call(&["SET", "round", &number]).is_ok());
    // Whoever follows the new primary has it; the old one, awake again, may not.
    wait_until(SOON, "a replica has it", || {
        writer.call(&["SET", "round", &number]);
        writer.call(&["WAIT", "1", "1000"]) != Value::Int(0)
    });
    if kind == "freeze" {
        old.thaw();
    }
    let primary = proxy.primary().expect("a primary");
    for client in clients.iter_mut() {
        wait_until(SOON, "everybody reads what is new", || {
            let (read, port) = read_there(client);
            let is_new = read == round + 1;
            assert_ne!(port, primary.port(), "{kind}: a primary serves reads");
            // The others have followed all the time and may be a little behind.
            assert!(
                is_new || port != old.port(),
                "{kind}: {read} was read at the old primary"
            );
            is_new
        });
    }
    if kind == "kill" {
        old.restart();
    }
    wait_until(SOON, "the old primary follows", || old.role() == "slave");
    bed.wait_whole();
    wait_healthy(proxy, 3);
    eprintln!("round {round}, {kind}: {}", told(proxy));
    let found = wait_even(clients, 3);
    eprintln!("round {round}, {kind}: {found:?}");
}

#[test]
fn failovers_neither_let_a_write_in_nor_leave_anybody_behind() {
    let bed = Bed::builder().replicas(3).start();
    let proxy = serving(reading(&bed), 3);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| connect(&proxy)).collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let pest = scope.spawn(|| pester(&proxy, &stop));
        let reader = scope.spawn(|| read_on(&proxy, &stop));
        let rounds = || {
            for round in 0..soak(20, 3) {
                one_round(&bed, &proxy, &mut clients, round);
            }
        };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(rounds));
        stop.store(true, Ordering::SeqCst);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
        assert!(pest.join().unwrap() > 0);
        assert!(reader.join().unwrap() > 0);
    });
    for index in 0..4 {
        let there = bed.server(index).command(&["EXISTS", "forbidden"]);
        assert_eq!(there, Value::Int(0));
    }
}

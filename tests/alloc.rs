//! Goal: passing commands on costs no heap memory, and large bodies travel in the few buffers they
//! are read to. Method: an allocator that counts, in one process with the whole data path (workers,
//! acceptor, a published primary), a real server behind it, and clients that allocate nothing.
//!
//! Discovery stays out: it talks to Sentinels every second and may allocate for that.
#![allow(
    clippy::unwrap_used,
    reason = "in a test an unwrap is an assertion, and this helper runs nowhere else"
)]

#[path = "it/bed/process.rs"]
#[allow(dead_code, reason = "shared with the tests that need more of it")]
mod process;
#[path = "alloc/rig.rs"]
mod rig;

use std::alloc::System;
use std::hint::black_box;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use steadfast::resp::{Commands, special};

use rig::{Client, Rig};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const POOLS: [&str; 2] = ["session", "shared"];
const CLIENTS: usize = 8;
/// What the runtimes may do now and then for reasons of their own, such as a timer's.
const ALLOCATIONS_MAX: usize = 50;
const BULK_LEN: usize = 8 * 1024 * 1024;
/// Buffers of 1 MiB that may be in use before one comes back, over all workers.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The allocator counts for the whole process, so only one test may run.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `work` cost, when done a second time: the first fills what is kept for good.
fn cost_of(mut work: impl FnMut()) -> Stats {
    work();
    let region = Region::new(ALLOCATOR);
    work();
    region.change()
}

/// Calls for memory, of any kind.
fn calls(stats: &Stats) -> usize {
    stats.allocations + stats.reallocations
}

/// Bytes asked for, whether given back since or not.
fn bytes(stats: &Stats) -> usize {
    stats.bytes_allocated + usize::try_from(stats.bytes_reallocated).unwrap_or(0)
}

fn set_of(value: &[u8]) -> Vec<u8> {
    let mut command = format!("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n${}\r\n", value.len()).into_bytes();
    command.extend_from_slice(value);
    command.extend_from_slice(b"\r\n");
    command
}

fn bulk_of(value: &[u8]) -> Vec<u8> {
    let mut reply = format!("${}\r\n", value.len()).into_bytes();
    reply.extend_from_slice(value);
    reply.extend_from_slice(b"\r\n");
    reply
}

const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
const OK: &[u8] = b"+OK\r\n";

/// Sends `request` on every connection, then reads every answer, `rounds` times.
fn exchange(clients: &mut [Client], rounds: usize, request: &[u8], answer: &[u8]) {
    for _ in 0..rounds {
        clients.iter_mut().for_each(|client| client.send(request));
        clients.iter_mut().for_each(|client| client.expect(answer));
    }
}

#[test]
fn commands_one_at_a_time_cost_no_allocation() {
    POOLS.into_iter().for_each(one_at_a_time);
}

fn one_at_a_time(pool: &str) {
    let _alone = alone();
    let rig = Rig::start(pool);
    let mut clients = rig.connect(CLIENTS);
    let value = [b'v'; 32];
    let (set, stored) = (set_of(&value), bulk_of(&value));
    // 20,000 commands each time.
    let cost = cost_of(|| {
        for _ in 0..20_000 / CLIENTS / 2 {
            exchange(&mut clients, 1, &set, OK);
            exchange(&mut clients, 1, GET, &stored);
        }
    });
    assert!(calls(&cost) < ALLOCATIONS_MAX, "{pool}: {cost:?}");
}

#[test]
fn pipelines_cost_no_allocation() {
    POOLS.into_iter().for_each(pipelines);
}

fn pipelines(pool: &str) {
    let _alone = alone();
    let rig = Rig::start(pool);
    let mut clients = rig.connect(CLIENTS);
    let value = [b'v'; 32];
    let request = [set_of(&value), GET.to_vec()].concat().repeat(8);
    let answer = [OK.to_vec(), bulk_of(&value)].concat().repeat(8);
    // 2,000 pipelines of 16 commands each time.
    let cost = cost_of(|| exchange(&mut clients, 2_000 / CLIENTS, &request, &answer));
    assert!(calls(&cost) < ALLOCATIONS_MAX, "{pool}: {cost:?}");
}

#[test]
fn looking_up_what_a_command_is_costs_no_allocation() {
    let _alone = alone();
    let mut commands = Commands::declaring(&["FT.SEARCH".to_owned()]);
    commands.hear(b"ttl", [&b"write"[..]], []);
    let xread = b"*4\r\n$5\r\nXREAD\r\n$7\r\nSTREAMS\r\n$1\r\ns\r\n$1\r\n0\r\n";
    let lines: [(&[u8], &[u8]); 5] = [
        (b"GET", GET),
        (b"TTL", b"*2\r\n$3\r\nTTL\r\n$1\r\nk\r\n"),
        (
            b"OBJECT",
            b"*3\r\n$6\r\nOBJECT\r\n$4\r\nFREQ\r\n$1\r\nk\r\n",
        ),
        (b"FT.SEARCH", b"*2\r\n$9\r\nFT.SEARCH\r\n$1\r\ni\r\n"),
        (b"XREAD", xread),
    ];
    let cost = cost_of(|| {
        for (name, frame) in lines {
            black_box(special(name));
            black_box(commands.class(frame));
            assert!(commands.shareable(name, frame));
        }
    });
    assert_eq!(calls(&cost), 0);
}

#[test]
fn large_bodies_travel_in_a_few_buffers() {
    POOLS.into_iter().for_each(large_bodies);
}

fn large_bodies(pool: &str) {
    let _alone = alone();
    let rig = Rig::start(pool);
    let mut clients = rig.connect(1);
    let value: Vec<_> = (0..251).cycle().take(BULK_LEN).collect();
    let (set, stored) = (set_of(&value), bulk_of(&value));
    // 1.6 GB each time.
    let cost = cost_of(|| {
        exchange(&mut clients, 100, &set, OK);
        exchange(&mut clients, 100, GET, &stored);
    });
    assert!(bytes(&cost) < BYTES_MAX, "{pool}: {cost:?}");
}

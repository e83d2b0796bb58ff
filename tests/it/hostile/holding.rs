//! Attacks by many clients that each get hold of something and keep it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::attacks::{Attack, Loot, TOLD, hello, leave};
use super::{Entrance, connect};
use crate::client::command;
use crate::rng::Rng;
use crate::soak::soak;

/// How often each asks for a megabyte: the server keeps all of it.
pub(super) const ASKED: usize = 12;
/// Clients that never read.
pub(super) const NEVER_READING: usize = 8;

/// Clients with half a command.
pub(super) fn half_open_clients() -> usize {
    soak(5000, 400)
}

/// Clients with half a handshake.
pub(super) fn stalled_clients() -> usize {
    soak(2000, 200)
}

/// Holds many connections on which a command was begun, and adds a byte here and there.
pub(super) fn slow_loris(attack: &Attack, at: Entrance, stop: &AtomicBool) -> Loot {
    let head = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$60000\r\n";
    let (small, large) = (
        head.to_vec(),
        [head.as_slice(), &vec![b'v'; 40_000]].concat(),
    );
    let mut held: Vec<_> = (0..half_open_clients())
        .filter_map(|index| {
            let mut stream = connect(at.plain)?;
            let bytes = if index % 5 == 0 { &large } else { &small };
            stream.write_all(bytes).ok()?;
            Some(stream)
        })
        .collect();
    attack.begin();
    let mut rng = Rng::new(7);
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..50 {
            let index = rng.below(held.len());
            let _ = held[index].write(b".");
        }
        thread::sleep(Duration::from_millis(100));
    }
    what_became_of(&mut held)
}

/// Holds many connections whose handshake does not go on.
pub(super) fn stalls(attack: &Attack, at: Entrance, stop: &AtomicBool) -> Loot {
    let mut rng = Rng::new(7);
    let mut held: Vec<_> = (0..stalled_clients())
        .filter_map(|_| {
            let mut stream = connect(at.secured)?;
            stream.write_all(hello(&mut rng).get(..200)?).ok()?;
            Some(stream)
        })
        .collect();
    attack.begin();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20));
    }
    what_became_of(&mut held)
}

/// Asks for much and takes nothing of it.
pub(super) fn never_reading(attack: &Attack, at: Entrance, stop: &AtomicBool) -> Loot {
    let questions = command(&["GET", "big"]).repeat(ASKED);
    let mut held: Vec<_> = (0..NEVER_READING)
        .filter_map(|_| {
            let mut stream = connect(at.plain)?;
            stream.write_all(&questions).ok()?;
            Some(stream)
        })
        .collect();
    attack.begin();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20));
    }
    what_became_of(&mut held)
}

fn what_became_of(held: &mut [TcpStream]) -> Loot {
    let mut loot = Loot::default();
    for stream in held {
        let _ = stream.set_nonblocking(true);
        let mut answer = [0; TOLD];
        loot.note(match stream.read(&mut answer) {
            Ok(0) => "closed",
            Ok(_) => "an answer, and is waited for",
            Err(error) if error.kind() == ErrorKind::WouldBlock => "is waited for",
            Err(_) => "reset",
        });
        leave(stream);
    }
    loot
}

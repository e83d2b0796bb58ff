//! Large things both ways: bodies about the size from which frames are streamed and far above it,
//! many arguments, many elements, long names.

use super::plan::{Plan, Who, encode};
use crate::rng::Rng;

/// The size from which frames are streamed, and how near to it the bodies are.
const BOUNDARY: usize = 64 * 1024;
const NEAR: usize = 40;
const MIB: usize = 1024 * 1024;

/// The stream of `seed`.
pub(super) fn generate(seed: u64) -> Plan {
    let mut rng = Rng::new(seed ^ 0x1A46E);
    let mut plan = Plan::default();
    let mut batch: Vec<Vec<u8>> = Vec::new();
    if rng.chance(50) {
        batch.push(encode(&["HELLO", "3"]));
    }
    for _ in 0..rng.within(5, 20) {
        commands(&mut rng, &mut batch);
        if rng.chance(30) {
            plan.write(Who::Subject, batch.concat(), batch.len(), &mut rng);
            batch.clear();
        }
    }
    plan.write(Who::Subject, batch.concat(), batch.len(), &mut rng);
    plan.quit(&mut rng);
    plan
}

fn body(rng: &mut Rng) -> Vec<u8> {
    let length = match rng.below(10) {
        0..6 => BOUNDARY - NEAR + rng.below(2 * NEAR),
        6 | 7 => rng.within(BOUNDARY, 4 * BOUNDARY),
        8 => MIB - NEAR + rng.below(2 * NEAR),
        _ => rng.within(MIB, 3 * MIB),
    };
    let (start, step) = (rng.byte(), rng.byte() | 1);
    (0..length)
        .map(|at| start.wrapping_add(step.wrapping_mul(at.to_le_bytes()[0])))
        .collect()
}

fn commands(rng: &mut Rng, batch: &mut Vec<Vec<u8>>) {
    let large = body(rng);
    let mut push = |args: &[&[u8]]| batch.push(encode(args));
    match rng.below(16) {
        0 => push(&[b"SET", b"d:a", &large]),
        1 => push(&[b"GET", b"d:a"]),
        2 => push(&[b"ECHO", &large]),
        3 => push(&[b"PING", &large]),
        4 => {
            let many: Vec<_> = (0..10_000).map(|n| n.to_string()).collect();
            let head = ["RPUSH", "d:list"].map(String::from);
            batch.push(encode(&[&head[..], &many].concat()));
            batch.push(encode(&["LRANGE", "d:list", "0", "-1"]));
            batch.push(encode(&["DEL", "d:list"]));
        }
        5 => push(&[
            b"EVAL",
            b"return {ARGV[1], {ARGV[1], #ARGV[1]}}",
            b"0",
            &large,
        ]),
        6 => {
            for args in [
                &[&b"MULTI"[..]][..],
                &[b"SET", b"d:a", &large],
                &[b"GET", b"d:a"],
                &[b"EXEC"],
            ] {
                batch.push(encode(args));
            }
        }
        7 => push(&[b"SET", &large, b"1"]),
        8 => push(&[b"MGET", b"d:a", &large, b"d:a"]),
        9 => push(&[&large, b"x"]),
        10 => push(&[b"CLIENT", b"SETNAME", &large]),
        11 => push(&[b"APPEND", b"d:b", &large]),
        12 => push(&[b"XADD", b"d:x", b"*", b"f"]),
        13 => {
            for command in [
                "CLIENT REPLY SKIP",
                "GET d:a",
                "CLIENT REPLY OFF",
                "GET d:a",
                "CLIENT REPLY ON",
            ] {
                batch.push(encode(&command.split(' ').collect::<Vec<_>>()));
            }
        }
        // A confirmation repeats the name, and has to be seen whole: the limit is 1 MiB.
        14 if large.len() < MIB - 100 => {
            push(&[b"SUBSCRIBE", &large, b"d:short", &large]);
            push(&[b"UNSUBSCRIBE", &large]);
            push(&[b"UNSUBSCRIBE"]);
        }
        _ => push(&[b"GETRANGE", b"d:a", b"0", b"65535"]),
    }
}

/// One value of `length` bytes, there and back.
pub(super) fn one_value(length: usize) -> Plan {
    let mut plan = Plan::default();
    let mut rng = Rng::new(4);
    let value = vec![b'v'; length];
    let commands = [
        &[&b"SET"[..], b"d:a", &value][..],
        &[b"GET", b"d:a"],
        &[b"STRLEN", b"d:a"],
        &[b"DEL", b"d:a"],
    ];
    let bytes = commands.map(encode).concat();
    plan.write(Who::Subject, bytes, commands.len(), &mut rng);
    plan.quit(&mut rng);
    plan
}

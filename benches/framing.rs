//! How fast frame boundaries are found, in bytes and frames per second, and what a command is, in
//! nanoseconds; no socket is involved.
//!
//! Inputs are what one read of a connection holds: up to 64 KiB.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "the harness makes an undocumented function, and bad input must end a measurement"
)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use steadfast::resp::{Commands, ReplyScanner, RequestScanner, Scanned, special};

const READ_LEN: usize = 64 * 1024;

/// As many whole copies of `frame` as one read holds, and how many.
fn fill(frame: &[u8]) -> (Vec<u8>, usize) {
    let count = READ_LEN / frame.len();
    (frame.repeat(count), count)
}

fn bulk(value: &[u8]) -> Vec<u8> {
    let mut frame = format!("${}\r\n", value.len()).into_bytes();
    frame.extend_from_slice(value);
    frame.extend_from_slice(b"\r\n");
    frame
}

fn command(args: &[&[u8]]) -> Vec<u8> {
    let mut frame = format!("*{}\r\n", args.len()).into_bytes();
    args.iter().for_each(|arg| frame.extend(bulk(arg)));
    frame
}

/// Scans all commands of `input` and looks their names up, as a session does.
fn scan_requests(scanner: &mut RequestScanner, input: &[u8]) -> usize {
    let mut rest = input;
    let mut commands = 0;
    while !rest.is_empty() {
        match scanner.scan(rest).unwrap() {
            Scanned::Command { len } | Scanned::Inline { len } | Scanned::Nothing { len } => {
                black_box(special(scanner.name()));
                rest = &rest[len..];
                commands += 1;
            }
            Scanned::More => break,
        }
    }
    commands
}

fn scan_replies(scanner: &mut ReplyScanner, input: &[u8]) -> usize {
    let mut rest = input;
    let mut replies = 0;
    while let Some(len) = scanner.scan(rest).unwrap() {
        rest = &rest[len..];
        replies += 1;
        if rest.is_empty() {
            break;
        }
    }
    replies
}

fn requests(c: &mut Criterion) {
    let hash: Vec<&[u8]> = std::iter::once(&b"HSET"[..])
        .chain(std::iter::repeat_n(&b"field"[..], 41))
        .collect();
    let inputs = [
        ("get", command(&[b"GET", b"key:000000000001"])),
        (
            "set_32",
            command(&[b"SET", b"key:000000000001", &[b'v'; 32]]),
        ),
        (
            "set_4096",
            command(&[b"SET", b"key:000000000001", &[b'v'; 4096]]),
        ),
        ("hset_20_fields", command(&hash)),
    ];
    let mut group = c.benchmark_group("request");
    for (name, frame) in inputs {
        let (input, count) = fill(&frame);
        let mut scanner = RequestScanner::new();
        assert_eq!(scan_requests(&mut scanner, &input), count);
        group.throughput(Throughput::ElementsAndBytes {
            elements: count as u64,
            bytes: input.len() as u64,
        });
        group.bench_with_input(BenchmarkId::from_parameter(name), &input, |b, input| {
            b.iter(|| scan_requests(&mut scanner, black_box(input)));
        });
    }
    group.finish();
}

fn replies(c: &mut Criterion) {
    let list = [b"*100\r\n".to_vec(), bulk(&[b'v'; 16]).repeat(100)].concat();
    let inputs = [
        ("ok", b"+OK\r\n".to_vec()),
        ("integer", b":1234567\r\n".to_vec()),
        ("bulk_32", bulk(&[b'v'; 32])),
        ("bulk_4096", bulk(&[b'v'; 4096])),
        ("array_of_100", list),
    ];
    let mut group = c.benchmark_group("reply");
    for (name, frame) in inputs {
        let (input, count) = fill(&frame);
        let mut scanner = ReplyScanner::new();
        assert_eq!(scan_replies(&mut scanner, &input), count);
        group.throughput(Throughput::ElementsAndBytes {
            elements: count as u64,
            bytes: input.len() as u64,
        });
        group.bench_with_input(BenchmarkId::from_parameter(name), &input, |b, input| {
            b.iter(|| scan_replies(&mut scanner, black_box(input)));
        });
    }
    group.finish();
}

/// What is asked of every command by its name, and of some by all of it.
fn lookups(c: &mut Criterion) {
    let inputs: [&[&[u8]]; 4] = [
        &[b"GET", b"key"],
        &[b"SELECT", b"1"],
        &[b"OBJECT", b"FREQ", b"key"],
        &[b"JSON.GET", b"key"],
    ];
    let commands = Commands::BUILT_IN;
    let mut group = c.benchmark_group("lookup");
    for words in inputs {
        let name = words[0];
        let frame = command(words);
        let label = String::from_utf8_lossy(name).to_ascii_lowercase();
        group.bench_function(BenchmarkId::new("special", &label), |b| {
            b.iter(|| special(black_box(name)));
        });
        group.bench_function(BenchmarkId::new("shareable", &label), |b| {
            b.iter(|| commands.shareable(black_box(name), black_box(&frame)));
        });
        group.bench_function(BenchmarkId::new("class", &label), |b| {
            b.iter(|| commands.class(black_box(&frame)));
        });
    }
    group.finish();
}

criterion_group!(benches, requests, replies, lookups);
criterion_main!(benches);

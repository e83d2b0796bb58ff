//! Streams of one client: 20 to 200 commands in pipelined batches, made of short stories.

use super::fill::fill;
use super::mask::marker;
use super::plan::{Plan, Who, encode, encode_inline};
use super::words;
use crate::rng::Rng;

/// Groups of commands that may stand anywhere, in a transaction too.
const DATA: &[&[&str]] = &[
    words::STRINGS,
    words::LISTS,
    words::HASHES,
    words::SETS,
    words::ZSETS,
    words::STREAMS,
    words::GENERIC,
];

/// A stream under construction.
struct Solo {
    rng: Rng,
    /// The stream's number, part of every key: a client of an earlier stream cannot interfere.
    tag: u64,
    batch: Vec<u8>,
    batched: usize,
    plan: Plan,
    /// Whether messages or lines may come: Redis 7.0 puts those that an EXEC causes for its own
    /// client in the middle of EXEC's reply, where no client can tell them from its elements.
    listening: bool,
}

/// The stream of `seed`.
pub(super) fn generate(seed: u64) -> Plan {
    let mut solo = Solo {
        rng: Rng::new(seed),
        tag: seed,
        batch: Vec::new(),
        batched: 0,
        plan: Plan::default(),
        listening: false,
    };
    let commands = solo.rng.within(20, 200);
    if solo.rng.chance(50) {
        solo.command("HELLO 3");
    }
    while solo.plan.commands + solo.batched < commands {
        solo.story();
        if solo.rng.chance(12) {
            solo.end_batch();
        }
    }
    // With its replies off a server forgets to close after QUIT (`ends::MUTED`).
    solo.command("RESET");
    solo.end_batch();
    solo.plan.quit(&mut solo.rng);
    solo.plan
}

impl Solo {
    fn story(&mut self) {
        match self.rng.below(100) {
            0..56 => self.data(),
            56..62 => self.script(),
            62..67 => self.from(words::CONNECTION),
            67..70 => self.from(words::PROTOCOL),
            70..74 => self.from(words::BLOCKING),
            74..83 => self.transaction(),
            83..88 => self.pubsub(),
            88..92 => self.reply_mode(),
            92..94 => self.version(),
            94..96 => self.tracking(),
            96 => self.monitor(),
            97 => self.nothing(),
            _ => self.command("RESET"),
        }
    }

    fn data(&mut self) {
        let group = self.rng.pick(DATA);
        self.from(group);
    }

    fn from(&mut self, words: &[&str]) {
        let template = self.rng.pick(words);
        self.command(template);
    }

    fn script(&mut self) {
        let body = self.rng.pick(words::SCRIPTS);
        let (key, value) = (
            fill("$k", self.tag, &mut self.rng),
            fill("$v", self.tag, &mut self.rng),
        );
        let sha = &b"0123456789012345678901234567890123456789"[..];
        match self.rng.below(10) {
            0 => self.send(&[b"EVALSHA", sha, b"0"]),
            1 => self.send(&[b"SCRIPT", b"LOAD", body.as_bytes()]),
            2 => self.send(&[b"SCRIPT", b"EXISTS", sha]),
            3 => self.send(&[b"EVAL_RO", body.as_bytes(), b"1", &key, &value]),
            4 => {
                let library = "#!lua name=lib\nredis.register_function('f', function(k, a) return {k, a} end)";
                self.send(&[b"FUNCTION", b"LOAD", b"REPLACE", library.as_bytes()]);
                self.send(&[b"FCALL", b"f", b"1", &key, &value]);
                self.send(&[b"FUNCTION", b"LIST"]);
            }
            _ => self.send(&[b"EVAL", body.as_bytes(), b"1", &key, &value]),
        }
    }

    fn transaction(&mut self) {
        if self.listening {
            return self.data();
        }
        if self.rng.chance(30) {
            self.command("WATCH $k $k");
        }
        if self.rng.chance(20) {
            self.data();
        }
        self.command("MULTI");
        for _ in 0..self.rng.below(8) {
            match self.rng.below(20) {
                0 => self.command("WATCH $k"),
                1 => self.command("MULTI"),
                2 => self.from(words::BLOCKING),
                3 => self.script(),
                4 => self.command("SELECT 1"),
                5 => self.from(&["HELLO 3", "HELLO 2", "HELLO 3 SETNAME two", "HELLO 9"]),
                6 => self.from(&[
                    "CLIENT SETNAME three",
                    "!id CLIENT ID",
                    "PUBLISH d:one $v",
                    "CLIENT GETNAME",
                ]),
                _ => self.data(),
            }
        }
        self.from(&["EXEC", "EXEC", "EXEC", "EXEC", "DISCARD", "RESET", "EXEC x"]);
        self.command("DISCARD");
    }

    fn pubsub(&mut self) {
        self.listening = true;
        for _ in 0..self.rng.within(1, 6) {
            self.from(&[
                "SUBSCRIBE $c",
                "SUBSCRIBE $c $c $c",
                "PSUBSCRIBE d:$c* $c",
                "SSUBSCRIBE $c $c",
                "PUBLISH $c $v",
                "SPUBLISH $c $v",
                "PING",
                "PING $v",
                "UNSUBSCRIBE $c $c",
                "UNSUBSCRIBE",
                "PUNSUBSCRIBE $c",
                "SUNSUBSCRIBE",
                "SUNSUBSCRIBE $c",
                "GET $k",
                "PUBSUB NUMSUB $c $c",
                "PUBSUB SHARDNUMSUB $c",
                "PSUBSCRIBE __keyspace@0__:d:*",
                "SUBSCRIBE __keyevent@0__:set",
                "SET $s $v",
                "DEL $k",
                "EXEC",
            ]);
        }
        if self.rng.chance(85) {
            self.command("UNSUBSCRIBE");
            self.command("PUNSUBSCRIBE");
            self.command("SUNSUBSCRIBE");
            self.listening = false;
        }
    }

    fn reply_mode(&mut self) {
        let unmasked = &[
            "SET $s $v",
            "GET $s",
            "PING",
            "NOTHING",
            "RPUSH $l $v",
            "EXEC",
            "SELECT 0",
            "CLIENT REPLY SKIP",
        ];
        if self.rng.chance(50) {
            self.command("CLIENT REPLY SKIP");
            return self.from(&[
                "SET $s $v",
                "GET $s",
                "PING",
                "NOTHING",
                "BLPOP $l 0.01",
                "CLIENT REPLY ON",
                "EXEC",
            ]);
        }
        self.command("CLIENT REPLY OFF");
        for _ in 0..self.rng.below(6) {
            match self.rng.below(5) {
                0 => self.pubsub(),
                1 => self.transaction(),
                _ => self.from(unmasked),
            }
        }
        let way_back = if self.rng.chance(90) {
            "CLIENT REPLY ON"
        } else {
            "RESET"
        };
        self.command(way_back);
    }

    fn version(&mut self) {
        self.from(&[
            "HELLO 2",
            "HELLO 3",
            "HELLO 3 SETNAME four",
            "HELLO 3 AUTH default x",
            "HELLO",
        ]);
    }

    fn tracking(&mut self) {
        for _ in 0..self.rng.within(1, 5) {
            self.from(&[
                "CLIENT TRACKING on",
                "CLIENT TRACKING on OPTIN",
                "CLIENT TRACKING on OPTOUT",
                "CLIENT TRACKING off",
                "CLIENT TRACKING on NOLOOP",
                "CLIENT CACHING yes",
                "CLIENT CACHING no",
                "CLIENT TRACKINGINFO",
                "GET $s",
                "MGET $s $s",
                "SET $s $v",
                "HGET $h $m",
                "DEL $k $k",
                "FLUSHDB",
                "CLIENT TRACKING on REDIRECT 999999",
                "CLIENT TRACKING on PREFIX a",
            ]);
        }
    }

    fn monitor(&mut self) {
        self.command("MONITOR");
        self.listening = true;
        for _ in 0..self.rng.below(6) {
            self.story();
        }
        self.command("RESET");
    }

    /// What no server answers.
    fn nothing(&mut self) {
        let bytes = self.rng.pick(&["\r\n", "\n", "*0\r\n", "   \r\n", "\t\n"]);
        self.batch.extend_from_slice(bytes.as_bytes());
    }

    /// The command of a template.
    fn command(&mut self, template: &str) {
        let mut words = template.split(' ').peekable();
        if let Some(mask) = words.next_if(|word| word.starts_with('!')) {
            self.send(&[b"ECHO", marker(&mask[1..]).as_bytes()]);
        }
        let args = words
            .map(|word| fill(word, self.tag, &mut self.rng))
            .collect();
        self.send_owned(args);
        self.listening &= template != "RESET";
    }

    fn send(&mut self, args: &[&[u8]]) {
        self.send_owned(args.iter().map(|arg| arg.to_vec()).collect());
    }

    fn send_owned(&mut self, mut args: Vec<Vec<u8>>) {
        if self.rng.chance(20) {
            args[0].make_ascii_lowercase();
        }
        let small = args.iter().map(Vec::len).sum::<usize>() < 4000;
        let bytes = match small && !args[0].is_empty() && self.rng.chance(8) {
            true => encode_inline(&args, &mut self.rng),
            false => encode(&args),
        };
        self.batch.extend_from_slice(&bytes);
        self.batched += 1;
    }

    fn end_batch(&mut self) {
        let (bytes, count) = (
            std::mem::take(&mut self.batch),
            std::mem::take(&mut self.batched),
        );
        self.plan.write(Who::Subject, bytes, count, &mut self.rng);
    }
}

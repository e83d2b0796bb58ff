//! What no server says of its commands, written by hand: each with its reason.
//!
//! Names are as in `data`, a subcommand's after its command's and a bar; a star stands for any
//! beginning or end. Of two notes about the same thing the later one counts. Without a note a
//! command that every server flags `readonly` is a read and all else has an effect; and it may
//! travel on a shared link unless a flag or a category says that it waits, administers, belongs to
//! a module, a transaction, a channel or its connection, or is meant to overtake a running script.
//!
//! No note was needed for these, though one might expect it: scripts and functions run on a client
//! of their own inside the server, so whatever they call, the caller's database, user, name, version
//! and subscriptions stay (a test tries); SORT and GEORADIUS with STORE, SET with GET, MOVE, COPY
//! and SWAPDB change data, not connections: a link goes on with the database of its number.

use Class::{
    Blocking, Connection, Discard, Effect, Exec, Multi, Node, Publish, Read, Script, Subscription,
    Unknown, Unwatch, Wait, Watch,
};

use super::super::commands::{Channels, Iteration, Special};
use super::Class;
use super::said::Limits;
use super::table::Shape;

/// One fact about some commands.
pub(super) struct Note {
    pub(super) names: &'static [&'static str],
    pub(super) says: Says,
}

/// What a note is about.
#[derive(Clone, Copy)]
pub(super) enum Says {
    /// What it does, as far as recovery is concerned.
    Is(Class),
    /// What a session has to do about it.
    Has(Special),
    /// Which of its arguments decides.
    Depends(Shape),
    /// It may be shared in spite of this.
    Forgive(Limits),
    /// It may never be shared.
    Apart,
}

use Says::{Apart, Depends, Forgive, Has, Is};

const fn note(says: Says, names: &'static [&'static str], why: &str) -> Note {
    assert!(!why.is_empty() && !names.is_empty());
    Note { names, says }
}

/// The notes.
#[rustfmt::skip] // One note is one paragraph.
pub(super) const NOTES: &[Note] = &[
    // What they do.
    note(Is(Read), &["*|HELP", "ACL|CAT", "ACL|GETUSER", "ACL|LIST", "ACL|USERS", "ACL|WHOAMI",
            "COMMAND", "COMMAND|*", "COMMANDLOG|GET", "COMMANDLOG|LEN", "CONFIG|GET", "ECHO",
            "FUNCTION|DUMP", "FUNCTION|LIST", "FUNCTION|STATS", "INFO", "LASTSAVE",
            "LATENCY|HISTORY", "LATENCY|LATEST", "MEMORY|DOCTOR", "MEMORY|MALLOC-STATS",
            "MEMORY|STATS", "MODULE|LIST", "PING", "PUBSUB|*", "ROLE", "SCRIPT|EXISTS",
            "SLOWLOG|GET", "SLOWLOG|LEN", "TIME"],
        "reads the server, not a key, and is flagged neither readonly nor write for that"),
    note(Is(Connection), &["ASKING", "AUTH", "CLIENT|*", "HELLO", "MONITOR", "QUIT", "READONLY",
            "READWRITE", "RESET", "SELECT"],
        "no flag tells what only sets or shows something of the connection"),
    note(Is(Effect), &["CLIENT|KILL", "CLIENT|PAUSE", "CLIENT|UNBLOCK", "CLIENT|UNPAUSE"],
        "acts on other connections"),
    note(Is(Subscription), &["PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUBSCRIBE",
            "SUNSUBSCRIBE", "UNSUBSCRIBE"],
        "the flag pubsub is also that of what publishes or asks"),
    note(Is(Publish), &["PUBLISH", "SPUBLISH"],
        "the flag may_replicate is hidden by most servers"),
    note(Is(Multi), &["MULTI"], "begins a transaction"),
    note(Is(Exec), &["EXEC"], "ends it, having done anything"),
    note(Is(Discard), &["DISCARD"], "ends it, having done nothing"),
    note(Is(Watch), &["WATCH"], "what it watches is lost with the connection"),
    note(Is(Unwatch), &["UNWATCH"], "is done when the connection is lost"),
    note(Is(Blocking), &["BLMOVE", "BLMPOP", "BLPOP", "BRPOP", "BRPOPLPUSH", "BZMPOP", "BZPOPMAX",
            "BZPOPMIN"],
        "the flag blocking does not tell what takes from what only waits"),
    note(Is(Wait), &["WAIT", "WAITAOF"], "waits for what its own connection wrote"),
    note(Is(Script), &["EVAL", "EVALSHA", "FCALL"],
        "carries no write flag, whatever the script does"),
    note(Is(Node), &["DEBUG", "FAILOVER", "REPLICAOF", "SHUTDOWN", "SLAVEOF"],
        "meant for the node that it was sent to, and for no other"),
    note(Is(Unknown), &["CLUSTER", "CLUSTER|*"],
        "out of scope, and CLUSTER SETSLOT reports NOREPLICAS after it has acted"),
    note(Is(Unknown), &["HOST:", "POST"],
        "no commands: Redis 6.2 closes the connection of a browser that was tricked into it"),
    // Which argument decides.
    note(Depends(Shape::Cursor { at: 1 }), &["SCAN", "CLUSTERSCAN"],
        "only the server that gave a cursor understands it"),
    note(Depends(Shape::Cursor { at: 2 }), &["HSCAN", "SSCAN", "ZSCAN"],
        "the same, after the key"),
    note(Depends(Shape::Xread), &["XREAD"], "waits only with BLOCK"),
    note(Depends(Shape::XreadGroup), &["XREADGROUP"], "waits only with BLOCK and for new entries"),
    // What a session has to do about them.
    note(Has(Special::Auth), &["AUTH"], "changes the user"),
    note(Has(Special::Hello), &["HELLO"], "may change version, user and name"),
    note(Has(Special::Client), &["CLIENT"], "its subcommands read or change the connection"),
    note(Has(Special::Quit), &["QUIT"], "ends the connection"),
    note(Has(Special::Reset), &["RESET"], "takes the connection back to its beginning"),
    note(Has(Special::Monitor), &["MONITOR"], "its reply never ends"),
    note(Has(Special::Setting), &["READONLY", "READWRITE", "SELECT"], "sets something that stays"),
    note(Has(Special::Subscribe { kind: Channels::Channel }), &["SUBSCRIBE"], "stays subscribed"),
    note(Has(Special::Subscribe { kind: Channels::Pattern }), &["PSUBSCRIBE"], "the same"),
    note(Has(Special::Subscribe { kind: Channels::Shard }), &["SSUBSCRIBE"], "the same"),
    note(Has(Special::Unsubscribe { kind: Channels::Channel }), &["UNSUBSCRIBE"], "ends that"),
    note(Has(Special::Unsubscribe { kind: Channels::Pattern }), &["PUNSUBSCRIBE"], "the same"),
    note(Has(Special::Unsubscribe { kind: Channels::Shard }), &["SUNSUBSCRIBE"], "the same"),
    note(Has(Special::Watch), &["WATCH"], "stays until EXEC"),
    note(Has(Special::Unwatch), &["UNWATCH"], "ends that"),
    note(Has(Special::Multi), &["MULTI"], "what follows is queued"),
    note(Has(Special::Exec), &["EXEC"], "ends that"),
    note(Has(Special::Discard), &["DISCARD"], "the same"),
    note(Has(Special::Blocking), &["BLMOVE", "BLMPOP", "BLPOP", "BRPOP", "BRPOPLPUSH", "BZMPOP",
            "BZPOPMAX", "BZPOPMIN", "WAIT", "WAITAOF", "XREAD", "XREADGROUP"],
        "may wait before it answers; Redis 6.2 does not flag all of them"),
    note(Has(Special::Script), &["EVAL", "EVALSHA", "EVALSHA_RO", "EVAL_RO", "SCRIPT"],
        "a script cache is not replicated"),
    note(Has(Special::Scan { kind: Iteration::Keys }), &["SCAN"], "goes on with a cursor"),
    note(Has(Special::Scan { kind: Iteration::Hash }), &["HSCAN"], "the same"),
    note(Has(Special::Scan { kind: Iteration::Set }), &["SSCAN"], "the same"),
    note(Has(Special::Scan { kind: Iteration::SortedSet }), &["ZSCAN"], "the same"),
    note(Has(Special::Unheld), &["DEBUG", "FAILOVER", "REPLICAOF", "SHUTDOWN", "SLAVEOF"],
        "must not reach another node than it was meant for"),
    note(Has(Special::Refused), &["PSYNC", "REPLCONF", "SYNC"], "would make it a replica's link"),
    note(Has(Special::Http), &["HOST:", "POST"], "closes the connection, as the servers do"),
    // Whether it may travel with those of others.
    note(Forgive(Limits::CONNECTION), &["COMMAND", "COMMAND|*", "ECHO", "PING"],
        "of that category, and asks nothing of its connection"),
    note(Forgive(Limits::PUBSUB), &["PUBLISH", "PUBSUB|*", "SPUBLISH"],
        "of that category, and subscribes to nothing"),
    note(Forgive(Limits::BLOCKING), &["XREAD", "XREADGROUP"],
        "shared only where the arguments prove that it does not wait"),
    note(Apart, &["SCRIPT|DEBUG"], "sets the debugger of the connection, which no flag tells"),
    note(Apart, &["FUNCTION|KILL", "FUNCTION|STATS", "SCRIPT|KILL"],
        "meant to overtake a running script; only Redis 7.0 and later flag that"),
    note(Apart, &["MIGRATE"], "waits for another server, which no flag tells"),
    note(Apart, &["CLUSTER", "CLUSTER|*", "CLUSTERSCAN", "HOST:", "POST"],
        "out of scope, or closes the connection"),
];

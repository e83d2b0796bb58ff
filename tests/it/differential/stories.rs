//! Short streams that once read differently, or that chance would rarely write.
//!
//! Words are separated by spaces; `=text` waits for that text.

/// What the stream is about, and its commands.
pub(super) const STORIES: &[(&str, &[&str])] = &[
    (
        "a second MONITOR has no reply",
        &[
            "MONITOR",
            "MONITOR",
            "GET d:a",
            "MONITOR",
            "CLIENT REPLY SKIP",
            "PING",
            "MULTI",
            "MONITOR",
            "EXEC",
            "ECHO x",
        ],
    ),
    (
        "a monitor whose replies are off gets no lines",
        &[
            "MONITOR",
            "GET d:a",
            "CLIENT REPLY OFF",
            "GET d:b",
            "PING",
            "CLIENT REPLY ON",
            "GET d:c",
            "RESET",
            "GET d:e",
        ],
    ),
    (
        "a status reply is no line of MONITOR because it starts with a digit",
        &[
            "MONITOR",
            "SCRIPT LOAD return{ok='12'}",
            "EVAL return{ok='12'} 0",
            "EVAL return{ok='1.5'} 0",
            "ECHO x",
        ],
    ),
    (
        "EXEC may change the RESP version",
        &[
            "HELLO 3 SETNAME a",
            "MULTI",
            "CLIENT SETNAME b",
            "EXEC",
            "MULTI",
            "HELLO 2 SETNAME c",
            "EXEC",
            "PSUBSCRIBE d:1 d:2",
            "PING x",
            "PUNSUBSCRIBE",
            "CLIENT GETNAME",
        ],
    ),
    (
        "EXEC may change the RESP version although WATCH was refused inside MULTI",
        &[
            "HELLO 3 SETNAME a",
            "MULTI",
            "WATCH d:a",
            "HELLO 2 SETNAME c",
            "EXEC",
            "PSUBSCRIBE d:1 d:2",
            "PING x",
            "PUNSUBSCRIBE",
            "CLIENT GETNAME",
        ],
    ),
    (
        "MULTI is no transaction for a RESP2 subscriber",
        &[
            "SUBSCRIBE d:1",
            "PING",
            "=pong",
            "MULTI",
            "SUBSCRIBE d:2",
            "UNSUBSCRIBE d:2 d:1",
            "SET d:a 1",
        ],
    ),
];

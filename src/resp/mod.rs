//! RESP framing: bytes in, boundaries out. Knows no socket, clock or log.

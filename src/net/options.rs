//! What is set on every socket.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// Idle time before the kernel probes a connection, and the gap between probes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// No Nagle delay, and keepalive, for either side of the proxy.
///
/// No bound on unacknowledged bytes here: the kernel (Linux since 5.11) counts against it the time
/// a client that is alive does not read, and would cut one that pauses over a large reply.
///
/// # Errors
/// When the socket is already gone.
pub fn set_options(stream: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)
}

/// Whether a socket came with them, as one that a listener which has them accepted does on most systems.
/// They are set together, so that one tells of all.
///
/// # Errors
/// When the socket is already gone.
pub fn has_options(stream: &impl AsFd) -> io::Result<bool> {
    SockRef::from(stream).tcp_nodelay()
}

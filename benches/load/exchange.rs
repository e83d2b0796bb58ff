//! One request and its reply, whose length is learned once: later replies are only counted in bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Whoever does not answer within this long ends the measurement.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(20);
const READ_LEN: usize = 16 * 1024;

/// What is sent, and how many bytes come back for it.
#[derive(Clone)]
pub(crate) struct Exchange {
    /// The request.
    pub(crate) request: Vec<u8>,
    /// The length of its reply.
    pub(crate) reply_len: usize,
}

/// A command as clients send it.
pub(crate) fn command(args: &[&str]) -> Vec<u8> {
    let head = format!("*{}\r\n", args.len());
    args.iter().fold(head.into_bytes(), |mut frame, arg| {
        frame.extend(format!("${}\r\n{arg}\r\n", arg.len()).into_bytes());
        frame
    })
}

/// Connects `count` clients, each of which asks once, so that the other side is connected too.
pub(crate) fn connect(
    addr: SocketAddr,
    count: usize,
    request: Vec<u8>,
) -> io::Result<(Vec<TcpStream>, Exchange)> {
    let mut streams = Vec::with_capacity(count);
    let mut reply_len = 0;
    for _ in 0..count {
        let mut stream = open(addr)?;
        reply_len = ask(&mut stream, &request)?;
        streams.push(stream);
    }
    Ok((streams, Exchange { request, reply_len }))
}

/// A blocking connection.
pub(crate) fn open(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&addr, ANSWER_LIMIT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    Ok(stream)
}

/// Sends a request on a blocking connection and returns the length of its reply.
pub(crate) fn ask(stream: &mut TcpStream, request: &[u8]) -> io::Result<usize> {
    stream.write_all(request)?;
    let mut reply = Vec::new();
    let mut chunk = [0; READ_LEN];
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err(closed());
        }
        reply.extend_from_slice(chunk.get(..read).unwrap_or_default());
        refuse_error(&reply)?;
        match whole_len(&reply) {
            Some(len) if reply.len() >= len => return Ok(len),
            _ => {}
        }
    }
}

pub(crate) fn closed() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the connection was closed")
}

/// The length of a simple or bulk reply, once its first line is there.
fn whole_len(reply: &[u8]) -> Option<usize> {
    let line_len = reply.windows(2).position(|end| end == b"\r\n")? + 2;
    let line = std::str::from_utf8(reply.get(..line_len)?).ok()?.trim_end();
    match line.strip_prefix('$').map(str::parse::<usize>) {
        Some(Ok(body)) => Some(line_len + body + 2),
        _ => Some(line_len),
    }
}

/// Fails when what has been read so far is an error reply.
pub(crate) fn refuse_error(reply: &[u8]) -> io::Result<()> {
    match reply.first() {
        Some(b'-') => Err(io::Error::other(
            String::from_utf8_lossy(reply).trim_end().to_owned(),
        )),
        _ => Ok(()),
    }
}

/// For a runtime.
pub(crate) fn into_async(stream: TcpStream) -> io::Result<tokio::net::TcpStream> {
    stream.set_nonblocking(true)?;
    tokio::net::TcpStream::from_std(stream)
}

/// Asks, and reads the whole reply.
pub(crate) async fn round_trip(
    stream: &mut tokio::net::TcpStream,
    exchange: &Exchange,
) -> io::Result<()> {
    stream.write_all(&exchange.request).await?;
    let mut chunk = [0; READ_LEN];
    let mut missing = exchange.reply_len;
    while missing > 0 {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Err(closed());
        }
        refuse_error(chunk.get(..read).unwrap_or_default())?;
        missing = missing.saturating_sub(read);
    }
    Ok(())
}

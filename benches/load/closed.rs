//! Clients that each wait for the answer before they ask again.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::exchange::{ANSWER_LIMIT, Exchange, into_async, round_trip};

/// Runs for `time` and returns the result with the connections, which stay open as long as they are
/// kept.
pub(crate) async fn run(
    streams: Vec<TcpStream>,
    exchange: Exchange,
    time: Duration,
) -> io::Result<(String, Vec<tokio::net::TcpStream>)> {
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for stream in streams {
        clients.spawn(client(stream, exchange.clone(), start + time));
    }
    let mut done = 0;
    let mut kept = Vec::new();
    while let Some(client) = clients.join_next().await {
        let (count, stream) = client.map_err(io::Error::other)??;
        done += count;
        kept.push(stream);
    }
    let seconds = start.elapsed().as_secs_f64();
    let told = format!("{{\"requests\":{done},\"seconds\":{seconds:.6}}}");
    Ok((told, kept))
}

async fn client(
    stream: TcpStream,
    exchange: Exchange,
    until: Instant,
) -> io::Result<(u64, tokio::net::TcpStream)> {
    let mut stream = into_async(stream)?;
    let mut done = 0;
    while Instant::now() < until {
        timeout(ANSWER_LIMIT, round_trip(&mut stream, &exchange)).await??;
        done += 1;
    }
    Ok((done, stream))
}

//! Connections that live for one request each, as those of PHP do without persistent ones.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::exchange::{ANSWER_LIMIT, Exchange, ask, command, open, round_trip};

/// What one connection asks, each request after the answer to the one before.
#[derive(Clone)]
pub(crate) struct Visit(Vec<Exchange>);

impl Visit {
    /// AUTH where there is a login (`USER:PASSWORD`), SELECT, and `get`, all of which must succeed once.
    pub(crate) fn learn(addr: SocketAddr, login: Option<&str>, get: Vec<u8>) -> io::Result<Self> {
        let login = login.and_then(|login| login.split_once(':'));
        let auth = login.map(|(user, password)| ("AUTH", command(&["AUTH", user, password])));
        let mut stream = open(addr)?;
        let requests = [("SELECT", command(&["SELECT", "0"])), ("GET", get)];
        let learned = auth.into_iter().chain(requests).map(|(name, request)| {
            let refused = |error| io::Error::other(format!("{name} is refused: {error}"));
            let reply_len = ask(&mut stream, &request).map_err(refused)?;
            Ok(Exchange { request, reply_len })
        });
        learned.collect::<io::Result<_>>().map(Self)
    }

    async fn pay(&self, addr: SocketAddr) -> io::Result<()> {
        let mut stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        for exchange in &self.0 {
            round_trip(&mut stream, exchange).await?;
        }
        Ok(())
    }
}

/// `clients` at a time, one visit after the other, for `time`.
pub(crate) async fn run(
    addr: SocketAddr,
    visit: Visit,
    clients: usize,
    time: Duration,
) -> io::Result<String> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        tasks.spawn(visit_until(addr, visit.clone(), start + time));
    }
    let mut done = 0;
    while let Some(task) = tasks.join_next().await {
        done += task.map_err(io::Error::other)??;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!("{{\"requests\":{done},\"seconds\":{seconds:.6}}}"))
}

async fn visit_until(addr: SocketAddr, visit: Visit, until: Instant) -> io::Result<u64> {
    let mut done = 0;
    while Instant::now() < until {
        timeout(ANSWER_LIMIT, visit.pay(addr)).await??;
        done += 1;
    }
    Ok(done)
}

//! Open loop: requests leave at fixed moments whatever has been answered, and latency counts from the
//! moment a request was meant to leave. A stall thus shows in every request that fell into it, where
//! a client that waits for its answer would just have asked less.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::exchange::{ANSWER_LIMIT, Exchange, closed, into_async, refuse_error};

/// From the start of the senders to the first request.
const LEAD: Duration = Duration::from_millis(20);
/// The first part, in which everything warms up, does not count.
const WARM_PERMILLE: usize = 200;
const READ_LEN: usize = 16 * 1024;

/// When each request is meant to leave; request `n` goes to client `n % clients`.
#[derive(Clone, Copy)]
struct Plan {
    start: Instant,
    interval: Duration,
    clients: usize,
    total: usize,
}

impl Plan {
    fn moment(&self, request: usize) -> Instant {
        self.start + self.interval * u32::try_from(request).unwrap_or(u32::MAX)
    }

    /// The requests of one client, in the order of their replies.
    fn of_client(self, client: usize) -> impl Iterator<Item = usize> {
        (client..self.total).step_by(self.clients)
    }

    fn counts(&self, request: usize) -> bool {
        request >= self.total * WARM_PERMILLE / 1000
    }
}

/// Sends `rate` requests per second for `time` and tells the latencies.
pub(crate) async fn run(
    streams: Vec<TcpStream>,
    exchange: Exchange,
    rate: u32,
    time: Duration,
) -> io::Result<String> {
    let interval = Duration::from_secs(1) / rate.max(1);
    let plan = Plan {
        start: Instant::now() + LEAD,
        interval,
        clients: streams.len(),
        total: whole_number(time.as_nanos() / interval.as_nanos().max(1)),
    };
    let writers = streams.iter().map(TcpStream::try_clone);
    let writers = writers.collect::<io::Result<Vec<_>>>()?;
    let mut readers = JoinSet::new();
    for (client, stream) in streams.into_iter().enumerate() {
        let stream = into_async(stream)?;
        readers.spawn(receive(stream, exchange.reply_len, plan, client));
    }
    let sender = thread::spawn(move || send(&writers, &exchange.request, plan));
    let mut latencies = Vec::with_capacity(plan.total);
    while let Some(reader) = readers.join_next().await {
        latencies.extend(reader.map_err(io::Error::other)??);
    }
    let late = sender
        .join()
        .map_err(|_| io::Error::other("the sender died"))??;
    Ok(tell(latencies, late))
}

/// Sends at the moments planned and returns by how much each was missed. Blocking, in a thread of its
/// own: the timer of the runtime knows only whole milliseconds.
fn send(writers: &[TcpStream], request: &[u8], plan: Plan) -> io::Result<Vec<Duration>> {
    let mut late = Vec::with_capacity(plan.total);
    for (number, mut writer) in (0..plan.total).zip(writers.iter().cycle()) {
        let moment = plan.moment(number);
        thread::sleep(moment.saturating_duration_since(Instant::now()));
        if plan.counts(number) {
            late.push(moment.elapsed());
        }
        let mut rest = request;
        while !rest.is_empty() {
            match writer.write(rest) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                // So many requests lie unread that the socket is full.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(late)
}

async fn receive(
    mut stream: tokio::net::TcpStream,
    reply_len: usize,
    plan: Plan,
    client: usize,
) -> io::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let mut chunk = [0; READ_LEN];
    let mut pending = 0;
    let mut requests = plan.of_client(client).peekable();
    while requests.peek().is_some() {
        let read = timeout(ANSWER_LIMIT, stream.read(&mut chunk)).await??;
        if read == 0 {
            return Err(closed());
        }
        if pending == 0 {
            refuse_error(chunk.get(..read).unwrap_or_default())?;
        }
        pending += read;
        let arrived = Instant::now();
        for request in requests.by_ref().take(pending / reply_len) {
            if plan.counts(request) {
                latencies.push(arrived.saturating_duration_since(plan.moment(request)));
            }
        }
        pending %= reply_len;
    }
    Ok(latencies)
}

fn whole_number(count: u128) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn tell(mut latencies: Vec<Duration>, mut late: Vec<Duration>) -> String {
    latencies.sort_unstable();
    late.sort_unstable();
    let at = |all: &[Duration], permille: usize| {
        let found = all.get(all.len() * permille / 1000).or_else(|| all.last());
        found.map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    format!(
        "{{\"requests\":{},\"p50_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.1},\"late_p99_us\":{:.1}}}",
        latencies.len(),
        at(&latencies, 500),
        at(&latencies, 990),
        at(&latencies, 999),
        at(&late, 990),
    )
}

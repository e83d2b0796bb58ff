//! Stand-ins for what a real server cannot be made to do: lie, fall silent, cut a reply in two.
//!
//! Each listens on its own loopback port, serves every connection on a thread, and stops when
//! dropped.

mod cutter;
mod flaky;
mod sentinel;
mod server;
mod tls;

pub(crate) use cutter::{Cut, Cutter};
pub(crate) use flaky::{FlakyProxy, Mode};
pub(crate) use sentinel::{FakeSentinel, Manner};
pub(crate) use server::{FakeServer, Reaction};
pub(crate) use tls::FakeTls;

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::value::Value;

/// How often a quiet thread looks whether it should end.
const TICK: Duration = Duration::from_millis(20);

/// A listener whose connections are served by threads until it is dropped.
struct Acceptor {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Acceptor {
    fn start(serve: impl Fn(TcpStream, &AtomicBool) + Send + Sync + 'static) -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST, 0, serve)
    }

    fn start_on(
        ip: Ipv4Addr,
        port: u16,
        serve: impl Fn(TcpStream, &AtomicBool) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, port)).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let serve = Arc::new(serve);
        let thread = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (serve, stopped) = (serve.clone(), stopped.clone());
                thread::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    let _ = stream.set_read_timeout(Some(TICK));
                    serve(stream, &stopped);
                });
            }
        });
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The acceptor waits for a connection, so give it one.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a read gave.
enum Got {
    Bytes(usize),
    Nothing,
    End,
}

fn read(stream: &mut TcpStream, scratch: &mut [u8]) -> Got {
    match stream.read(scratch) {
        Ok(0) => Got::End,
        Ok(n) => Got::Bytes(n),
        Err(error) => match error.kind() {
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => Got::Nothing,
            _ => Got::End,
        },
    }
}

/// Calls `each` with every command that arrives, its words as text, until it returns `false`, the
/// peer closes or the owner stops; every chunk as it came goes to `raw` first.
fn commands(
    stream: &mut TcpStream,
    stop: &AtomicBool,
    mut raw: impl FnMut(&[u8]),
    mut each: impl FnMut(&mut TcpStream, &[String]) -> bool,
) {
    let mut buffer = Vec::new();
    let mut scratch = vec![0; 64 * 1024];
    while !stop.load(Ordering::Relaxed) {
        match read(stream, &mut scratch) {
            Got::Bytes(n) => {
                raw(&scratch[..n]);
                buffer.extend_from_slice(&scratch[..n]);
            }
            Got::Nothing => {}
            Got::End => return,
        }
        while let Ok(Some((value, used))) = Value::parse(&buffer) {
            buffer.drain(..used);
            let words: Vec<_> = value.items().iter().map(Value::text).collect();
            if !each(stream, &words) {
                return;
            }
        }
    }
}

/// A bulk string.
fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// An array of bulk strings.
fn bulks(items: &[&str]) -> String {
    let mut out = format!("*{}\r\n", items.len());
    items.iter().for_each(|item| out.push_str(&bulk(item)));
    out
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

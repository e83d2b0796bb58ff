//! The least that a proxy with one shared connection can do, to tell what the machine costs from what
//! a proxy does: it reads what clients send, writes it on in one piece, and deals out what comes back.
//!
//! It knows no protocol, only how long redis-benchmark's GET and its reply are, and it counts them. It
//! checks nothing, holds nothing, follows nothing, and ends when anything is not as it expects. What
//! `side_by_side.py --targets ...,floor` shows of it no proxy of this design can be above.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use clap::Parser;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

/// `GET key:__rand_int__`
const REQUEST_LEN: usize = 36;
/// 32 bytes
const REPLY_LEN: usize = 39;
const LISTENER: Token = Token(usize::MAX - 1);
const SERVER: Token = Token(usize::MAX - 2);
const BUFFER_LEN: usize = 64 * 1024;
const EVENTS: usize = 1024;

/// Deals out the replies to redis-benchmark's GET by counting bytes.
#[derive(Parser)]
struct Options {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    server: SocketAddr,
}

struct Client {
    stream: TcpStream,
    /// Bytes of a request that is not whole.
    begun: usize,
}

/// Bytes of replies that are the next client's, or nobody's any more.
struct Owed {
    client: Option<usize>,
    bytes: usize,
}

struct Floor {
    server: TcpStream,
    clients: Slab<Client>,
    owed: VecDeque<Owed>,
    outgoing: Vec<u8>,
    buffer: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(options.listen)?;
    let server = std::net::TcpStream::connect(options.server)?;
    server.set_nodelay(true)?;
    server.set_nonblocking(true)?;
    let mut floor = Floor {
        server: TcpStream::from_std(server),
        clients: Slab::new(),
        owed: VecDeque::new(),
        outgoing: Vec::new(),
        buffer: vec![0; BUFFER_LEN],
    };
    let registry = poll.registry();
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    let both = Interest::READABLE | Interest::WRITABLE;
    registry.register(&mut floor.server, SERVER, both)?;
    let mut events = Events::with_capacity(EVENTS);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            match event.token() {
                LISTENER => floor.accept(&listener, &poll)?,
                SERVER => floor.deal_out()?,
                Token(client) => floor.take_in(client)?,
            }
        }
        // One write for all that was read.
        floor.send_on()?;
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> io::Result<()> {
        while let Some((mut stream, _)) = unless_blocked(listener.accept())? {
            stream.set_nodelay(true)?;
            let entry = self.clients.vacant_entry();
            let token = Token(entry.key());
            let registry = poll.registry();
            registry.register(&mut stream, token, Interest::READABLE)?;
            entry.insert(Client { stream, begun: 0 });
        }
        Ok(())
    }

    fn take_in(&mut self, at: usize) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(at) else {
            return Ok(());
        };
        let read = match client.stream.read(&mut self.buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            read => read.unwrap_or(0),
        };
        let bytes = &self.buffer[..read];
        if read == 0 {
            self.clients.remove(at);
            let its = |owed: &&mut Owed| owed.client == Some(at);
            let owed = self.owed.iter_mut().filter(its);
            owed.for_each(|owed| owed.client = None);
        } else if client.begun == 0 && bytes.starts_with(b"*1") {
            client.stream.write_all(b"+PONG\r\n")?;
        } else if client.begun == 0 && bytes.starts_with(b"*3") {
            // CONFIG GET, twice, before all else; an error will do.
            client.stream.write_all(b"-ERR no\r\n-ERR no\r\n")?;
        } else {
            let whole = (client.begun + read) / REQUEST_LEN;
            client.begun = (client.begun + read) % REQUEST_LEN;
            self.outgoing.extend_from_slice(bytes);
            self.owed.push_back(Owed {
                client: Some(at),
                bytes: whole * REPLY_LEN,
            });
        }
        Ok(())
    }

    /// Each client's run of replies goes out in one write.
    fn deal_out(&mut self) -> io::Result<()> {
        while let Some(read) = unless_blocked(self.server.read(&mut self.buffer))? {
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.deal_out_first(read)?;
            if read < BUFFER_LEN {
                break;
            }
        }
        Ok(())
    }

    fn deal_out_first(&mut self, read: usize) -> io::Result<()> {
        let mut rest = &self.buffer[..read];
        while let Some(owed) = self.owed.front_mut().filter(|_| !rest.is_empty()) {
            let (client, taken) = (owed.client, owed.bytes.min(rest.len()));
            owed.bytes -= taken;
            if owed.bytes == 0 {
                self.owed.pop_front();
            }
            let (its, others) = rest.split_at(taken);
            if let Some(client) = client.and_then(|at| self.clients.get_mut(at)) {
                client.stream.write_all(its)?;
            }
            rest = others;
        }
        Ok(())
    }

    fn send_on(&mut self) -> io::Result<()> {
        if !self.outgoing.is_empty() {
            let written = unless_blocked(self.server.write(&self.outgoing))?;
            self.outgoing.drain(..written.unwrap_or(0));
        }
        Ok(())
    }
}

fn unless_blocked<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}

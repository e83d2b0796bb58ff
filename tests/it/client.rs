//! A blocking RESP client that shows everything: raw bytes out, one reply at a time in.
//!
//! It never reconnects and never retries, so whatever the other side does is visible.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, HandshakeKind, ProtocolVersion, StreamOwned};
use socket2::SockRef;

use crate::pki::Trust;
use crate::value::Value;

/// How long a reply may take before the test fails, unless told otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const READ_SIZE: usize = 64 * 1024;

/// One connection.
pub(crate) struct Client {
    stream: Stream,
    buffer: Vec<u8>,
    raw: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl Client {
    /// Connects; panics when nobody listens.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("connect {address}: {error}"))
    }

    /// Connects.
    pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(20))?;
        stream.set_nodelay(true)?;
        Self::on(stream)
    }

    /// Connects to a Unix socket.
    pub(crate) fn try_connect_unix(path: &Path) -> io::Result<Self> {
        Self::of_unix(UnixStream::connect(path)?)
    }

    /// The client at this end of a Unix socket.
    pub(crate) fn of_unix(stream: UnixStream) -> io::Result<Self> {
        // Reading, writing, shutting down and time limits are the same calls for either kind.
        Self::on(OwnedFd::from(stream).into())
    }

    fn on(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: Stream::Plain(stream),
            buffer: Vec::new(),
            raw: Vec::new(),
        })
    }

    /// Connects, with TLS where `trust` is given; the handshake is done then.
    pub(crate) fn try_connect_as(address: SocketAddr, trust: Option<&Trust>) -> io::Result<Self> {
        let mut client = Self::try_connect(address)?;
        let (Some(trust), Stream::Plain(stream)) = (trust, &client.stream) else {
            return Ok(client);
        };
        let mut stream = StreamOwned::new(trust.begin(address), stream.try_clone()?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        client.stream = Stream::Tls(Box::new(stream));
        Ok(client)
    }

    /// Whether its TLS session is one that went on from an earlier connection.
    pub(crate) fn has_resumed(&self) -> bool {
        let session = self.session();
        session.and_then(|session| session.handshake_kind()) == Some(HandshakeKind::Resumed)
    }

    /// The version of TLS it speaks.
    pub(crate) fn tls_version(&self) -> Option<ProtocolVersion> {
        self.session()?.protocol_version()
    }

    fn session(&self) -> Option<&ClientConnection> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => Some(&stream.conn),
        }
    }

    /// Sends these bytes as they are.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => {
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }

    /// Sends one command.
    pub(crate) fn send(&mut self, args: &[&str]) -> io::Result<()> {
        self.send_raw(&command(args))
    }

    /// The sending half, for another thread; of a plain connection.
    pub(crate) fn sender(&self) -> TcpStream {
        self.stream.socket().try_clone().unwrap()
    }

    /// Reads one reply (or one push); `UnexpectedEof` when the other side closed.
    pub(crate) fn reply(&mut self) -> io::Result<Value> {
        self.reply_within(PATIENCE)
    }

    /// Reads one reply; `TimedOut` when `limit` passes first (what has arrived is kept).
    pub(crate) fn reply_within(&mut self, limit: Duration) -> io::Result<Value> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some((value, used)) = Value::parse(&self.buffer)? {
                let rest = self.buffer.split_off(used);
                self.raw = std::mem::replace(&mut self.buffer, rest);
                return Ok(value);
            }
            self.fill(deadline)?;
        }
    }

    /// The bytes of the reply read last.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Sends one command and reads one reply; panics when the connection fails.
    #[track_caller]
    pub(crate) fn call(&mut self, args: &[&str]) -> Value {
        self.try_call(args)
            .unwrap_or_else(|error| panic!("{args:?}: {error}"))
    }

    /// Sends one command and reads one reply.
    pub(crate) fn try_call(&mut self, args: &[&str]) -> io::Result<Value> {
        self.send(args)?;
        self.reply()
    }

    /// Which node serves this connection, by the port it was configured with.
    #[track_caller]
    pub(crate) fn node_port(&mut self) -> u16 {
        let reply = self.call(&["CONFIG", "GET", "port"]);
        reply
            .at(1)
            .parse()
            .unwrap_or_else(|_| panic!("no port in {reply:?}"))
    }

    /// Waits until the other side closes and says when; `None` when `limit` passes or a reply
    /// comes first.
    pub(crate) fn closed_within(&mut self, limit: Duration) -> Option<Instant> {
        match self.reply_within(limit) {
            Err(error) if is_close(&error) => Some(Instant::now()),
            _ => None,
        }
    }

    /// The connection below, whatever is spoken over it.
    pub(crate) fn socket(&self) -> &TcpStream {
        self.stream.socket()
    }

    /// Ends our direction only.
    pub(crate) fn shutdown_write(&self) {
        let _ = self.stream.socket().shutdown(Shutdown::Write);
    }

    /// Closes with a reset instead of an orderly end.
    pub(crate) fn reset(self) {
        let _ = SockRef::from(self.stream.socket()).set_linger(Some(Duration::ZERO));
    }

    fn fill(&mut self, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.socket().set_read_timeout(Some(left))?;
        let mut scratch = vec![0; READ_SIZE];
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read(&mut scratch),
            Stream::Tls(stream) => stream.read(&mut scratch),
        };
        match read {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                self.buffer
                    .extend_from_slice(scratch.get(..n).unwrap_or_default());
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ErrorKind::TimedOut.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether `error` says that the other side ended the connection.
pub(crate) fn is_close(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}

/// One command as a RESP array of bulk strings.
pub(crate) fn command(args: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

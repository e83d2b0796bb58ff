//! The little RESP2 a demo client needs: one blocking connection, one command at a time.
//!
//! Deliberately none of Steadfast's own code: what the demo sees is what any client sees.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// No reply of the demo comes near these; they keep a confused peer from filling memory.
const REPLY_LEN_MAX: usize = 16 << 20;
const REPLY_DEPTH_MAX: usize = 4;

/// A reply, as far as the demo tells replies apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// `+text`, a bulk string, or a number in decimal.
    Text(String),
    /// `-text`.
    Error(String),
    /// Nothing there.
    Nil,
    /// An array.
    List(Vec<Self>),
}

impl Reply {
    /// The text of this reply, empty for anything that is none.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// The items of this reply, none for anything that is no array.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The value after `name` in a flat list of names and values.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut pairs = self.items().chunks_exact(2);
        pairs.find_map(|pair| match pair {
            [key, value] if key.text() == name => Some(value.text()),
            _ => None,
        })
    }
}

/// One connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to a port of this machine; each reply may take as long as `patience`.
    pub(crate) fn connect(port: u16, patience: Duration) -> io::Result<Self> {
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect_timeout(&addr, CONNECT_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends one command and waits for its reply.
    pub(crate) fn call(&mut self, command: &[&str]) -> io::Result<Reply> {
        let mut wire = format!("*{}\r\n", command.len());
        for word in command {
            wire.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(wire.as_bytes())?;
        self.reply(REPLY_DEPTH_MAX)
    }

    fn reply(&mut self, depth: usize) -> io::Result<Reply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).ok_or_else(malformed)?;
        match kind {
            "+" | ":" => Ok(Reply::Text(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            "$" | "*" if rest == "-1" => Ok(Reply::Nil),
            "$" => self.bulk(length(rest)?),
            "*" if depth > 0 => {
                let items = (0..length(rest)?).map(|_| self.reply(depth - 1));
                Ok(Reply::List(items.collect::<io::Result<_>>()?))
            }
            _ => Err(malformed()),
        }
    }

    fn bulk(&mut self, len: usize) -> io::Result<Reply> {
        let mut body = vec![0; len + 2];
        self.stream.read_exact(&mut body)?;
        body.truncate(len);
        Ok(Reply::Text(String::from_utf8_lossy(&body).into_owned()))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        let limit = u64::try_from(REPLY_LEN_MAX).unwrap_or(u64::MAX);
        self.stream.by_ref().take(limit).read_line(&mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = line.strip_suffix("\r\n").ok_or_else(malformed)?;
        Ok(text.to_owned())
    }
}

fn length(text: &str) -> io::Result<usize> {
    let len = text.parse().map_err(|_| malformed())?;
    if len > REPLY_LEN_MAX {
        return Err(malformed());
    }
    Ok(len)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the reply is not RESP")
}

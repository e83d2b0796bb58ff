//! One RESP2 connection for control traffic: Sentinels, role checks, `steadfast check`.
//!
//! Strictly ask and answer (or ask and listen, for subscriptions); it never reconnects by itself
//! and never carries a client's command.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::error::{Error, Rejection, RejectionKind};
use super::framing::{BadFrame, Framer};
use crate::net::{self, HostPort, Transport};
use crate::secrets::{Credentials, Secret};
use crate::tls::Client;

/// A decoded control reply; an error reply among the elements of an array stays what it is.
pub type Reply = OwnedFrame;

/// Room made for one read.
const READ_LEN: usize = 4 << 10;
/// What a count or a length, and the line ends around it, take up at most.
const HEAD_LEN_MAX: usize = 25;

/// A connection for control traffic.
#[derive(Debug)]
pub struct Connection {
    stream: Transport,
    input: BytesMut,
    framer: Framer,
}

impl Connection {
    /// Dials, with `tls` secures the connection, with `credentials` logs in; all of it within `limit`.
    ///
    /// # Errors
    /// Why there is no usable connection.
    pub async fn open(
        address: &HostPort,
        tls: Option<&Arc<Client>>,
        credentials: Option<&Credentials>,
        limit: Duration,
    ) -> Result<Self, Error> {
        let attempt = async {
            let dialled = net::dial(address, tls, limit).await;
            let stream = dialled.map_err(dial_error(limit))?;
            let mut connection = Self {
                stream,
                input: BytesMut::new(),
                framer: Framer::default(),
            };
            if let Some(credentials) = credentials {
                connection.login(credentials, limit).await?;
            }
            Ok(connection)
        };
        timeout(limit, attempt)
            .await
            .unwrap_or(Err(Error::TimedOut(limit)))
    }

    /// Whether both ends of the connection are on this machine's loopback.
    pub fn is_loopback(&self) -> bool {
        self.stream.is_loopback()
    }

    /// Where the connection leads, whatever name was dialled.
    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        self.stream.peer_addr()
    }

    /// Sends one command and waits for its reply.
    ///
    /// # Errors
    /// After anything but [`Error::Rejected`] the connection is of no more use: a late reply would
    /// be taken for the next one.
    ///
    /// # Cancel safety
    /// Not cancel safe, for the same reason.
    pub async fn request(&mut self, args: &[&[u8]], limit: Duration) -> Result<Reply, Error> {
        let mut replies = self.pipeline(&[args], limit).await?;
        match replies.pop() {
            Some(reply) => reply.map_err(Error::Rejected),
            None => Err(Error::Unexpected("no reply")),
        }
    }

    /// Sends commands in one go and waits for all their replies.
    ///
    /// # Errors
    /// When not all replies came; the connection is of no more use then. An error reply is no
    /// failure of the pipeline.
    ///
    /// # Cancel safety
    /// Not cancel safe.
    pub async fn pipeline(
        &mut self,
        commands: &[&[&[u8]]],
        limit: Duration,
    ) -> Result<Vec<Result<Reply, Rejection>>, Error> {
        let exchange = async {
            self.send(commands).await?;
            let mut replies = Vec::with_capacity(commands.len());
            for _ in commands {
                replies.push(match self.receive().await? {
                    Reply::Error(text) => Err(unless_farewell(Rejection::new(&text))?),
                    reply => Ok(reply),
                });
            }
            Ok(replies)
        };
        timeout(limit, exchange)
            .await
            .unwrap_or(Err(Error::TimedOut(limit)))
    }

    /// Sends commands without waiting for replies.
    ///
    /// # Errors
    /// When the socket fails.
    pub(super) async fn send(&mut self, commands: &[&[&[u8]]]) -> Result<(), Error> {
        let bytes = encoded(commands);
        match self.stream.write_all(&bytes).await {
            // The peer may have said why it closed ("max number of clients"); reading tells.
            Err(error) if is_hangup(&error) => Ok(()),
            result => result.map_err(Error::Lost),
        }
    }

    /// The next reply or message.
    ///
    /// # Errors
    /// When the connection ends or its bytes make no sense.
    ///
    /// # Cancel safety
    /// Cancel safe: what was read stays in the buffer.
    pub(super) async fn receive(&mut self) -> Result<Reply, Error> {
        loop {
            if let Some(len) = self.framer.frame(&self.input).map_err(Error::Protocol)? {
                let decoded = decode(self.input.get(..len).unwrap_or_default());
                self.input.advance(len);
                return match decoded {
                    Ok(Some((reply, _))) => Ok(reply),
                    _ => Err(Error::Protocol(BadFrame::NotResp)),
                };
            }
            self.input.reserve(READ_LEN);
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => return Err(Error::Lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(Error::Lost(error)),
            }
        }
    }

    /// Logs in; where the password was replaced lately, the server may still want the one before.
    async fn login(&mut self, credentials: &Credentials, limit: Duration) -> Result<(), Error> {
        let user = credentials.username.as_deref();
        let mut outcome = Ok(());
        for secret in credentials.password.known().in_turn() {
            match self.authenticate(user, secret, limit).await {
                Err(Error::Rejected(rejection)) if rejection.kind == RejectionKind::WrongPass => {
                    // What was said of the newest is what counts.
                    outcome = outcome.and(Err(Error::Rejected(rejection)));
                }
                answer => return answer,
            }
        }
        credentials.password.doubt();
        outcome
    }

    async fn authenticate(
        &mut self,
        user: Option<&str>,
        secret: &Secret,
        limit: Duration,
    ) -> Result<(), Error> {
        let words = [
            Some(&b"AUTH"[..]),
            user.map(str::as_bytes),
            Some(secret.expose()),
        ];
        let words: Vec<_> = words.into_iter().flatten().collect();
        match self.request(&words, limit).await {
            Ok(_) => Ok(()),
            Err(Error::Rejected(rejection)) if needs_no_password(&rejection) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A password is set here and none on the server: nothing to log in to.
fn needs_no_password(rejection: &Rejection) -> bool {
    rejection.kind == RejectionKind::Other
        && (rejection.text.contains("without any password configured")
            || rejection.text.contains("no password is set"))
}

/// A server with too many clients says so unasked and closes: no further reply will come.
fn unless_farewell(rejection: Rejection) -> Result<Rejection, Error> {
    match rejection.kind {
        RejectionKind::MaxClients => Err(Error::Rejected(rejection)),
        _ => Ok(rejection),
    }
}

fn is_hangup(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

fn dial_error(limit: Duration) -> impl Fn(io::Error) -> Error {
    move |error| match error.kind() {
        io::ErrorKind::TimedOut => Error::TimedOut(limit),
        _ => Error::Unreachable(error),
    }
}

/// The commands as they are sent; there may be a password among them.
fn encoded(commands: &[&[&[u8]]]) -> Zeroizing<Vec<u8>> {
    let args = || commands.iter().copied().flatten();
    let heads = (commands.len() + args().count()) * HEAD_LEN_MAX;
    // Large enough from the start, so that growing leaves no copy behind unwiped.
    let len = heads + args().map(|arg| arg.len()).sum::<usize>();
    let mut bytes = Zeroizing::new(Vec::with_capacity(len));
    for args in commands {
        bytes.extend(format!("*{}\r\n", args.len()).bytes());
        for arg in *args {
            bytes.extend(format!("${}\r\n", arg.len()).bytes());
            bytes.extend_from_slice(arg);
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Password;
    use tokio::net::TcpListener;

    const LIMIT: Duration = Duration::from_millis(300);

    /// A server that answers whatever comes first with `bytes`, then waits for the client to go.
    async fn server(bytes: &'static [u8]) -> HostPort {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address").into();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 512];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(bytes).await;
                let _ = stream.read(&mut buffer).await;
            }
        });
        address
    }

    async fn ask(bytes: &'static [u8]) -> Result<Reply, Error> {
        let address = server(bytes).await;
        let mut connection = Connection::open(&address, None, None, LIMIT).await?;
        assert!(connection.is_loopback());
        connection.request(&[b"ROLE"], LIMIT).await
    }

    #[tokio::test]
    async fn tells_failures_apart() {
        assert!(matches!(
            ask(b"+PONG\r\n").await,
            Ok(Reply::SimpleString(_))
        ));
        assert!(matches!(ask(b"").await, Err(Error::TimedOut(_))));
        assert!(matches!(ask(b"*1\r\n").await, Err(Error::TimedOut(_))));
        assert!(matches!(ask(b"HTTP\r\n").await, Err(Error::Protocol(_))));
        for (bytes, kind) in [
            (&b"-NOAUTH x\r\n"[..], RejectionKind::NoAuth),
            (b"-NOPERM x\r\n", RejectionKind::NoPerm),
            (
                b"-ERR max number of clients reached\r\n",
                RejectionKind::MaxClients,
            ),
            (
                b"-ERR No such master with that name\r\n",
                RejectionKind::NoSuchMaster,
            ),
        ] {
            let Err(Error::Rejected(rejection)) = ask(bytes).await else {
                panic!("{bytes:?} must be a rejection");
            };
            assert_eq!(rejection.kind, kind);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let gone = listener.local_addr().expect("address").into();
        drop(listener);
        let refused = Connection::open(&gone, None, None, LIMIT).await;
        assert!(matches!(refused, Err(Error::Unreachable(_))));
    }

    #[tokio::test]
    async fn a_refused_login_is_said_and_a_needless_one_is_no_failure() {
        let credentials = Credentials {
            username: None,
            password: Password::fixed(Secret::new("hidden")),
        };
        let wrong = server(b"-WRONGPASS invalid username-password pair\r\n").await;
        let error = Connection::open(&wrong, None, Some(&credentials), LIMIT).await;
        let text = error.expect_err("refused").to_string();
        assert!(
            text.starts_with("it refuses the user or password"),
            "{text}"
        );
        assert!(!text.contains("hidden"));
        let open = server(
            b"-ERR AUTH <password> called without any password configured for the default user.\r\n",
        )
        .await;
        assert!(
            Connection::open(&open, None, Some(&credentials), LIMIT)
                .await
                .is_ok()
        );
    }
}

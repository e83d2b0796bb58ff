//! The two ends of TLS against each other, on loopback.

use std::sync::Arc;
use std::time::Duration;

use rustls::HandshakeKind;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::TlsStream;
use crate::net::Transport;
use crate::tls::tests::Files;
use crate::tls::{Client, Leg, Paths, Server};

/// Small enough that a write fills it.
const SOCKET_BUFFER: usize = 16 * 1024;
const LIMIT: Duration = Duration::from_secs(20);

/// What both ends of a connection need.
struct Ends {
    listener: TcpListener,
    server: Arc<Server>,
    client: Arc<Client>,
    _files: Files,
}

impl Ends {
    async fn new() -> Self {
        let files = Files::new();
        let paths = Paths {
            ca: Some(files.at("cert")),
            ..Paths::default()
        };
        let name = Some("a.example".to_owned());
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.expect("bound"),
            server: Arc::new(Server::load(files.paths()).expect("usable")),
            client: Arc::new(Client::load(Leg::Upstream, paths, name, false).expect("usable")),
            _files: files,
        }
    }

    /// The client's end, and the server's, which has read the client's first byte.
    async fn connected(&self) -> (TlsStream, Transport) {
        let address = self.listener.local_addr().expect("an address");
        let client = async {
            let stream = TcpStream::connect(address).await.expect("connected");
            SockRef::from(&stream)
                .set_send_buffer_size(SOCKET_BUFFER)
                .expect("set");
            let stream = TlsStream::connect(stream, self.client.clone(), "10.0.0.1").await;
            let stream = stream.expect("secured");
            assert_eq!(stream.try_write(b"!").expect("written"), 1);
            stream
        };
        let server = async {
            let (stream, _) = self.listener.accept().await.expect("accepted");
            let stream = TlsStream::accept(stream, self.server.clone()).expect("begun");
            let mut stream = Transport::Tls(Box::new(stream));
            assert_eq!(stream.read_u8().await.expect("read"), b'!');
            stream
        };
        timeout(LIMIT, async { tokio::join!(client, server) })
            .await
            .expect("both are quick")
    }
}

/// What is said to have left is what the peer can read, to the byte: what is said not to have left
/// may be sent again elsewhere.
#[tokio::test]
async fn what_has_left_is_what_the_peer_can_read() {
    let ends = Ends::new().await;
    for len in [1, 16 * 1024, 16 * 1024 + 1, 200_000, 8 << 20] {
        let (client, mut server) = ends.connected().await;
        let bytes: Vec<u8> = (0..len).map(|n: u32| (n % 251) as u8).collect();
        let mut left = 0;
        loop {
            let written = client.try_write(&bytes[left..]).expect("written");
            left += written;
            if written == 0 || left == bytes.len() {
                break;
            }
        }
        assert!(len < 1 << 20 || left < bytes.len(), "it must have been cut");
        client.shutdown(std::net::Shutdown::Both);
        let mut heard = Vec::new();
        timeout(LIMIT, server.read_to_end(&mut heard))
            .await
            .expect("an end")
            .expect("no error");
        assert_eq!(heard.len(), left, "of {len}");
        assert!(heard == bytes[..left]);
    }
}

#[tokio::test]
async fn a_reader_that_comes_late_gets_all_of_it() {
    const LEN: usize = 5 << 20;
    let ends = Ends::new().await;
    let (client, mut server) = ends.connected().await;
    let mut client = Transport::Tls(Box::new(client));
    let writing = async {
        client.write_all(&vec![7; LEN]).await.expect("written");
        client.shutdown_write();
    };
    let reading = async {
        let mut heard = Vec::new();
        // Little room, so that most of a record has to wait for the next read.
        let mut room = [0; 1000];
        loop {
            match server.read(&mut room).await.expect("no error") {
                0 => return heard,
                len => heard.extend_from_slice(&room[..len]),
            }
        }
    };
    let both = async { tokio::join!(writing, reading) };
    let ((), heard) = timeout(LIMIT, both).await.expect("both are quick");
    assert!(heard.len() == LEN && heard.iter().all(|byte| *byte == 7));
}

#[tokio::test]
async fn a_node_is_remembered_and_another_of_the_same_name_is_not() {
    let ends = Ends::new().await;
    let kind = |stream: &TlsStream| stream.state.borrow().session.handshake_kind();
    let (first, mut server) = ends.connected().await;
    assert_eq!(kind(&first), Some(HandshakeKind::Full));
    // The ticket comes with the first reply.
    let mut first = Transport::Tls(Box::new(first));
    server.write_all(b"?").await.expect("written");
    assert_eq!(first.read_u8().await.expect("read"), b'?');
    let (second, _server) = ends.connected().await;
    assert_eq!(kind(&second), Some(HandshakeKind::Resumed));

    let other = Ends {
        listener: TcpListener::bind("127.0.0.1:0").await.expect("bound"),
        ..ends
    };
    let (third, _server) = other.connected().await;
    assert_eq!(kind(&third), Some(HandshakeKind::Full));
}

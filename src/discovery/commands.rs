//! What a new primary says of its commands: asked once, beside the heartbeat and not in its way, for
//! nothing waits for it. Until it is known, what was known before holds.

use std::sync::Arc;
use std::time::Duration;

use redis_protocol::resp2::types::Resp2Frame;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::connection::{Connection, Reply};
use super::error::{Error, RejectionKind};
use super::probe::Settings;
use super::signal::Signal;
use crate::net::HostPort;
use crate::resp::{Commands, Heard};

/// The reply has 200 to 300 KiB, which a busy server need not send at once.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Times it is asked before the table alone has to do, and the pause between.
const TRIES_MAX: u32 = 5;
const PAUSE: Duration = Duration::from_secs(2);

/// Asks the node at `address`, the primary of `generation`, and tells what that adds to `known`, or
/// nothing where it may not be asked.
pub(super) async fn ask(
    address: HostPort,
    generation: u64,
    known: Commands,
    settings: Arc<Settings>,
    out: mpsc::Sender<Signal>,
) {
    for _ in 0..TRIES_MAX {
        match reply(&address, &settings).await {
            Ok(reply) => {
                let mut commands = known;
                for name in hear(&mut commands, &reply) {
                    tracing::warn!(
                        event = "command_restricted",
                        primary = %address,
                        command = name,
                        "it says more of this command than is known here, which is respected"
                    );
                }
                let news = Signal::Commands {
                    generation,
                    commands: Arc::new(commands),
                };
                // Nobody listens any more only at the end.
                let _ = out.send(news).await;
                return;
            }
            Err(error) if is_final(&error) => {
                tracing::debug!(event = "commands_unknown", primary = %address, %error, "the table alone tells what commands do");
                return;
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn reply(address: &HostPort, settings: &Settings) -> Result<Reply, Error> {
    let credentials = settings.credentials.as_ref();
    let (tls, limit) = (settings.tls.as_ref(), settings.connect_timeout);
    let mut connection = Connection::open(address, tls, credentials, limit).await?;
    connection.request(&[b"COMMAND"], ANSWER_LIMIT).await
}

/// Whether asking again would bring nothing else: it was forbidden, or renamed.
fn is_final(error: &Error) -> bool {
    match error {
        Error::Rejected(rejection) => !matches!(
            rejection.kind,
            RejectionKind::Loading | RejectionKind::Busy | RejectionKind::MaxClients
        ),
        _ => false,
    }
}

/// Has `commands` hear each entry of the `reply`, and those of subcommands, and gives the names of
/// those that are treated more carefully for it. What is no such entry is passed over.
pub(super) fn hear(commands: &mut Commands, reply: &Reply) -> Vec<String> {
    let mut stricter = Vec::new();
    for entry in elements(reply) {
        let subcommands = elements(entry).get(9).map_or(&[][..], elements);
        for entry in std::iter::once(entry).chain(subcommands) {
            let [name, _arity, flags, _, _, _, categories, ..] = elements(entry) else {
                continue;
            };
            let name = name.as_bytes().unwrap_or_default();
            if commands.hear(name, words(flags), words(categories)) == Heard::Stricter {
                stricter.push(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
    stricter
}

fn elements(reply: &Reply) -> &[Reply] {
    match reply {
        Reply::Array(elements) => elements,
        _ => &[],
    }
}

fn words(reply: &Reply) -> impl Iterator<Item = &[u8]> {
    elements(reply).iter().filter_map(Reply::as_bytes)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::secrets::Whose;

    fn word(text: &str) -> Reply {
        Reply::SimpleString(text.into())
    }

    fn entry(name: &str, flags: &[&str], more: Vec<Reply>) -> Reply {
        let flags = flags.iter().map(|flag| word(flag)).collect();
        let zero = || Reply::Integer(0);
        let categories = Reply::Array(vec![word("@slow")]);
        let fixed = vec![
            word(name),
            zero(),
            Reply::Array(flags),
            zero(),
            zero(),
            zero(),
            categories,
        ];
        Reply::Array([fixed, more].concat())
    }

    #[test]
    fn hears_commands_and_subcommands_and_passes_over_the_rest() {
        let empty = || Reply::Array(Vec::new());
        let idle = entry("object|idletime", &["readonly", "blocking"], Vec::new());
        let reply = Reply::Array(vec![
            Reply::Null,
            Reply::Array(vec![word("get")]),
            entry("get", &["readonly"], Vec::new()),
            entry("ttl", &["write"], Vec::new()),
            entry(
                "object",
                &[],
                vec![empty(), empty(), Reply::Array(vec![idle])],
            ),
            entry("my.own", &["blocking"], Vec::new()),
        ]);
        let mut commands = Commands::BUILT_IN;
        assert_eq!(hear(&mut commands, &reply), ["ttl", "object|idletime"]);
        let before = commands.clone();
        assert_eq!(hear(&mut commands, &word("OK")), [""; 0]);
        assert_eq!(commands, before);
    }

    /// What is told when a node answers `reply` to COMMAND.
    async fn told(reply: &'static [u8]) -> Option<Signal> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let node = tokio::spawn(async move {
            let (mut client, _) = listener.accept().await?;
            let mut question = [0; 64];
            let len = client.read(&mut question).await?;
            assert_eq!(&question[..len], b"*1\r\n$7\r\nCOMMAND\r\n");
            client.write_all(reply).await
        });
        let settings = Arc::new(Settings {
            tls: None,
            credentials: None,
            whose: Whose::Nobody,
            connect_timeout: ANSWER_LIMIT,
            heartbeat_timeout: ANSWER_LIMIT,
        });
        let (out, mut signals) = mpsc::channel(1);
        let known = Commands::declaring(&["MY.OWN".to_owned(), "MY.WAIT".to_owned()]);
        let address = HostPort::new(address.ip().to_string(), address.port());
        ask(address, 7, known, settings, out).await;
        node.await.expect("no panic").expect("an exchange");
        signals.recv().await
    }

    #[tokio::test]
    async fn the_stricter_word_of_a_node_is_passed_on() {
        let reply = b"*2\r\n\
            *7\r\n$3\r\nget\r\n:2\r\n*1\r\n+blocking\r\n:1\r\n:1\r\n:1\r\n*1\r\n+@read\r\n\
            *7\r\n$7\r\nmy.wait\r\n:2\r\n*2\r\n+module\r\n+blocking\r\n:1\r\n:1\r\n:1\r\n*0\r\n";
        let Some(Signal::Commands {
            generation: 7,
            commands,
        }) = told(reply).await
        else {
            panic!("nothing is told");
        };
        assert!(!commands.shareable(b"GET", b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"));
        assert!(!commands.shareable(b"MY.WAIT", b"*1\r\n$7\r\nMY.WAIT\r\n"));
        assert!(commands.shareable(b"MY.OWN", b"*1\r\n$6\r\nMY.OWN\r\n"));
    }

    #[tokio::test]
    async fn a_node_that_may_not_be_asked_changes_nothing() {
        let forbidden = b"-NOPERM this user has no permissions to run the 'command' command\r\n";
        assert!(told(forbidden).await.is_none());
        assert!(told(b"-ERR unknown command 'COMMAND'\r\n").await.is_none());
    }
}

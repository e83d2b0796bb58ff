//! A real primary, two replicas, three Sentinels and Steadfast in front, in a temporary folder.
//!
//! Everything listens on loopback ports the kernel chose. Dropping the bed ends every process and
//! removes the folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Failure;
use crate::process::{Process, find_server, find_steadfast, free_ports};
use crate::resp::{Client, Reply};
use crate::stop;

/// Sentinel's name for the set: the default of `--primary-name`.
pub(crate) const PRIMARY_NAME: &str = "mymaster";

const NODES: usize = 3;
const SENTINELS: usize = 3;
const START_LIMIT: Duration = Duration::from_secs(20);
/// Short: a held answer must not stop the status line for long.
const ASK_LIMIT: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(50);

/// The whole set-up.
pub(crate) struct Bed {
    // Processes come before the folder they write to: fields are dropped in this order.
    proxy: Option<Process>,
    nodes: Vec<Node>,
    _sentinels: Vec<Process>,
    sentinel_ports: Vec<u16>,
    server: PathBuf,
    folder: TempDir,
    /// Where Steadfast listens.
    pub(crate) port: u16,
    /// Its admin port.
    pub(crate) admin_port: u16,
}

struct Node {
    port: u16,
    process: Option<Process>,
}

impl Bed {
    /// Starts it all and waits until a write through Steadfast is acknowledged.
    pub(crate) fn start() -> Result<Self, Failure> {
        let server = find_server().ok_or(Failure::NoServer)?;
        let steadfast = find_steadfast()?;
        let folder = TempDir::with_prefix("steadfast-demo-")?;
        let ports = free_ports(NODES + SENTINELS + 2)?;
        let (node_ports, rest) = ports.split_at(NODES);
        let (sentinel_ports, rest) = rest.split_at(SENTINELS);
        let (port, admin_port) = match rest {
            [port, admin_port] => (*port, *admin_port),
            _ => return Err(Failure::Setup("too few ports".to_owned())),
        };

        let nodes = start_nodes(&server, folder.path(), node_ports)?;
        let first = node_ports.first().copied().unwrap_or_default();
        wait_for("the replicas", START_LIMIT, || {
            replicas_online(first, NODES - 1)
        })?;
        let sentinels = start_sentinels(&server, folder.path(), sentinel_ports, first)?;
        for sentinel in sentinel_ports {
            wait_for("the Sentinels", START_LIMIT, || sees_the_others(*sentinel))?;
        }
        let proxy = start_proxy(&steadfast, folder.path(), sentinel_ports, port, admin_port)?;
        let mut bed = Self {
            proxy: Some(proxy),
            nodes,
            _sentinels: sentinels,
            sentinel_ports: sentinel_ports.to_vec(),
            server,
            folder,
            port,
            admin_port,
        };
        bed.wait_for_proxy()?;
        Ok(bed)
    }

    fn wait_for_proxy(&mut self) -> Result<(), Failure> {
        let port = self.port;
        let proxy = &mut self.proxy;
        let mut ended = false;
        let ready = wait_for("Steadfast", START_LIMIT, || {
            ended = proxy.as_mut().is_none_or(Process::has_ended);
            ended || matches!(ask(port, &["SET", "demo:ready", "1"]), Ok(Reply::Text(_)))
        });
        if ended || ready.is_err() {
            let log = fs::read_to_string(self.folder.path().join("steadfast.log"));
            let log = log.unwrap_or_default();
            return Err(Failure::Setup(format!("Steadfast did not serve:\n{log}")));
        }
        Ok(())
    }

    /// Addresses of the Sentinels, comma-separated.
    pub(crate) fn sentinels(&self) -> String {
        addresses(&self.sentinel_ports)
    }

    /// Port of the primary the Sentinels name.
    pub(crate) fn named_primary(&self) -> Option<u16> {
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", PRIMARY_NAME];
        let mut answers = self.sentinel_ports.iter();
        answers.find_map(|port| {
            ask(*port, &question)
                .ok()?
                .items()
                .get(1)?
                .text()
                .parse()
                .ok()
        })
    }

    /// Port of the node that answers behind Steadfast, asked on a new connection.
    pub(crate) fn primary_behind_proxy(&self) -> Option<u16> {
        let reply = ask(self.port, &["CONFIG", "GET", "port"]).ok()?;
        reply.field("port")?.parse().ok()
    }

    /// Whether `primary` feeds all the other nodes, and every Sentinel has heard so.
    ///
    /// A Sentinel that last heard a node call itself a primary still makes it a replica, even in the
    /// middle of a planned failover that promotes it (`+convert-to-slave`, seen with Redis 7.0): a
    /// set left without any primary would be Sentinel's doing, and not what is shown here.
    pub(crate) fn is_settled(&self, primary: u16) -> bool {
        let sentinels = &self.sentinel_ports;
        replicas_online(primary, NODES - 1) && sentinels.iter().all(|&port| sees_replicas(port))
    }

    /// SIGKILL for the node on `port`.
    pub(crate) fn kill(&mut self, port: u16) {
        for node in &mut self.nodes {
            if node.port == port {
                node.process = None;
            }
        }
    }

    /// Ends Steadfast, and with it whatever its clients wait for.
    pub(crate) fn end_proxy(&mut self) {
        self.proxy = None;
    }

    /// Starts every node that is down, as it was configured last.
    pub(crate) fn restart_missing(&mut self) -> io::Result<()> {
        for node in &mut self.nodes {
            if node.process.is_none() {
                node.process = Some(start_server(
                    &self.server,
                    self.folder.path(),
                    node.port,
                    &[],
                )?);
            }
        }
        Ok(())
    }

    /// Asks the Sentinels for a planned failover; whether one of them has begun it.
    pub(crate) fn begin_planned_failover(&self) -> bool {
        let order = ["SENTINEL", "FAILOVER", PRIMARY_NAME];
        let mut answers = self.sentinel_ports.iter();
        answers.any(|port| matches!(ask(*port, &order), Ok(Reply::Text(_))))
    }
}

/// Waits for a condition; an error after `limit`, or when the demo was interrupted.
pub(crate) fn wait_for(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> bool,
) -> Result<(), Failure> {
    let start = Instant::now();
    while !condition() {
        stop::check()?;
        if start.elapsed() > limit {
            let message = format!("waited {} s for {what}", limit.as_secs());
            return Err(Failure::Setup(message));
        }
        sleep(POLL);
    }
    Ok(())
}

/// One command on a connection of its own.
pub(crate) fn ask(port: u16, command: &[&str]) -> io::Result<Reply> {
    Client::connect(port, ASK_LIMIT)?.call(command)
}

fn start_nodes(server: &Path, folder: &Path, ports: &[u16]) -> io::Result<Vec<Node>> {
    let mut nodes = Vec::new();
    let mut primary = None;
    for &port in ports {
        let mut config = format!(
            "port {port}\nbind 127.0.0.1\nsave \"\"\nappendonly no\nrepl-diskless-sync no\n"
        );
        match primary {
            None => primary = Some(port),
            Some(primary) => config.push_str(&format!("replicaof 127.0.0.1 {primary}\n")),
        }
        write_config(folder, port, &config)?;
        nodes.push(Node {
            port,
            process: Some(start_server(server, folder, port, &[])?),
        });
    }
    Ok(nodes)
}

fn start_sentinels(
    server: &Path,
    folder: &Path,
    ports: &[u16],
    primary: u16,
) -> io::Result<Vec<Process>> {
    let mut sentinels = Vec::new();
    for &port in ports {
        let config = format!(
            "port {port}\nbind 127.0.0.1\n\
             sentinel monitor {PRIMARY_NAME} 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds {PRIMARY_NAME} 1000\n\
             sentinel failover-timeout {PRIMARY_NAME} 10000\n"
        );
        write_config(folder, port, &config)?;
        sentinels.push(start_server(server, folder, port, &["--sentinel"])?);
    }
    Ok(sentinels)
}

fn start_proxy(
    steadfast: &Path,
    folder: &Path,
    sentinels: &[u16],
    port: u16,
    admin_port: u16,
) -> io::Result<Process> {
    let args = [
        format!("--sentinel={}", addresses(sentinels)),
        format!("--primary-name={PRIMARY_NAME}"),
        format!("--listen=127.0.0.1:{port}"),
        format!("--admin-listen=127.0.0.1:{admin_port}"),
    ];
    Process::start(steadfast, &args, &folder.join("steadfast.log"))
}

/// A folder for each node: Sentinels and servers rewrite their configuration in place.
fn write_config(folder: &Path, port: u16, config: &str) -> io::Result<()> {
    let own = folder.join(port.to_string());
    fs::create_dir(&own)?;
    fs::write(
        own.join("node.conf"),
        format!("dir {}\n{config}", own.display()),
    )
}

fn start_server(server: &Path, folder: &Path, port: u16, more: &[&str]) -> io::Result<Process> {
    let own = folder.join(port.to_string());
    let mut args = vec![own.join("node.conf").display().to_string()];
    args.extend(more.iter().map(|&word| word.to_owned()));
    Process::start(server, &args, &own.join("log"))
}

fn addresses(ports: &[u16]) -> String {
    let all: Vec<_> = ports
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    all.join(",")
}

fn replicas_online(primary: u16, count: usize) -> bool {
    let Ok(Reply::Text(info)) = ask(primary, &["INFO", "replication"]) else {
        return false;
    };
    info.contains("role:master") && info.matches("state=online").count() == count
}

fn sees_replicas(sentinel: u16) -> bool {
    let Ok(reply) = ask(sentinel, &["SENTINEL", "REPLICAS", PRIMARY_NAME]) else {
        return false;
    };
    let is_one = |node: &Reply| {
        node.field("flags") == Some("slave") && node.field("role-reported") == Some("slave")
    };
    reply.items().len() == NODES - 1 && reply.items().iter().all(is_one)
}

fn sees_the_others(sentinel: u16) -> bool {
    let Ok(reply) = ask(sentinel, &["SENTINEL", "MASTER", PRIMARY_NAME]) else {
        return false;
    };
    let known = |field| reply.field(field).and_then(|text| text.parse().ok());
    known("num-slaves") == Some(NODES - 1) && known("num-other-sentinels") == Some(SENTINELS - 1)
}

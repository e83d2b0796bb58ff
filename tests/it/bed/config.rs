//! The wish list of a bed and the configuration files that make it come true.
//!
//! Sentinels are told about each other and about the replicas in their files, so that a bed is
//! complete within a tick or two instead of after two rounds of hello messages.

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::Bed;
use crate::pki::{Secured, Trust};

/// Settings of a bed; see [`Bed::builder`].
#[derive(Clone)]
pub(crate) struct Builder {
    pub(super) replicas: usize,
    pub(super) sentinels: usize,
    pub(super) quorum: Option<usize>,
    pub(super) name: String,
    pub(super) down_after: u32,
    pub(super) failover_timeout: u32,
    pub(super) password: Option<String>,
    pub(super) sentinel_password: Option<String>,
    pub(super) server_lines: Vec<(Option<usize>, String)>,
    pub(super) sentinel_lines: Vec<String>,
    pub(super) hosts: Option<PathBuf>,
    pub(super) primary_host: Option<String>,
    pub(super) island: Option<Island>,
    pub(super) alone: bool,
    pub(super) binary: Option<PathBuf>,
    pub(super) servers_secured: Option<Secured>,
    pub(super) sentinels_secured: Option<Secured>,
}

/// Where the first primary lives when it does not live with the others.
#[derive(Clone)]
pub(super) struct Island {
    pub(super) namespace: String,
    pub(super) inside: Ipv4Addr,
    pub(super) outside: Ipv4Addr,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            replicas: 2,
            sentinels: 3,
            quorum: None,
            name: "mymaster".into(),
            // Below a second or so Sentinels take even the node they have just promoted for down at
            // times (their links to it are cut then), and fail over once more.
            down_after: 1500,
            failover_timeout: 5000,
            password: None,
            sentinel_password: None,
            server_lines: Vec::new(),
            sentinel_lines: Vec::new(),
            hosts: None,
            primary_host: None,
            island: None,
            alone: false,
            binary: None,
            servers_secured: None,
            sentinels_secured: None,
        }
    }

    /// How many replicas (2).
    pub(crate) fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// How many Sentinels (3); the quorum is a majority of them.
    pub(crate) fn sentinels(mut self, count: usize) -> Self {
        self.sentinels = count;
        self
    }

    /// No other bed runs as long as this one does: for what measures time.
    pub(crate) fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Servers and Sentinels run this binary, whatever `STEADFAST_TEST_SERVER` says.
    pub(crate) fn binary(mut self, path: &Path) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// Servers and Sentinels speak TLS alone, and ask each other and everybody for a certificate.
    pub(crate) fn secured(self, by: &Secured) -> Self {
        self.servers_secured(by).sentinels_secured(by)
    }

    /// As [`Builder::secured`], servers alone; for beds with one Sentinel.
    pub(crate) fn servers_secured(mut self, by: &Secured) -> Self {
        self.servers_secured = Some(by.clone());
        self
    }

    /// As [`Builder::secured`], Sentinels alone; for beds with one.
    pub(crate) fn sentinels_secured(mut self, by: &Secured) -> Self {
        self.sentinels_secured = Some(by.clone());
        self
    }

    /// What the tests need to connect to server `index`, or to any Sentinel.
    pub(super) fn trust_of(&self, server: Option<usize>) -> Option<&Trust> {
        let secured = match server {
            Some(_) => &self.servers_secured,
            None => &self.sentinels_secured,
        };
        secured.as_ref().map(|secured| &secured.trust)
    }

    /// Sentinel's name for the set (`mymaster`).
    pub(crate) fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// Sentinel's down-after-milliseconds (1500).
    pub(crate) fn down_after(mut self, ms: u32) -> Self {
        self.down_after = ms;
        self
    }

    /// Sentinel's failover-timeout in milliseconds (5000).
    pub(crate) fn failover_timeout(mut self, ms: u32) -> Self {
        self.failover_timeout = ms;
        self
    }

    /// Servers ask for this password (user `default`).
    pub(crate) fn requirepass(mut self, password: &str) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Sentinels ask for this password (user `default`).
    pub(crate) fn sentinel_password(mut self, password: &str) -> Self {
        self.sentinel_password = Some(password.into());
        self
    }

    /// One more ACL user on every server.
    pub(crate) fn user(self, name: &str, rules: &str) -> Self {
        self.server_line(&format!("user {name} {rules}"))
    }

    /// One more ACL user on every Sentinel.
    pub(crate) fn sentinel_user(mut self, name: &str, rules: &str) -> Self {
        self.sentinel_lines.push(format!("user {name} {rules}"));
        self
    }

    /// One more configuration line on every server.
    pub(crate) fn server_line(mut self, line: &str) -> Self {
        self.server_lines.push((None, line.into()));
        self
    }

    /// One more configuration line on server `index` alone (0 is the first primary).
    pub(crate) fn line_of(mut self, index: usize, line: &str) -> Self {
        self.server_lines.push((Some(index), line.into()));
        self
    }

    /// Every process sees `file` as `/etc/hosts` and Sentinels speak of the first primary as
    /// `primary`, a name; needs root.
    pub(crate) fn names(mut self, file: &Path, primary: &str) -> Self {
        self.hosts = Some(file.into());
        self.primary_host = Some(primary.into());
        self
    }

    /// The first primary runs in the network namespace `namespace` at `inside`, all others at
    /// `outside`; needs root.
    pub(crate) fn island(mut self, namespace: &str, inside: Ipv4Addr, outside: Ipv4Addr) -> Self {
        self.island = Some(Island {
            namespace: namespace.into(),
            inside,
            outside,
        });
        self
    }

    /// The address of server `index`, or of any Sentinel.
    pub(super) fn ip_of(&self, server: Option<usize>) -> Ipv4Addr {
        match &self.island {
            Some(island) if server == Some(0) => island.inside,
            Some(island) => island.outside,
            None => Ipv4Addr::LOCALHOST,
        }
    }

    /// The network namespace of server `index`, when it is not ours.
    pub(super) fn namespace_of(&self, server: Option<usize>) -> Option<String> {
        let island = self.island.as_ref().filter(|_| server == Some(0));
        island.map(|island| island.namespace.clone())
    }

    /// How the first primary is spoken of.
    fn primary_host(&self) -> String {
        let ip = || self.ip_of(Some(0)).to_string();
        self.primary_host.clone().unwrap_or_else(ip)
    }

    /// Builds it and waits until it is whole. Another process may take a chosen port first, so
    /// there is more than one try.
    #[track_caller]
    pub(crate) fn start(self) -> Bed {
        Bed::start(self)
    }

    pub(super) fn server_config(&self, index: usize, ports: &[u16]) -> String {
        let mut text = format!(
            "{}bind {}\nprotected-mode no\nsave \"\"\nrepl-diskless-sync no\n\
             enable-debug-command yes\nloglevel notice\n",
            port(ports[index], self.servers_secured.as_ref()),
            self.ip_of(Some(index))
        );
        text.push_str(&links(self.servers_secured.as_ref()));
        if let Some(password) = &self.password {
            let _ = writeln!(text, "requirepass {password}\nmasterauth {password}");
        }
        if index > 0 {
            let _ = writeln!(text, "replicaof {} {}", self.primary_host(), ports[0]);
        }
        for (only, line) in &self.server_lines {
            if only.is_none_or(|only| only == index) {
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }

    pub(super) fn sentinel_config(&self, index: usize, servers: &[u16], own: &[u16]) -> String {
        let name = &self.name;
        let quorum = self.quorum.unwrap_or(self.sentinels / 2 + 1);
        let ip = self.ip_of(None);
        let own_port = port(own[index], self.sentinels_secured.as_ref());
        let mut text = format!("{own_port}bind {ip}\n");
        text.push_str(&links(self.servers_secured.as_ref()));
        if self.primary_host.is_some() {
            text.push_str("sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n");
        }
        let host = self.primary_host();
        let _ = write!(
            text,
            "sentinel myid {}\nsentinel monitor {name} {host} {} {quorum}\n\
             sentinel down-after-milliseconds {name} {}\nsentinel failover-timeout {name} {}\n",
            run_id(own[index]),
            servers[0],
            self.down_after,
            self.failover_timeout
        );
        if let Some(password) = &self.password {
            let _ = writeln!(text, "sentinel auth-pass {name} {password}");
        }
        if let Some(password) = &self.sentinel_password {
            let _ = writeln!(
                text,
                "requirepass {password}\nsentinel sentinel-pass {password}"
            );
        }
        for port in &servers[1..] {
            let _ = writeln!(text, "sentinel known-replica {name} {ip} {port}");
        }
        for port in own.iter().filter(|port| **port != own[index]) {
            let id = run_id(*port);
            let _ = writeln!(text, "sentinel known-sentinel {name} {ip} {port} {id}");
        }
        for line in &self.sentinel_lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

/// Where a node listens, and as whom.
fn port(port: u16, secured: Option<&Secured>) -> String {
    match secured {
        None => format!("port {port}\n"),
        Some(secured) => format!("port 0\ntls-port {port}\n{}", files(secured)),
    }
}

/// How a node connects to data nodes.
fn links(secured: Option<&Secured>) -> String {
    secured.map_or_else(String::new, |secured| {
        format!("tls-replication yes\n{}", files(secured))
    })
}

fn files(secured: &Secured) -> String {
    format!(
        "tls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients yes\n",
        secured.nodes.cert.display(),
        secured.nodes.key.display(),
        secured.pki.ca().display()
    )
}

/// A Sentinel's run id, made from its port: 40 hexadecimal digits.
fn run_id(port: u16) -> String {
    format!("{:040x}", u64::from(port) * 0x1_0001_0001)
}

//! Goal: a host that vanishes without a word is survived like one that dies. Method: the primary
//! in a network namespace of its own; frames to and from it are addressed to nobody; needs root and `ip`.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::bed::{Bed, Start, eventually, wait_until};
use crate::client::Client;
use crate::proxy::Proxy;
use crate::soak::is_long;

const SOON: Duration = Duration::from_secs(60);

/// Says clearly that a test did not run, and why.
pub(crate) fn skip(test: &str, why: &str) {
    eprintln!("SKIPPED {test}: {why}");
}

/// Whether this process may use namespaces.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A network namespace joined to ours by a veth pair: we are `.1`, it is `.2`.
struct Island {
    name: String,
    net: String,
}

impl Island {
    /// None when the machine does not allow it.
    fn raise(which: &str) -> Option<Self> {
        let id = std::process::id();
        let island = Self {
            name: format!("sf{which}{id}"),
            net: format!("10.{}.{}", 200 + which.len(), id % 250),
        };
        let (name, net) = (&island.name, &island.net);
        let steps = [
            format!("netns add {name}"),
            format!("link add {name}a type veth peer name {name}b netns {name}"),
            format!("addr add {net}.1/24 dev {name}a"),
            format!("link set {name}a up"),
            format!("-n {name} addr add {net}.2/24 dev {name}b"),
            format!("-n {name} link set {name}b up"),
            format!("-n {name} link set lo up"),
        ];
        steps.iter().all(|step| ip(step)).then_some(island)
    }

    /// From now on every packet in either direction is lost, and nobody is told: neighbours are
    /// pinned first, so that not even "host unreachable" comes back.
    fn sink(&self) {
        let (name, net) = (&self.name, &self.net);
        let nobody = "02:00:00:00:00:01";
        assert!(ip(&format!(
            "neigh replace {net}.2 lladdr {nobody} dev {name}a nud permanent"
        )));
        assert!(ip(&format!(
            "-n {name} neigh replace {net}.1 lladdr {nobody} dev {name}b nud permanent"
        )));
    }

    fn host(&self, number: u8) -> Ipv4Addr {
        format!("{}.{number}", self.net).parse().unwrap()
    }
}

/// A shell on the island that holds `count` connections, each of which has had one reply.
struct Castaways(Child);

impl Castaways {
    fn gather(island: &Island, address: SocketAddr, count: usize) -> Self {
        let (host, port) = (address.ip(), address.port());
        let script = format!(
            "for i in $(seq {count}); do exec {{fd}}<>/dev/tcp/{host}/{port}; \
             printf 'PING\\r\\n' >&$fd; read -r reply <&$fd; done; echo gathered; sleep 600"
        );
        let mut child = Command::new("ip")
            .args(["netns", "exec", &island.name, "bash", "-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let castaways = Self(child);
        assert_eq!(line, "gathered\n");
        castaways
    }
}

impl Drop for Castaways {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        ip(&format!("link del {}a", self.name));
        ip(&format!("netns del {}", self.name));
    }
}

fn ip(args: &str) -> bool {
    let output = Command::new("ip").args(args.split(' ')).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_host_that_vanishes_without_a_word_is_replaced() {
    if !is_root() {
        return skip("partition", "network namespaces need root");
    }
    let Some(island) = Island::raise("") else {
        return skip("partition", "`ip netns` does not work here");
    };
    let bed = Bed::builder()
        .island(&island.name, island.host(2), island.host(1))
        .start();
    let proxy = Proxy::for_bed(&bed)
        .flag("--hold-timeout", "15s")
        .start_ready();
    let inside = SocketAddr::from((island.host(2), bed.server(0).port()));
    assert_eq!(proxy.primary(), Some(inside));
    let mut waiting = proxy.connect();
    assert!(waiting.call(&["SET", "k", "v"]).is_ok());
    island.sink();
    let sunk = Start::now();
    waiting.send(&["SET", "k", "into the sea"]).unwrap();
    wait_until(SOON, "the silence is noticed", || proxy.gate_is("shut"));
    let mut newcomer = Client::connect(proxy.addr());
    newcomer.send(&["SET", "k", "new"]).unwrap();
    let reply = newcomer.reply().unwrap();
    assert!(reply.is_ok(), "{reply:?}");
    sunk.within(Duration::from_secs(30));
    let told = waiting.reply_within(SOON).unwrap();
    let uncertain = told
        .error()
        .is_some_and(|text| text.starts_with("UNCERTAIN"));
    assert!(uncertain, "{told:?}");
    let now = eventually(SOON, "it serves from another node", || {
        proxy.primary().filter(|address| *address != inside)
    });
    assert_eq!(now.ip(), island.host(1));
}

#[test]
fn clients_that_vanish_without_a_word_are_let_go() {
    if !is_long() {
        return skip(
            "vanished clients",
            "takes 90 s of keepalive; `make soak` runs it",
        );
    }
    if !is_root() {
        return skip("vanished clients", "network namespaces need root");
    }
    let Some(island) = Island::raise("v") else {
        return skip("vanished clients", "`ip netns` does not work here");
    };
    let bed = Bed::builder().replicas(0).sentinels(1).start();
    let outside = format!("{}:0", island.host(1));
    let proxy = Proxy::for_bed(&bed)
        .flag("--listen", &outside)
        .start_ready();
    let address = proxy
        .listeners("clients")
        .into_iter()
        .find(|address| address.ip() == island.host(1));
    proxy.connect().call(&["PING"]);
    let before = proxy.descriptors();
    let castaways = Castaways::gather(&island, address.unwrap(), 100);
    assert!(
        proxy.descriptors() >= before + 200,
        "a client and a link each"
    );
    island.sink();
    let sunk = Start::now();
    // The first probe after 60 s, then three 10 s apart (net.rs).
    wait_until(Duration::from_secs(120), "all are let go", || {
        proxy.descriptors() <= before + 2
    });
    eprintln!("100 vanished clients let go after {:?}", sunk.elapsed());
    drop(castaways);
}

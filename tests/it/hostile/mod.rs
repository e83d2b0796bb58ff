//! Goal: whatever hostile clients do, honest ones hardly notice, and the process keeps within its
//! bounds. Method: two honest crowds, one behind the proxy and one at the server itself, work in turns
//! while one attack at a time is made on the entrance that is theirs; latencies are compared turn by
//! turn.
//!
//! In `make test` each attack lasts a second, and of latencies only stalls are judged: other tests run
//! beside it. `make soak` runs it alone and for longer, and writes the table to `results/hostile.md`.

mod attacks;
mod crowd;
mod holding;
mod table;

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use steadfast::config::raise_descriptor_limit;

use crate::bed::{Bed, free_port};
use crate::client::Client;
use crate::pki::{LOCAL, Pki};
use crate::proxy::{Proxy, is_optimised};
use crate::soak::{is_long, soak};

use attacks::{Attack, Loot};
use crowd::{Crowd, Work};
use table::{Row, Table};

/// What never-reading clients ask for.
const BIG: usize = 1 << 20;
/// How long an attack goes on before honest clients are measured.
const LEAD: Duration = Duration::from_millis(300);
/// Latencies differ by this much for no reason that matters here; or where other tests run beside.
const NOISE: Duration = Duration::from_millis(1);
const STALL: Duration = Duration::from_secs(2);
/// So many times what it is directly the p99 of honest clients may be.
const WORSE_MAX: u32 = 2;

/// Where clients connect, plain and with TLS.
#[derive(Clone, Copy)]
pub(super) struct Entrance {
    plain: SocketAddr,
    secured: SocketAddr,
}

/// A proxy and a server, each with a port for TLS beside the plain one.
struct Scene {
    bed: Bed,
    proxy: Proxy,
    through: Entrance,
    direct: Entrance,
    _pki: Pki,
}

impl Scene {
    fn new() -> Self {
        let pki = Pki::new();
        let pair = pki.issue(&LOCAL);
        let tls_port = free_port();
        let files = format!(
            "tls-port {tls_port}\ntls-auth-clients no\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}",
            pair.cert.display(),
            pair.key.display(),
            pki.ca().display(),
        );
        let bed = Bed::builder()
            .replicas(0)
            .sentinels(1)
            .down_after(60_000)
            .server_line("maxclients 16000")
            .server_line(&files)
            .start();
        let proxy = Proxy::for_bed(&bed)
            .flag("--listen-tls-cert-file", &pair.cert)
            .flag("--listen-tls-key-file", &pair.key)
            .flag("--listen-tls", "127.0.0.1:0")
            .start_ready();
        let through = Entrance {
            plain: proxy.addr(),
            secured: proxy.listeners("clients_tls")[0],
        };
        let direct = Entrance {
            plain: bed.primary().addr(),
            secured: SocketAddr::from(([127, 0, 0, 1], tls_port)),
        };
        let value = "v".repeat(BIG);
        assert!(proxy.connect().call(&["SET", "big", &value]).is_ok());
        Self {
            bed,
            proxy,
            through,
            direct,
            _pki: pki,
        }
    }
}

/// What one attack brought about, over all turns.
#[derive(Default)]
struct Result {
    through: Work,
    direct: Work,
    loot: Loot,
    peak_kib: u64,
}

#[test]
fn attacks_cost_honest_clients_little() {
    raise_descriptor_limit();
    let scene = Scene::new();
    let (through, direct) = (
        Crowd::start(scene.through.plain, "p"),
        Crowd::start(scene.direct.plain, "d"),
    );
    let mut table = Table::default();
    let quiet = measure(&scene, &through, &direct, None);
    table.add(Row::of(None, &quiet, 0, 0));
    for attack in attacks::all() {
        let before = settled(&scene.proxy);
        let result = measure(&scene, &through, &direct, Some(&attack));
        let above = result.peak_kib.saturating_sub(before);
        table.add(Row::of(Some(&attack), &result, above, attack.most_kib()));
    }
    eprintln!("{table}");
    if is_long() {
        table.save("hostile.md");
    }
    drop((through, direct));
    assert!(scene.proxy.is_alive() && !scene.bed.primary().role().is_empty());
    table.judge(is_long() && is_optimised());
}

/// Turns of both crowds under the same attack.
fn measure(scene: &Scene, through: &Crowd, direct: &Crowd, attack: Option<&Attack>) -> Result {
    let mut result = Result::default();
    let turn = Duration::from_millis(soak(3000, 600).try_into().unwrap());
    for _ in 0..soak(5, 1) {
        let (loot, peak) = under(attack, scene.through, Some(&scene.proxy), || {
            result.through.add(through.work(turn));
        });
        result.loot.add(loot);
        result.peak_kib = result.peak_kib.max(peak);
        under(attack, scene.direct, None, || {
            result.direct.add(direct.work(turn));
        });
    }
    result
}

/// Runs `work` while `attack` goes on; returns what that got, and the most memory of the proxy.
fn under(
    attack: Option<&Attack>,
    entrance: Entrance,
    proxy: Option<&Proxy>,
    work: impl FnOnce(),
) -> (Loot, u64) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let attacker = attack.map(|attack| scope.spawn(|| attack.run(entrance, &stop)));
        let watcher = proxy.map(|proxy| scope.spawn(|| peak(proxy, &stop)));
        attack.into_iter().for_each(Attack::wait_begun);
        thread::sleep(LEAD);
        work();
        stop.store(true, Ordering::Relaxed);
        (
            attacker.map_or_else(Loot::default, |it| it.join().unwrap()),
            watcher.map_or(0, |it| it.join().unwrap()),
        )
    })
}

fn peak(proxy: &Proxy, stop: &AtomicBool) -> u64 {
    let mut most = 0;
    while !stop.load(Ordering::Relaxed) {
        most = most.max(proxy.rss_kib());
        thread::sleep(Duration::from_millis(20));
    }
    most
}

/// Memory of the proxy once the last attack's clients are gone.
fn settled(proxy: &Proxy) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(20);
    let honest = u64::try_from(crowd::CLIENTS).unwrap();
    while proxy.status()["totals"]["clients"].as_u64() > Some(honest) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(100));
    }
    proxy.rss_kib()
}

/// A connection of an attacker's, which may not come about.
fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

/// A connection of an honest client's.
fn honest(address: SocketAddr) -> Client {
    Client::connect(address)
}

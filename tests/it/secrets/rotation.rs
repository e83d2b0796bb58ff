//! Every password is replaced under load, in both orders, and nobody notices.

use std::time::Instant;

use super::{NOTICED, SOON, Volume, settle, with_link_of_its_own};
use crate::bed::{Bed, FAILOVER_LIMIT, Node, Start, wait_until};
use crate::client::Client;
use crate::proxy::Proxy;
use crate::writer::{Account, Writer};

const WRITERS: usize = 4;
/// What logs in with a password from a file: for clients, for the role checks, at the Sentinels.
const NAMES: [&str; 3] = ["app", "control", "watch"];

fn bed() -> Bed {
    Bed::builder()
        .requirepass("admin")
        .user("app", "on >old ~* &* +@all -@dangerous")
        .user("control", "on >old -@all +ping +role +info +hello +command")
        .sentinel_user("watch", "on >old ~* &* +@all")
        .start()
}

fn proxy(bed: &Bed, volume: &Volume) -> Proxy {
    Proxy::for_bed(bed)
        .flag("--username", "app")
        .flag("--password-file", volume.at("app"))
        .flag("--control-username", "control")
        .flag("--control-password-file", volume.at("control"))
        .flag("--sentinel-username", "watch")
        .flag("--sentinel-password-file", volume.at("watch"))
        .start_ready()
}

/// Changes the passwords of all users at all nodes.
#[track_caller]
fn change(bed: &Bed, rule: &str) {
    let set = |node: &Node, user: &str| {
        let reply = node.command(&["ACL", "SETUSER", user, rule]);
        assert!(reply.is_ok(), "{reply:?}");
    };
    for index in 0..3 {
        set(bed.server(index), "app");
        set(bed.server(index), "control");
    }
    bed.sentinels().iter().for_each(|one| set(one, "watch"));
}

/// The load, and clients that were there all the time.
struct Crowd {
    writers: Vec<Writer>,
    veterans: Vec<Client>,
    began: Instant,
}

impl Crowd {
    fn gather(proxy: &Proxy) -> Self {
        let writer = |nth| Writer::start(proxy.addr(), &format!("w{nth}"));
        Self {
            writers: (0..WRITERS).map(writer).collect(),
            veterans: (0..WRITERS).map(|_| with_link_of_its_own(proxy)).collect(),
            began: Instant::now(),
        }
    }

    /// All are served, and so is who comes now.
    #[track_caller]
    fn is_served(&mut self, proxy: &Proxy) {
        self.writers.iter().for_each(|writer| writer.wait_acks(5));
        self.veterans.push(with_link_of_its_own(proxy));
        for client in &mut self.veterans {
            assert_eq!(client.call(&["ACL", "WHOAMI"]).text(), "app");
        }
    }

    /// Ends it: nobody was closed, told an error, or lost what was acknowledged. Where the machine stood
    /// still when a failover began, what was under way may be uncertain, and only that.
    #[track_caller]
    fn disperse(self, proxy: &Proxy, primary: &Node) {
        let in_time = proxy.events("could_not_quiesce").is_empty();
        let accounts: Vec<Account> = self.writers.into_iter().map(Writer::stop).collect();
        for account in accounts {
            assert!(account.closes.is_empty(), "{:?}", account.closes);
            let excused = |text: &str| !in_time && text.starts_with("UNCERTAIN");
            let errors = account.errors.iter().map(|(_, text)| text.as_str());
            let errors: Vec<_> = errors.filter(|text| !excused(text)).collect();
            assert!(errors.is_empty(), "{errors:?}");
            let lost = account.lost_since(primary, self.began);
            assert!(lost.is_empty() || !in_time, "{lost:?}");
        }
    }
}

/// Moves the primary; the proxy is to follow it with what is verified by its control user.
#[track_caller]
fn fail_over(bed: &Bed, proxy: &Proxy) {
    let new = bed.failover();
    proxy.wait_primary(FAILOVER_LIMIT, new.addr());
    settle(bed, new);
}

/// Ends all connections to the Sentinels; ours come back.
#[track_caller]
fn cut_sentinels(bed: &Bed) {
    for sentinel in bed.sentinels() {
        for kind in ["normal", "pubsub"] {
            sentinel.command(&["CLIENT", "KILL", "TYPE", kind]);
        }
        wait_until(SOON, "we log in again, to ask and to listen", || {
            let listed = sentinel.command(&["CLIENT", "LIST"]).text();
            listed.matches("user=watch").count() == 2
        });
    }
}

#[track_caller]
fn wait_renewed(proxy: &Proxy) {
    wait_until(NOTICED, "all files were read again", || {
        proxy.events("password_renewed").len() == NAMES.len()
    });
}

#[test]
fn the_file_first_then_the_servers() {
    let bed = bed();
    let volume = Volume::new(&bed, &NAMES, "old\n");
    let proxy = proxy(&bed, &volume);
    let mut crowd = Crowd::gather(&proxy);
    volume.publish("2", &NAMES, "new\r\n");
    wait_renewed(&proxy);
    // The servers know nothing of it: what was valid before is tried as well, also at a new primary.
    crowd.is_served(&proxy);
    cut_sentinels(&bed);
    fail_over(&bed, &proxy);
    crowd.is_served(&proxy);
    change(&bed, ">new");
    change(&bed, "<old");
    cut_sentinels(&bed);
    fail_over(&bed, &proxy);
    crowd.is_served(&proxy);
    assert!(proxy.events("login_failed").is_empty());
    crowd.disperse(&proxy, bed.primary());
}

#[test]
fn the_servers_first_then_the_file() {
    let bed = bed();
    let volume = Volume::new(&bed, &NAMES, "old\n");
    let proxy = proxy(&bed, &volume);
    let mut crowd = Crowd::gather(&proxy);
    change(&bed, ">new");
    volume.publish("2", &NAMES, "new\n");
    // Before anybody can have looked: the first refusal has the file read.
    let began = Start::now();
    change(&bed, "<old");
    crowd.is_served(&proxy);
    began.within(NOTICED / 5);
    cut_sentinels(&bed);
    fail_over(&bed, &proxy);
    crowd.is_served(&proxy);
    wait_renewed(&proxy);
    crowd.disperse(&proxy, bed.primary());
}

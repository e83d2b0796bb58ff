//! Goal: no reader ever mixes two generations, and no worker acts on a new one while another still
//! acts on the old. Method: real threads, many switches, and a record of the newest generation
//! anybody has acted on.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use super::*;

const WORKERS: usize = 3;
const SWITCHES: u64 = 300;
const LONG: Duration = Duration::from_secs(60);

/// A primary that tells its generation by its port and epoch.
fn primary(generation: u64) -> Primary {
    Primary {
        address: HostPort::new(
            "127.0.0.1",
            u16::try_from(generation).expect("few generations"),
        ),
        epoch: generation,
        role_verified: true,
        knows_capa: false,
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(future)
}

/// The newest generation anybody has acted on, and how often anybody has.
#[derive(Default)]
struct Record {
    newest: AtomicU64,
    actions: AtomicUsize,
}

impl Record {
    /// Acts on a generation; nobody may have acted on a newer one before or meanwhile.
    fn act(&self, generation: u64) {
        for _ in 0..2 {
            let newest = self.newest.fetch_max(generation, Ordering::SeqCst);
            assert!(newest <= generation, "acted on {generation} after {newest}");
            thread::yield_now();
        }
        self.actions.fetch_add(1, Ordering::SeqCst);
    }
}

/// Stops the other threads at the end of a test, a failed one included.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A worker as the data path is one: it acts by its own snapshot, and confirms between actions.
async fn work(mut view: View, record: &Record, stop: &AtomicBool, mut idle: impl FnMut()) {
    let lease = view.lease_check();
    let mut mine = view.load();
    while !stop.load(Ordering::SeqCst) {
        tokio::select! {
            biased;
            () = view.changed() => {
                mine = view.load();
                view.confirm(&mine);
            }
            () = tokio::task::yield_now() => {
                if mine.gate == Gate::Open && lease.passes(&mine, Instant::now()) {
                    record.act(mine.generation);
                } else {
                    idle();
                }
            }
        }
    }
}

#[test]
fn no_worker_acts_on_the_new_primary_while_another_acts_on_the_old() {
    let (publisher, views) = Publisher::new(WORKERS, LONG);
    let (record, stop) = (Record::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        for view in views {
            scope.spawn(|| block_on(work(view, &record, &stop, || {})));
        }
        block_on(async {
            for generation in 1..=SWITCHES {
                publisher
                    .switch(primary(generation), Instant::now() + LONG)
                    .await;
                let before = record.actions.load(Ordering::SeqCst);
                while record.actions.load(Ordering::SeqCst) == before {
                    thread::yield_now();
                }
                if generation % 7 == 0 {
                    publisher.shut().await;
                    publisher.open_in_place(Instant::now() + LONG);
                }
            }
        });
    });
    assert_eq!(record.newest.load(Ordering::SeqCst), SWITCHES);
}

#[test]
fn a_starved_worker_is_waited_for_until_its_lease_ran_out_and_then_does_nothing() {
    let (publisher, mut views) = Publisher::new(2, LONG);
    // The first switch waits in vain for the starved worker to restore anything.
    let lease = Duration::from_millis(500);
    let starved = views.pop().expect("two views");
    let (record, stop) = (Record::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        let view = views.pop().expect("two views");
        scope.spawn(|| block_on(work(view, &record, &stop, || {})));
        block_on(async {
            publisher.switch(primary(1), Instant::now() + lease).await;
            let (old, check) = (starved.load(), starved.lease_check());
            assert!(check.passes(&old, Instant::now()));
            let waited = publisher.switch(primary(2), Instant::now() + LONG).await;
            assert!(waited > lease / 2, "{waited:?}");
            assert!(!check.passes(&old, Instant::now()), "it never confirmed");
            assert!(check.passes(&starved.load(), Instant::now()));
        });
    });
}

#[test]
fn no_reader_mixes_two_generations() {
    let (publisher, views) = Publisher::new(0, LONG);
    assert!(views.is_empty());
    let (handle, stop) = (publisher.handle(), AtomicBool::new(false));
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last: Option<Arc<Topology>> = None;
                while !stop.load(Ordering::SeqCst) {
                    let now = Arc::clone(&handle.load());
                    let named = now.primary.as_ref().map_or(0, |primary| primary.epoch);
                    assert_eq!(named, now.generation);
                    let port = now
                        .primary
                        .as_ref()
                        .map_or(0, |primary| primary.address.port);
                    assert_eq!(u64::from(port), now.generation);
                    assert!(now.gate == Gate::Shut || now.generation > 0);
                    if let Some(last) = last.filter(|last| last.generation != now.generation) {
                        assert!(last.is_superseded(), "a newer one is out");
                        assert!(last.generation < now.generation);
                    }
                    last = Some(now);
                }
            });
        }
        block_on(async {
            for generation in 1..=SWITCHES * 10 {
                publisher
                    .switch(primary(generation), Instant::now() + LONG)
                    .await;
            }
        });
    });
}

#[test]
fn a_renewal_wakes_a_worker_whose_lease_had_run_out() {
    block_on(async {
        let (publisher, mut views) = Publisher::new(1, LONG);
        let mut view = views.pop().expect("one view");
        publisher.switch(primary(1), Instant::now()).await;
        view.changed().await;
        let mine = view.load();
        let check = view.lease_check();
        assert!(publisher.lease_expired());
        assert!(!check.passes(&mine, Instant::now()));
        publisher.renew(Instant::now() + LONG);
        view.changed().await;
        assert!(check.passes(&mine, Instant::now()));
    });
}

#[test]
fn only_a_look_sent_since_proves_and_its_renewal_wakes() {
    block_on(async {
        let (publisher, mut views) = Publisher::new(1, LONG);
        let mut view = views.pop().expect("one view");
        let earlier = Instant::now();
        publisher.switch(primary(1), earlier + LEASE).await;
        view.changed().await;
        let (mine, check) = (view.load(), view.lease_check());
        let noticed = earlier + Duration::from_millis(10);
        assert!(check.proven_since(&mine, earlier - Duration::from_millis(1)));
        assert!(!check.proven_since(&mine, noticed));
        publisher.renew(noticed - Duration::from_millis(1) + LEASE);
        view.changed().await;
        assert!(!check.proven_since(&mine, noticed), "sent before it");
        publisher.renew(noticed + Duration::from_millis(1) + LEASE);
        view.changed().await;
        assert!(check.proven_since(&mine, noticed));
    });
}

#[test]
fn after_a_pause_only_a_lease_renewed_since_counts() {
    block_on(async {
        let (publisher, views) = Publisher::new(1, LONG);
        publisher.switch(primary(1), Instant::now() + LEASE).await;
        let check = views[0].lease_check();
        let (mine, started) = (publisher.load(), Instant::now());
        assert!(check.passes(&mine, started));
        let woken = started + PAUSE_MAX + Duration::from_millis(1);
        assert!(check.look(woken), "that was a pause");
        assert!(mine.lease_valid(woken) && !check.passes(&mine, woken));
        // Proved by a heartbeat sent before the thread woke, then by one sent after.
        publisher.renew(woken - Duration::from_millis(1) + LEASE);
        assert!(!check.passes(&mine, woken));
        publisher.renew(woken + Duration::from_millis(1) + LEASE);
        assert!(check.passes(&mine, woken));
        assert!(!check.look(woken + PAUSE_MAX), "a short one is none");
    });
}

#[test]
fn the_outage_began_when_the_gate_was_shut_not_when_the_switch_came() {
    block_on(async {
        let (publisher, _views) = Publisher::new(0, LONG);
        publisher.switch(primary(1), Instant::now() + LONG).await;
        publisher.shut().await;
        let shut = publisher.load().gate_since;
        publisher.shut().await;
        assert_eq!(publisher.load().gate_since, shut);
        publisher.open_in_place(Instant::now() + LONG);
        assert_eq!(publisher.load().generation, 1);
        assert!(!publisher.load().is_superseded());
    });
}

#[test]
fn a_learned_epoch_changes_neither_generation_nor_gate() {
    block_on(async {
        let (publisher, _views) = Publisher::new(0, LONG);
        publisher.set_epoch(4);
        assert_eq!(publisher.load().primary, None);
        publisher.switch(primary(1), Instant::now() + LONG).await;
        publisher.quiesce();
        publisher.set_epoch(4);
        let now = publisher.load();
        assert_eq!((now.generation, now.gate), (1, Gate::Quiescing));
        assert_eq!(now.primary.as_ref().map(|primary| primary.epoch), Some(4));
        assert!(now.lease_valid(Instant::now()) && !now.is_superseded());
    });
}

#[test]
fn what_a_primary_says_of_its_commands_holds_until_another_was_asked() {
    let (publisher, views) = Publisher::new(0, LONG);
    let declaring = |name: &str| Arc::new(Commands::declaring(&[name.to_owned()]));
    let commands = || publisher.load().commands.clone();
    block_on(publisher.switch(primary(1), Instant::now() + LONG));
    publisher.set_commands(1, declaring("A"));
    assert_eq!(commands(), declaring("A"));
    block_on(publisher.switch(primary(2), Instant::now() + LONG));
    assert_eq!(commands(), declaring("A"));
    publisher.set_commands(1, declaring("B"));
    assert_eq!(commands(), declaring("A"), "the word of a former primary");
    publisher.set_commands(2, declaring("C"));
    assert_eq!(commands(), declaring("C"));
    drop(views);
}

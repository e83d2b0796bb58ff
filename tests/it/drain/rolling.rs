//! Instances replaced one after the other, behind a balancer that chooses one for each new connection, as
//! a Kubernetes Service does, and touches nothing of what goes over it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::bed::{Bed, wait_until};
use crate::proxy::Proxy;

use super::crowd::{Crowd, check};
use super::{SOON, told};

/// Takes turns among those it believes to be well.
#[derive(Default)]
struct Balancer {
    well: Mutex<Vec<SocketAddr>>,
    turn: AtomicUsize,
}

impl Balancer {
    fn choose(&self) -> Option<SocketAddr> {
        let well = self.well.lock().unwrap();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        well.get(turn % well.len().max(1)).copied()
    }

    fn put_in(&self, proxy: &Proxy) {
        self.well.lock().unwrap().push(proxy.addr());
    }

    fn take_out(&self, proxy: &Proxy) {
        self.well.lock().unwrap().retain(|it| *it != proxy.addr());
    }
}

fn instance(bed: &Bed) -> Proxy {
    Proxy::for_bed(bed)
        .flag("--drain-delay", "2s")
        .flag("--drain-timeout", "600s")
        .start_ready()
}

#[test]
fn a_rolling_restart_costs_no_request() {
    let bed = Bed::lonely();
    let balancer = Arc::new(Balancer::default());
    let mut instances: Vec<_> = (0..2).map(|_| instance(&bed)).collect();
    instances.iter().for_each(|it| balancer.put_in(it));
    let chooser = balancer.clone();
    let crowd = Crowd::start(Arc::new(move || chooser.choose()));
    crowd.wait_served();
    for place in &mut instances {
        let next = instance(&bed);
        balancer.put_in(&next);
        let old = std::mem::replace(place, next);
        old.terminate();
        // The balancer hears of it late: until then clients are sent to one that drains.
        wait_until(SOON, "it drains", || !old.events("stopping").is_empty());
        balancer.take_out(&old);
        assert_eq!(told(&old).1, 0);
        crowd.wait_served();
    }
    let all = crowd.stop();
    check(&all, &bed);
    let closed: u64 = all.iter().map(|seen| seen.closed).sum();
    assert!(closed > 0, "nobody was moved");
}

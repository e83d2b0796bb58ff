//! Free ports, and how many deployments may exist at the same time.
//!
//! Ports come from below the range the kernel uses for outgoing connections: a node that is
//! killed must find its port free when it restarts, and a client that dials a dead node must not
//! be able to connect to itself.

use std::net::TcpListener;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

/// Deployments at the same time; each is about six processes.
const MAX_BEDS: usize = 3;
const FIRST_PORT: u16 = 10_000;
const LAST_PORT: u16 = 32_000;

static NEXT: OnceLock<Mutex<u16>> = OnceLock::new();
static BEDS: Mutex<usize> = Mutex::new(0);
static BED_GONE: Condvar = Condvar::new();

/// A loopback port that nobody listens on and that this process hands out only once.
pub(crate) fn free_port() -> u16 {
    let span = u32::from(LAST_PORT - FIRST_PORT);
    let start = || {
        // Processes that run at the same time start at different places.
        let offset = std::process::id().wrapping_mul(7919) % span;
        Mutex::new(FIRST_PORT + u16::try_from(offset).unwrap_or(0))
    };
    let mut next = NEXT
        .get_or_init(start)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    for _ in 0..span {
        let port = *next;
        *next = if port >= LAST_PORT {
            FIRST_PORT
        } else {
            port + 1
        };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST_PORT} and {LAST_PORT}");
}

/// The right to run one deployment; given back on drop.
pub(crate) struct Permit(usize);

impl Permit {
    /// Waits until fewer than the allowed number of deployments run.
    pub(crate) fn take() -> Self {
        Self::of(1)
    }

    /// Waits until no deployment runs, and lets none start: for what measures time.
    pub(crate) fn take_all() -> Self {
        Self::of(MAX_BEDS)
    }

    /// Two rights, taken at the same time: tests that each hold one and want another would wait for each
    /// other.
    #[allow(
        dead_code,
        reason = "those who share this file have no use for all of it"
    )]
    pub(crate) fn take_two() -> [Self; 2] {
        reserve(2);
        [Self(1), Self(1)]
    }

    fn of(count: usize) -> Self {
        reserve(count);
        Self(count)
    }
}

fn reserve(count: usize) {
    let mut running = BEDS.lock().unwrap_or_else(PoisonError::into_inner);
    while *running + count > MAX_BEDS {
        running = BED_GONE
            .wait(running)
            .unwrap_or_else(PoisonError::into_inner);
    }
    *running += count;
}

impl Drop for Permit {
    fn drop(&mut self) {
        *BEDS.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        BED_GONE.notify_all();
    }
}

//! The process itself: what it is, what it uses, and what it holds that expires. The names that begin
//! with `process_` are those of every Prometheus client.

use std::fs;
use std::sync::OnceLock;
use std::time::SystemTime;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::reload::Content;

use super::Kind::{Counter, Gauge};
use super::failovers::timestamp;
use super::text::Samples;
use super::{Family, Scrape};

pub(super) const BUILD: &[Family] = &[Family {
    name: "steadfast_build_info",
    kind: Gauge,
    labels: &["version", "target"],
    help: "1; what runs here.",
    collect: |_, out| {
        let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        out.labelled(&[env!("CARGO_PKG_VERSION"), &target], true);
    },
}];

pub(super) const CERTIFICATES: &[Family] = &[
    Family {
        name: "steadfast_tls_certificate_not_after_timestamp_seconds",
        kind: Gauge,
        labels: &["leg", "part"],
        help: "When what a leg with TLS uses ends: its certificate, the first of its chain to do so; \
           the CAs of its file, the last of them to do so.",
        collect: certificates,
    },
    Family {
        name: "steadfast_tls_handshakes_total",
        kind: Counter,
        labels: &["leg", "kind"],
        help: "Handshakes completed, by leg: full, or resumed by those who knew each other.",
        collect: |scrape, out| {
            for (leg, counts) in scrape.front.tls.handshakes() {
                out.labelled(&[leg.name(), "full"], counts.full);
                out.labelled(&[leg.name(), "resumed"], counts.resumed);
            }
        },
    },
];

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "steadfast_config_reloads_total",
        kind: Counter,
        labels: &["kind", "result"],
        help: "Times that files named by settings had something new, which was taken over or could not be used.",
        collect: |scrape, out| {
            for content in Content::ALL {
                let counts = scrape.state.reloads.of(content);
                out.labelled(&[content.label(), "ok"], counts.taken);
                out.labelled(&[content.label(), "error"], counts.refused);
            }
        },
    },
    Family {
        name: "steadfast_config_last_reload_successful",
        kind: Gauge,
        labels: &["kind"],
        help: "1 unless what is in a file now cannot be used and the old is kept.",
        collect: |scrape, out| {
            for content in Content::ALL {
                out.labelled(
                    &[content.label()],
                    scrape.state.reloads.of(content).all_good,
                );
            }
        },
    },
    Family {
        name: "steadfast_config_last_reload_success_timestamp_seconds",
        kind: Gauge,
        labels: &["kind"],
        help: "When something new was last taken over; 0 if it never was.",
        collect: |scrape, out| {
            for content in Content::ALL {
                let last = scrape.state.reloads.of(content).last_taken;
                out.labelled(&[content.label()], timestamp(last));
            }
        },
    },
    Family {
        name: "process_cpu_seconds_total",
        kind: Counter,
        labels: &[],
        help: "User and system time used.",
        collect: |_, out| {
            let used = clock_gettime(ClockId::ProcessCPUTime);
            // Seconds and nanoseconds of a running process are exact as f64.
            #[allow(clippy::cast_precision_loss, reason = "2^53 seconds are never used")]
            out.value(used.tv_sec as f64 + used.tv_nsec as f64 / 1e9);
        },
    },
    Family {
        name: "process_resident_memory_bytes",
        kind: Gauge,
        labels: &[],
        help: "Resident memory.",
        collect: |_, out| out.value(resident_kib().saturating_mul(1024)),
    },
    Family {
        name: "process_open_fds",
        kind: Gauge,
        labels: &[],
        help: "Open file descriptors.",
        collect: |_, out| out.value(open_descriptors()),
    },
    Family {
        name: "process_max_fds",
        kind: Gauge,
        labels: &[],
        help: "File descriptors that may be open.",
        collect: |_, out| out.value(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)),
    },
    Family {
        name: "process_start_time_seconds",
        kind: Gauge,
        labels: &[],
        help: "When the process began, in seconds since 1970.",
        collect: |scrape, out| out.value(started(scrape)),
    },
];

fn certificates(scrape: &Scrape<'_>, out: &mut Samples<'_>) {
    for (leg, expiry) in scrape.front.tls.expiries() {
        let parts = [("certificate", expiry.certificate), ("ca", expiry.ca)];
        for (part, end) in parts {
            if let Some(end) = end {
                // Not beyond the year 9999.
                #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
                out.labelled(&[leg.name(), part], end as f64);
            }
        }
    }
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Linux tells it as the size of the directory since 6.2; before, it has to be read.
fn open_descriptors() -> u64 {
    const PATH: &str = "/proc/self/fd";
    match fs::metadata(PATH).map_or(0, |directory| directory.len()) {
        0 => fs::read_dir(PATH).map_or(0, |entries| entries.count() as u64),
        told => told,
    }
}

/// Told once, lest a clock that is set makes it look like another process.
fn started(scrape: &Scrape<'_>) -> f64 {
    static STARTED: OnceLock<f64> = OnceLock::new();
    *STARTED.get_or_init(|| {
        let uptime = scrape.state.started.elapsed();
        timestamp(SystemTime::now().checked_sub(uptime))
    })
}

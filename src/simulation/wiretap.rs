//! Hears every byte that is written, and checks at that very moment what must hold of it: commands of
//! clients go only to the verified primary of the newest epoch, under a valid lease, and none that
//! its client has given up on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use tokio::time::Instant;

use crate::net::HostPort;
use crate::topology::Handle;

/// Stands before the number of every command of a client, and nowhere else.
pub(crate) const MARK: u8 = b'@';

/// The ear, and what it has noticed.
#[derive(Debug)]
pub(crate) struct Wiretap {
    began: Instant,
    /// What the proxy believes; none before it runs.
    pub(crate) handle: Option<Handle>,
    pub(crate) nodes: Vec<SocketAddr>,
    tails: BTreeMap<u64, Vec<u8>>,
    /// Commands that were completely written to a node.
    pub(crate) passed: BTreeSet<u64>,
    /// Commands whose clients left while they were held.
    pub(crate) forbidden: BTreeSet<u64>,
    epoch: u64,
    pub(crate) violations: Vec<String>,
    /// One number for each write: the same story has the same.
    pub(crate) trace: Vec<u64>,
}

impl Wiretap {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            handle: None,
            nodes: Vec::new(),
            tails: BTreeMap::new(),
            passed: BTreeSet::new(),
            forbidden: BTreeSet::new(),
            epoch: 0,
            violations: Vec::new(),
            trace: Vec::new(),
        }
    }

    pub(super) fn written(&mut self, id: u64, side: usize, to: SocketAddr, bytes: &[u8]) {
        let at = self.began.elapsed().as_millis().to_le_bytes();
        let who = [id.to_le_bytes(), (side as u64).to_le_bytes()].concat();
        self.trace.push(fingerprint(&[&at, &who, bytes]));
        if side == 0 && self.nodes.contains(&to) && bytes.contains(&MARK) {
            self.check(to, bytes);
        }
        if side == 0 && self.nodes.contains(&to) {
            self.note(id, bytes);
        }
    }

    fn check(&mut self, to: SocketAddr, bytes: &[u8]) {
        let Some(handle) = &self.handle else { return };
        let topology = handle.load();
        let (primary, epoch) = match &topology.primary {
            Some(primary) => (Some(&primary.address), primary.epoch),
            None => (None, 0),
        };
        let text = String::from_utf8_lossy(bytes).replace("\r\n", " ");
        let at = self.began.elapsed().as_millis();
        if primary != Some(&HostPort::from(to)) {
            let wrong = format!("{at} ms: {text} went to {to}, the primary is {primary:?}");
            self.violations.push(wrong);
        }
        if !topology.lease_valid(Instant::now()) {
            let wrong = format!("{at} ms: {text} went to {to} without a lease");
            self.violations.push(wrong);
        }
        if epoch < self.epoch {
            let wrong = format!(
                "{at} ms: {text} went out at epoch {epoch} after {}",
                self.epoch
            );
            self.violations.push(wrong);
        }
        self.epoch = self.epoch.max(epoch);
    }

    /// Finds the numbers of the commands that are complete now.
    fn note(&mut self, id: u64, bytes: &[u8]) {
        let tail = self.tails.entry(id).or_default();
        tail.extend_from_slice(bytes);
        while let Some(end) = tail.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = tail.drain(..=end).collect();
            let Some(token) = token(&line) else { continue };
            self.passed.insert(token);
            if self.forbidden.contains(&token) {
                let at = self.began.elapsed().as_millis();
                let wrong = format!("{at} ms: @{token} went out although its client had left");
                self.violations.push(wrong);
            }
        }
    }
}

/// The number of the command this argument belongs to.
pub(crate) fn token(argument: &[u8]) -> Option<u64> {
    let at = argument.iter().position(|byte| *byte == MARK)?;
    let text = std::str::from_utf8(argument.get(at + 1..)?).ok()?;
    text.trim_end().parse().ok()
}

/// FNV-1a.
fn fingerprint(parts: &[&[u8]]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let start = 0xcbf2_9ce4_8422_2325;
    parts.iter().flat_map(|part| part.iter()).fold(start, mix)
}

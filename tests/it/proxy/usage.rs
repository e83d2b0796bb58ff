//! What a running proxy uses: memory, processor time, descriptors.

use std::fs;

use super::Proxy;

impl Proxy {
    /// Resident memory in KiB.
    pub(crate) fn rss_kib(&self) -> u64 {
        self.proc_field("status", "VmRSS:")
    }

    /// The most resident memory it ever had, in KiB.
    pub(crate) fn peak_rss_kib(&self) -> u64 {
        self.proc_field("status", "VmHWM:")
    }

    /// User and system time used so far, in clock ticks.
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.pid()));
        let stat = stat.unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        // After the name: state is field 0, utime 11, stime 12.
        let fields = after_name.split_whitespace().skip(11).take(2);
        fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.pid())).map_or(0, Iterator::count)
    }

    fn proc_field(&self, file: &str, field: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.process.pid()));
        text.unwrap_or_default()
            .lines()
            .find_map(|line| {
                line.strip_prefix(field)?
                    .split_whitespace()
                    .next()?
                    .parse()
                    .ok()
            })
            .unwrap_or(0)
    }
}

//! What a process holds: it must not grow from fault to fault.

use std::fs;

use crate::support::checker::Checker;

/// Memory in kB, and open descriptors.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub rss_kb: u64,
    pub descriptors: usize,
}

/// What may come on top of what a process held soon after its start: connections under way, and
/// pages that were not touched before.
const SPARE: Held = Held {
    rss_kb: 4096,
    descriptors: 12,
};

pub fn held(checker: &Checker) -> Option<Held> {
    let pid = checker.daemon().pid();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(Held {
        rss_kb: line.split_whitespace().nth(1)?.parse().ok()?,
        descriptors: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count(),
    })
}

impl Held {
    pub fn is_flat_since(&self, before: &Held) -> bool {
        self.rss_kb <= before.rss_kb + SPARE.rss_kb
            && self.descriptors <= before.descriptors + SPARE.descriptors
    }
}

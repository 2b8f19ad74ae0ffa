//! The rules for blocking queries: which index to ask with next, and how often. Pure: the clock is
//! the caller's. (consul: api-docs/features/blocking)

use std::time::{Duration, Instant};

/// So often without a pause; a failover writes one or two keys of a prefix at a time.
const BURST: u32 = 2;
/// And then once each time this has passed.
const PERIOD: Duration = Duration::from_millis(50);

/// Keeps a key that changes all the time from making a busy loop of a blocking query: a token
/// bucket.
#[derive(Debug, Default)]
pub struct Bucket {
    /// When the bucket will be full again.
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes a token. Returns how long to wait before using it.
    pub fn take(&mut self, now: Instant) -> Duration {
        let until_full = self
            .full_at
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        self.full_at = now.checked_add(until_full + PERIOD);
        until_full.saturating_sub(PERIOD * (BURST - 1))
    }
}

/// The index to ask with next, after an answer that came before the wait was over or not.
///
/// One that went backwards (a deleted key) starts over, and 0 would not block at all. When a
/// snapshot is restored, Consul answers at once, but with what was there before and the same
/// index (consul: blockingQuery's AbandonCh); asked with that one again it would be silent for the
/// whole wait.
pub fn next_index(old: u64, new: u64, early: bool) -> u64 {
    match new.max(1) {
        new if new < old => 0,
        new if new == old && early => 0,
        new => new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_at_once_then_twenty_a_second_and_a_rest_fills_it_again() {
        let millis = Duration::from_millis;
        let start = Instant::now();
        let mut bucket = Bucket::default();
        let cases = [
            (0, 0),
            (0, 0),
            (0, 50),
            (50, 50),
            (100, 50),
            (110, 90),
            (1000, 0),
            (1000, 0),
            (1000, 50),
        ];
        for (at, wait) in cases {
            assert_eq!(bucket.take(start + millis(at)), millis(wait), "at {at}");
        }
    }

    #[test]
    fn the_index_goes_forward_and_starts_over_when_it_fell_or_an_answer_came_for_no_reason() {
        let cases = [
            (0, 5, true, 5),
            (5, 9, true, 9),
            (5, 9, false, 9),
            (5, 5, false, 5),
            (5, 5, true, 0),
            (9, 5, true, 0),
            (9, 5, false, 0),
            (0, 0, true, 1),
            (1, 0, false, 1),
            (1, 0, true, 0),
            (5, 0, false, 0),
        ];
        for (old, new, early, wanted) in cases {
            assert_eq!(next_index(old, new, early), wanted, "{old} {new} {early}");
        }
    }
}

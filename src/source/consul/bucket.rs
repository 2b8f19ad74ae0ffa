//! How often Consul may be asked: a key that changes all the time must not make a busy loop of a
//! blocking query. Pure: the clock is the caller's.

use std::time::{Duration, Instant};

/// So often without a pause; a failover writes one or two keys of a prefix at a time.
const BURST: u32 = 2;
/// And then once each time this has passed.
const PERIOD: Duration = Duration::from_millis(50);

/// A token bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// When the bucket will be full again.
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes a token. Returns how long to wait before using it.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        let until_full = self
            .full_at
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        self.full_at = now.checked_add(until_full + PERIOD);
        until_full.saturating_sub(PERIOD * (BURST - 1))
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
}

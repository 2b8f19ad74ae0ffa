//! How long to leave something alone that failed. Pure: the clock and the dice are the caller's.

use std::time::{Duration, Instant};

/// Pauses that double with every failure up to a cap, each a quarter longer or shorter at random,
/// so that many threads that failed together do not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    /// The next pause, before the jitter.
    next: Duration,
    /// When the current pause is over.
    until: Option<Instant>,
}

impl Backoff {
    /// Starts without a pause. The first failure costs `first`; no pause is longer than `cap`,
    /// jitter included.
    pub fn new(first: Duration, cap: Duration) -> Backoff {
        let first = first.min(cap);
        Backoff {
            first,
            cap,
            next: first,
            until: None,
        }
    }

    /// Starts a pause. `random` is any number from the whole range of `u64`.
    pub fn failed(&mut self, now: Instant, random: u64) {
        // A pause that reaches past the end of time is none; no cap in this program does.
        self.until = now.checked_add(jittered(self.next, random).min(self.cap));
        self.next = self.next.saturating_mul(2).min(self.cap);
    }

    /// Ends the pause and forgets the failures.
    pub fn succeeded(&mut self) {
        self.next = self.first;
        self.until = None;
    }

    /// Whether the pause is over.
    pub fn ready(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// How long the pause still lasts; zero when it is over.
    pub fn remaining(&self, now: Instant) -> Duration {
        self.until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

/// `pause` times 0.75 to 1.25, in steps of a thousandth.
fn jittered(pause: Duration, random: u64) -> Duration {
    let thousandths = u32::try_from(random % 501).unwrap_or_default() + 750;
    pause.saturating_mul(thousandths) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `random % 501` that gives no jitter, a quarter less, a quarter more.
    const MIDDLE: u64 = 250;
    const LEAST: u64 = 0;
    const MOST: u64 = 500;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_the_jitter_stays_within_a_quarter() {
        let cases: [(u64, u64, u64, &[u64]); 6] = [
            (100, 1000, MIDDLE, &[100, 200, 400, 800, 1000, 1000]),
            (100, 1000, LEAST, &[75, 150, 300, 600, 750, 750]),
            (100, 1000, MOST, &[125, 250, 500, 1000, 1000, 1000]),
            (1000, 1000, MIDDLE, &[1000, 1000]),
            (5000, 1000, MIDDLE, &[1000, 1000]),
            (0, 1000, MIDDLE, &[0, 0]),
        ];
        for (first, cap, random, pauses) in cases {
            let mut backoff = Backoff::new(millis(first), millis(cap));
            for pause in pauses {
                let now = Instant::now();
                backoff.failed(now, random);
                assert_eq!(backoff.remaining(now), millis(*pause), "{first} {random}");
            }
        }
    }

    #[test]
    fn it_is_ready_before_the_first_failure_and_when_the_pause_is_over() {
        let mut backoff = Backoff::new(millis(100), millis(1000));
        let now = Instant::now();
        assert!(backoff.ready(now));
        backoff.failed(now, MIDDLE);
        assert!(!backoff.ready(now));
        assert!(!backoff.ready(now + millis(99)));
        assert!(backoff.ready(now + millis(100)));
        assert_eq!(backoff.remaining(now + millis(500)), Duration::ZERO);
    }

    #[test]
    fn a_success_ends_the_pause_and_starts_over() {
        let mut backoff = Backoff::new(millis(100), millis(1000));
        let now = Instant::now();
        backoff.failed(now, MIDDLE);
        backoff.failed(now, MIDDLE);
        backoff.succeeded();
        assert!(backoff.ready(now));
        backoff.failed(now, MIDDLE);
        assert_eq!(backoff.remaining(now), millis(100));
    }

    #[test]
    fn no_number_makes_it_overflow() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::MAX);
        for random in [0, 1, 500, u64::MAX] {
            backoff.failed(Instant::now(), random);
            assert!(jittered(millis(1000), random) >= millis(750));
            assert!(jittered(millis(1000), random) <= millis(1250));
        }
    }
}

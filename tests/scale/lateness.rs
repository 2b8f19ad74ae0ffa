//! How late checks are, from when they came: the time between two checks of a tag, less the interval.
//! What that holds besides is the reading of the key before a check, and the responder's own delay; so
//! it is rather too much than too little. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::hosts::Who;
use crate::responder::Arrival;

/// Of many checks.
#[derive(Debug, Default, Clone)]
pub struct Lateness {
    pub checks: usize,
    /// Gaps of more than one and a half intervals.
    pub missed: usize,
    pub median: Duration,
    pub p99: Duration,
    pub most: Duration,
    /// The fewest and the most checks that a tag had.
    pub per_tag: (usize, usize),
}

/// The lateness of the checks of those servers that somebody is to check each `interval`.
pub fn lateness(
    arrivals: &[Arrival],
    interval: Duration,
    is_checked: impl Fn(Who) -> bool,
    tags: usize,
) -> Lateness {
    let mut came: BTreeMap<usize, Vec<Instant>> = BTreeMap::new();
    for arrival in arrivals.iter().filter(|arrival| is_checked(arrival.who)) {
        came.entry(arrival.who.tag).or_default().push(arrival.at);
    }
    let gaps = came.values().flat_map(|times| {
        let pairs = times.iter().zip(times.iter().skip(1));
        pairs.map(|(one, next)| *next - *one)
    });
    let mut late: Vec<Duration> = gaps.map(|gap| gap.saturating_sub(interval)).collect();
    late.sort();
    let at = |share: f64| {
        let place = (late.len() as f64 * share) as usize;
        late.get(place).or(late.last()).copied().unwrap_or_default()
    };
    let counts = || came.values().map(Vec::len);
    let fewest = if came.len() < tags {
        0
    } else {
        counts().min().unwrap_or_default()
    };
    Lateness {
        checks: counts().sum(),
        missed: late.iter().filter(|late| **late > interval / 2).count(),
        median: at(0.5),
        p99: at(0.99),
        most: at(1.0),
        per_tag: (fewest, counts().max().unwrap_or_default()),
    }
}

/// How many tags were checked first in each tenth of the first interval.
pub fn starts(
    arrivals: &[Arrival],
    interval: Duration,
    is_checked: impl Fn(Who) -> bool,
) -> Vec<usize> {
    let mut first: BTreeMap<usize, Instant> = BTreeMap::new();
    for arrival in arrivals.iter().filter(|arrival| is_checked(arrival.who)) {
        first.entry(arrival.who.tag).or_insert(arrival.at);
    }
    let Some(start) = first.values().min().copied() else {
        return Vec::new();
    };
    let mut tenths = vec![0; 10];
    for at in first.values() {
        let tenth = (*at - start).as_secs_f64() / interval.as_secs_f64() * 10.0;
        tenths[(tenth as usize).min(9)] += 1;
    }
    tenths
}

/// The most in any tenth of a second, and how many there were.
pub fn busiest(times: impl Iterator<Item = Instant>) -> usize {
    let mut times: Vec<Instant> = times.collect();
    times.sort();
    let window = Duration::from_millis(100);
    let mut start = 0;
    let mut most = 0;
    for (end, at) in times.iter().enumerate() {
        while *at - times[start] > window {
            start += 1;
        }
        most = most.max(end - start + 1);
    }
    most
}

#[test]
fn lateness_is_what_a_gap_has_too_much() {
    let start = Instant::now();
    let who = Who { host: 1, tag: 0 };
    let arrival = |ms| Arrival {
        at: start + Duration::from_millis(ms),
        who,
    };
    let came = [0, 1010, 2000, 4000].map(arrival);
    let found = lateness(&came, Duration::from_secs(1), |w| w.host == 1, 1);
    assert_eq!(found.most, Duration::from_secs(1));
    assert_eq!(found.median, Duration::from_millis(10));
    assert_eq!((found.checks, found.missed, found.per_tag), (4, 1, (4, 4)));
    let none = lateness(&came, Duration::from_secs(1), |w| w.host == 2, 1);
    assert_eq!((none.checks, none.per_tag), (0, (0, 0)));
    let tenths = starts(&came, Duration::from_secs(1), |_| true);
    assert_eq!(tenths, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        busiest([0, 50, 99, 250].map(|ms| arrival(ms).at).into_iter()),
        3
    );
}

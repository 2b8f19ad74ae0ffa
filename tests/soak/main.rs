//! A site in trouble: random faults and repairs for minutes, and what must be true all along.
//! `make soak MINUTES=10`; the seed is printed, and `SEED=n` makes the same faults again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub,
    dead_code
)]

#[path = "../it/chain.rs"]
mod chain;
#[path = "../fuzz/mutate.rs"]
mod mutate;
#[path = "../it/scene.rs"]
mod scene;
#[path = "../it/support/mod.rs"]
mod support;

mod application;
mod diary;
mod process;
mod rules;
mod site;

use std::time::{Duration, Instant};

use mutate::Random;
use site::Site;

/// Between two changes, in milliseconds: they come in bursts, so that one meets what another has left,
const BURST: (usize, usize) = (50, 2_500);
/// and every now and then there is time for all to come to rest.
const REST: (usize, usize) = (6_500, 9_000);
/// How many things may be broken at the same time.
const MOST: usize = 4;

#[test]
fn whatever_breaks_no_bad_server_is_written_and_the_port_answers_when_somebody_can() {
    let minutes: f64 = variable("MINUTES").unwrap_or(1.0);
    let seed: u64 = variable("SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("soak: SEED={seed} MINUTES={minutes}");
    let mut random = Random::of(seed, 0);
    let site = Site::start();
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let mut broken = Vec::new();
    while Instant::now() < end {
        let (least, most) = if random.one_in(5) { REST } else { BURST };
        let pause = least + random.below(most - least);
        site.watch_for(Duration::from_millis(u64::try_from(pause).unwrap()));
        let repair = broken.len() == MOST || (!broken.is_empty() && random.one_in(2));
        if repair {
            site.repair(broken.swap_remove(random.below(broken.len())));
        } else if let Some(fault) = site.choose(&mut random, &broken) {
            site.inflict(fault);
            broken.push(fault);
        }
    }
    for fault in broken {
        site.repair(fault);
    }
    site.finish();
}

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

//! The small version, in `make test`: hundreds of tags, and bounds on what is counted.

use std::thread;
use std::time::Duration;

use crate::process::{Peaks, held};
use crate::site::{INTERVAL, Kind, Quiet, Site};
use crate::support::seconds;

const TAGS: usize = 300;
/// How long nothing happens.
const QUIET: Duration = seconds(8);

/// What a process may hold without tags, and for each one, in kB.
const MEMORY: (u64, u64) = (8_000, 40);
/// Threads besides those of the tags, while nothing happens.
const THREADS: u64 = 20;
/// Threads besides those of the tags, whatever happens: requests to Consul are made in some.
const MOST_THREADS: u64 = 60;
/// Open files besides a connection for each tag.
const DESCRIPTORS: usize = 80;
/// Requests to Consul a second: without tags, and for each one.
const REQUESTS: (f64, f64) = (2.0, 1.2);

#[test]
fn hundreds_of_tags_are_checked_each_second_and_leave_a_dead_host() {
    let site = Site::start(Kind::Mysql, TAGS, &[]);
    site.wait_until_all_run();
    thread::sleep(INTERVAL * 2);
    let quiet = site.quiet(QUIET);
    println!("{quiet:?}");
    is_within_bounds(&quiet);
    let (peaks, [dead, other]) = (Peaks::of(site.pid()), site.kind.halves());
    site.responder.refuse(dead);
    let left = site.wait_until_left(dead, seconds(60));
    println!("{left:?} {:?}", peaks.most());
    assert!(left.is_some(), "keys at the dead host: {:?}", site.places());
    assert!(site.places().values().all(|host| *host == other));
    assert_eq!(site.places().len(), TAGS);
    let tags = TAGS as u64;
    let most = peaks.most();
    assert!(most.threads <= tags + MOST_THREADS, "{most:?}");
    assert!(most.rss_kb <= MEMORY.0 + tags * MEMORY.1 * 2, "{most:?}");
    // Each was written by its own tag, and once.
    let writes = site.meter.traffic().count().1;
    assert_eq!(writes, TAGS / 2);
}

fn is_within_bounds(quiet: &Quiet) {
    let (held, late) = (&quiet.held, &quiet.late);
    let (tags, seconds) = (TAGS as u64, quiet.time.as_secs_f64());
    // At a noisy moment a check may be late, but none is left out and none is too many.
    let whole = seconds as usize;
    assert!(late.per_tag.0 + 2 >= whole, "{late:?}");
    assert!(late.per_tag.1 <= whole + 2, "{late:?}");
    assert!(held.rss_kb <= MEMORY.0 + tags * MEMORY.1, "{held:?}");
    assert!(held.threads <= tags + THREADS, "{held:?}");
    assert!(held.descriptors <= TAGS + DESCRIPTORS, "{held:?}");
    let (reads, writes) = quiet.traffic.count();
    let most = seconds * (REQUESTS.0 + TAGS as f64 * REQUESTS.1);
    assert!(reads as f64 <= most && writes == 0, "{:?}", quiet.traffic);
}

#[test]
fn hundreds_of_tags_whose_servers_hang_stay_within_bounds() {
    let hosts = [0, 1, 2];
    let site = Site::start(Kind::Mysql, TAGS, &hosts);
    site.wait_until_all_run();
    thread::sleep(seconds(6));
    let held = held(site.pid());
    println!("{held:?}");
    let tags = TAGS as u64;
    assert!(held.threads <= tags + MOST_THREADS, "{held:?}");
    assert!(held.rss_kb <= MEMORY.0 + tags * MEMORY.1 * 2, "{held:?}");
    assert!(held.descriptors <= TAGS * 4 + DESCRIPTORS, "{held:?}");
    // Nobody is better, so nothing is written.
    assert_eq!(site.meter.traffic().count().1, 0);
    for host in hosts {
        site.responder.recover(host);
    }
    site.responder.arrivals();
    site.wait_until_all_run();
    assert_eq!(site.places().len(), TAGS);
}

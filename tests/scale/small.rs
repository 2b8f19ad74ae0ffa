//! The small version.

use std::thread;
use std::time::Duration;

use crate::process::{Peaks, held};
use crate::site::{INTERVAL, Kind, Site};
use crate::support::seconds;

const TAGS: usize = 300;
/// How long nothing happens.
const QUIET: Duration = seconds(8);

#[test]
fn hundreds_of_tags_are_checked_each_second_and_leave_a_dead_host() {
    let site = Site::start(Kind::Mysql, TAGS, &[]);
    site.wait_until_all_run();
    thread::sleep(INTERVAL * 2);
    let quiet = site.quiet(QUIET);
    println!("{quiet:?}");
    let peaks = Peaks::of(site.pid());
    site.responder.refuse(1);
    let left = site.wait_until_left(1, seconds(30));
    println!("{left:?} {:?} {:?}", peaks.most(), held(site.pid()));
}

//! `make scale`: everything that docs/scaling.md says, measured. `SCALE_TAGS=1,100` measures these
//! numbers of tags only, `SCALE_EVENTS=no` no trouble; the page is written only when all was.

use std::env;
use std::thread;
use std::time::Duration;

use crate::events::{Event, How, all_hang, consul_dies, host_dies};
use crate::lateness::starts;
use crate::page;
use crate::site::{INTERVAL, Kind, Quiet, Site};
use crate::support::seconds;
use crate::watchers::watch;

/// The numbers of tags of the curve, which is MySQL's.
const CURVE: &[usize] = &[1, 10, 100, 1000, 3000];
/// What all the rest is measured with.
pub const MANY: usize = 1000;
/// Time to come to rest, and time that is measured.
const REST: Duration = seconds(6);
const MEASURED: Duration = seconds(20);

/// One line of the curve.
#[derive(Debug)]
pub struct Row {
    pub kind: Kind,
    pub tags: usize,
    pub quiet: Quiet,
    /// How many tags were checked first in each tenth of the first second.
    pub starts: Vec<usize>,
}

#[test]
#[ignore = "measures for minutes and writes into the tree: make scale"]
fn the_curve_is_measured_and_the_page_written() {
    let only: Option<Vec<usize>> = env::var("SCALE_TAGS")
        .ok()
        .filter(|text| !text.is_empty())
        .map(|text| text.split(',').map(|n| n.parse().unwrap()).collect());
    let curve = only.as_deref().unwrap_or(CURVE);
    let mut rows: Vec<Row> = curve.iter().map(|tags| row(Kind::Mysql, *tags)).collect();
    let most = only.as_ref().map_or(MANY, |tags| tags[tags.len() - 1]);
    for kind in [Kind::Memcached, Kind::Redis, Kind::Run] {
        rows.push(row(kind, most));
    }
    let events = match env::var("SCALE_EVENTS").as_deref() {
        Ok("no") => Vec::new(),
        _ => events(most),
    };
    let watched = [watch(MANY, 10), watch(MANY, 1000)];
    let is_whole = only.is_none() && !events.is_empty();
    let text = page::text(&rows, &events, &watched);
    println!("{text}");
    if is_whole {
        page::write(&text);
    }
}

fn row(kind: Kind, tags: usize) -> Row {
    let site = Site::start(kind, tags, &[]);
    let arrivals = site.wait_until_all_run();
    let halves = kind.halves();
    let starts = starts(&arrivals, INTERVAL, |who| halves.contains(&who.host));
    thread::sleep(REST);
    let quiet = site.quiet(MEASURED);
    println!("scale: {kind:?}, {tags} tags: {quiet:?}");
    Row {
        kind,
        tags,
        quiet,
        starts,
    }
}

fn events(tags: usize) -> Vec<Event> {
    let all: [&dyn Fn() -> Event; 8] = [
        &|| host_dies(Kind::Mysql, tags, How::Refuses),
        &|| host_dies(Kind::Mysql, tags, How::Hangs),
        &|| host_dies(Kind::Memcached, tags, How::Refuses),
        &|| host_dies(Kind::Redis, tags, How::Refuses),
        &|| host_dies(Kind::Run, tags, How::Refuses),
        &|| all_hang(Kind::Mysql, tags),
        &|| all_hang(Kind::Redis, tags),
        &|| consul_dies(Kind::Mysql, tags),
    ];
    all.into_iter()
        .map(|measure| {
            let event = measure();
            println!("scale: {event:?}");
            event
        })
        .collect()
}

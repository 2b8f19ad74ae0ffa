//! `make scale`: everything that docs/scaling.md says, measured. For less, which is printed only:
//! `SCALE_TAGS=1,100` are the numbers of tags of the curve, the last of them that of all else;
//! `SCALE_EVENTS=run,hang` is the trouble whose name holds one of these words, `no` is none; `SCALE_CURVE=no` is
//! the trouble alone.

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
    let only = [
        variable("SCALE_TAGS"),
        variable("SCALE_EVENTS"),
        variable("SCALE_CURVE"),
    ];
    let is_whole = only.iter().all(Option::is_none);
    let [tags, wanted, curve] = only;
    let tags: Option<Vec<usize>> = tags.map(|text| {
        text.split(',')
            .map(|n| n.parse().expect("a number"))
            .collect()
    });
    let most = tags.as_ref().map_or(MANY, |tags| tags[tags.len() - 1]);
    let mut rows = Vec::new();
    if curve.is_none() {
        let tags = tags.as_deref().unwrap_or(CURVE);
        rows.extend(tags.iter().map(|tags| row(Kind::Mysql, *tags)));
        for kind in [Kind::Memcached, Kind::Redis, Kind::Run] {
            rows.push(row(kind, most));
        }
    }
    let events = events(most, wanted.as_deref());
    let watched = match curve {
        None => vec![watch(MANY, 10), watch(MANY, 1000)],
        Some(_) => Vec::new(),
    };
    let text = page::text(&rows, &events, &watched);
    println!("{text}");
    if is_whole {
        page::write(&text);
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
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

fn events(tags: usize, wanted: Option<&str>) -> Vec<Event> {
    let all: [(&str, &dyn Fn() -> Event); 8] = [
        ("mysql-refuse", &|| {
            host_dies(Kind::Mysql, tags, How::Refuses)
        }),
        ("mysql-hang", &|| host_dies(Kind::Mysql, tags, How::Hangs)),
        ("memcached-refuse", &|| {
            host_dies(Kind::Memcached, tags, How::Refuses)
        }),
        ("redis-refuse", &|| {
            host_dies(Kind::Redis, tags, How::Refuses)
        }),
        ("run-refuse", &|| host_dies(Kind::Run, tags, How::Refuses)),
        ("mysql-all-hang", &|| all_hang(Kind::Mysql, tags)),
        ("redis-all-hang", &|| all_hang(Kind::Redis, tags)),
        ("mysql-consul", &|| consul_dies(Kind::Mysql, tags)),
    ];
    let is_wanted =
        |name: &str| wanted.is_none_or(|wanted| wanted.split(',').any(|word| name.contains(word)));
    all.into_iter()
        .filter(|(name, _)| is_wanted(name))
        .map(|(name, measure)| {
            let event = measure();
            println!("scale: {name}: {event:?}");
            event
        })
        .collect()
}

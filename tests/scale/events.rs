//! Trouble for many tags at once, and what came of it.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::lateness::{Lateness, busiest};
use crate::process::{self, Held, Peaks};
use crate::site::{Kind, Site};
use crate::support::{becomes_true, seconds};

/// How long whatever happened is looked at.
const WATCHED: Duration = seconds(10);
/// Time to come to rest after the start, and before it is looked whether checks still come evenly.
const REST: Duration = seconds(4);
/// How long nobody can reach Consul.
const CONSUL_GONE: Duration = seconds(5);

/// What came of it.
#[derive(Debug)]
pub struct Event {
    pub what: String,
    /// Until half of the keys that had to move had moved, and all of them.
    pub moved: Option<(Duration, Duration)>,
    /// The most of everything while it lasted, and what is held long after.
    pub most: Held,
    pub after: Held,
    /// Shares of one processor.
    pub cpu: f64,
    /// The checks of those that it was not about.
    pub others: Option<Lateness>,
    /// The most connections that the host had open which all went to.
    pub at_candidate: Option<usize>,
    /// Requests to Consul in the busiest tenth of a second, reads and writes in all.
    pub consul: (usize, usize, usize),
    /// The most checks in a tenth of a second, when it was over.
    pub evenness: Option<usize>,
    pub note: String,
}

#[derive(Debug, Clone, Copy)]
pub enum How {
    Refuses,
    Hangs,
}

fn start(kind: Kind, tags: usize) -> Site {
    let site = Site::start(kind, tags, &[]);
    site.wait_until_all_run();
    thread::sleep(REST);
    site.responder.arrivals();
    site.meter.traffic();
    site
}

/// The host with the servers of half of the tags dies.
pub fn host_dies(kind: Kind, tags: usize, how: How) -> Event {
    let site = start(kind, tags);
    let [dead, other] = kind.halves();
    let is_other = |tag: usize| tag >= tags.div_ceil(2);
    site.responder.most_open(other);
    let places = site.places();
    let (peaks, before, at) = (
        Peaks::of(site.pid()),
        process::cpu_of(site.pid()),
        Instant::now(),
    );
    match how {
        How::Refuses => site.responder.refuse(dead),
        How::Hangs => site.responder.hang(dead),
    }
    site.promote(dead, other);
    let moved = site.wait_until_left(dead, seconds(60));
    let note = match kind {
        Kind::Run => format!("; the file after {}", rendered(&site, dead, at)),
        _ => String::new(),
    };
    thread::sleep(WATCHED.saturating_sub(at.elapsed()));
    let cpu = (process::cpu_of(site.pid()) - before) / at.elapsed().as_secs_f64();
    let arrivals = site.responder.arrivals();
    let traffic = site.meter.traffic();
    let (most, at_candidate) = (peaks.most(), site.responder.most_open(other));
    let word = match how {
        How::Refuses => "refuses",
        How::Hangs => "hangs",
    };
    Event {
        what: format!(
            "{}: a host with {} of {tags} tags {word}",
            kind.name(),
            tags.div_ceil(2)
        ),
        moved,
        most,
        cpu,
        others: Some(site.late(&arrivals, &places, is_other)),
        at_candidate: Some(at_candidate),
        consul: (traffic.busiest(), traffic.count().0, traffic.count().1),
        evenness: Some(evenness(&site)),
        after: process::held(site.pid()),
        note,
    }
}

/// How long after the fault the file of HAProxy named the dead host no more.
fn rendered(site: &Site, dead: usize, at: Instant) -> String {
    let path = site.checker.daemon().dir().join("haproxy.cfg");
    let ip = format!(" {}:", site.responder.hosts().ip(dead));
    let is_right = || fs::read_to_string(&path).is_ok_and(|text| !text.contains(&ip));
    match becomes_true(seconds(60), is_right) {
        true => format!("{:.1} s", at.elapsed().as_secs_f64()),
        false => "more than a minute".to_owned(),
    }
}

/// The agent is killed, and then a host with half of the tags; when the agent is back, all that could
/// not be written is.
pub fn consul_dies(kind: Kind, tags: usize) -> Event {
    let site = start(kind, tags);
    let [dead, other] = kind.halves();
    let peaks = Peaks::of(site.pid());
    site.meter.close();
    site.consul.kill();
    let (refused, cpu, at) = (
        process::refused(),
        process::cpu_of(site.pid()),
        Instant::now(),
    );
    thread::sleep(CONSUL_GONE);
    let attempts = (process::refused() - refused) as f64 / at.elapsed().as_secs_f64();
    let cpu = (process::cpu_of(site.pid()) - cpu) / at.elapsed().as_secs_f64();
    site.responder.refuse(dead);
    site.promote(dead, other);
    thread::sleep(seconds(3));
    site.consul.restart();
    site.meter.traffic();
    let back = Instant::now();
    site.meter.open();
    let moved = site.wait_until_left(dead, seconds(60));
    thread::sleep(WATCHED.saturating_sub(back.elapsed()));
    let traffic = site.meter.traffic();
    Event {
        what: format!(
            "{}, {tags} tags: Consul is killed, then the host of half of them; from Consul's return on",
            kind.name()
        ),
        moved,
        most: peaks.most(),
        cpu,
        others: None,
        at_candidate: None,
        consul: (traffic.busiest(), traffic.count().0, traffic.count().1),
        evenness: Some(evenness(&site)),
        after: process::held(site.pid()),
        note: format!("; {attempts:.0} attempts to connect a second while Consul was gone"),
    }
}

/// All servers hang: nobody can take over.
pub fn all_hang(kind: Kind, tags: usize) -> Event {
    let site = start(kind, tags);
    let (peaks, before, at) = (
        Peaks::of(site.pid()),
        process::cpu_of(site.pid()),
        Instant::now(),
    );
    for host in 0..site.responder.hosts().count {
        site.responder.hang(host);
    }
    thread::sleep(WATCHED * 2);
    let cpu = (process::cpu_of(site.pid()) - before) / at.elapsed().as_secs_f64();
    let traffic = site.meter.traffic();
    let most = peaks.most();
    for host in 0..site.responder.hosts().count {
        site.responder.recover(host);
    }
    Event {
        what: format!("{}: all servers of {tags} tags hang", kind.name()),
        moved: None,
        most,
        cpu,
        others: None,
        at_candidate: None,
        consul: (traffic.busiest(), traffic.count().0, traffic.count().1),
        evenness: Some(evenness(&site)),
        after: process::held(site.pid()),
        note: String::new(),
    }
}

/// The most checks in a tenth of a second, when all has come to rest: a tenth of the tags where
/// they are spread evenly.
fn evenness(site: &Site) -> usize {
    thread::sleep(REST);
    let places = site.places();
    site.responder.arrivals();
    thread::sleep(seconds(3));
    let arrivals = site.responder.arrivals();
    let checks = arrivals
        .iter()
        .filter(|arrival| places.get(&arrival.who.tag) == Some(&arrival.who.host));
    busiest(checks.map(|arrival| arrival.at))
}

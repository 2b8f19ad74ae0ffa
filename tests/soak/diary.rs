//! What the test did to whom, and when: the truth that the program is measured by.

use std::time::{Duration, Instant};

/// Who can be in trouble. Servers come first: the primary is number 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Server(usize),
    Consul,
    HaProxy,
    Renderer,
    Checker(usize),
}

/// How a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does its job.
    Well,
    /// It serves, but does not replicate as it should, or is on its way back.
    Poor,
    /// It must not be written: it is dead, it hangs, or it is not ours.
    Bad,
}

/// One entry.
#[derive(Debug, Clone)]
pub struct Event {
    pub at: Instant,
    pub who: Who,
    pub what: String,
}

/// Everything so far.
#[derive(Debug)]
pub struct Diary {
    pub start: Instant,
    pub events: Vec<Event>,
    /// For each server what it was, since when.
    states: Vec<Vec<(Instant, State)>>,
    /// Since when nothing but servers is broken.
    infra_well_since: Option<Instant>,
    infra_broken: Vec<Who>,
}

impl Diary {
    pub fn new(servers: usize) -> Diary {
        let now = Instant::now();
        Diary {
            start: now,
            events: Vec::new(),
            states: vec![vec![(now, State::Well)]; servers],
            infra_well_since: Some(now),
            infra_broken: Vec::new(),
        }
    }

    pub fn note(&mut self, who: Who, what: &str) {
        let at = Instant::now();
        println!("{:8.3} s  {who:?}: {what}", (at - self.start).as_secs_f64());
        let what = what.to_owned();
        self.events.push(Event { at, who, what });
    }

    pub fn set(&mut self, server: usize, state: State) {
        if self.state(server) != state {
            self.states[server].push((Instant::now(), state));
        }
    }

    pub fn state(&self, server: usize) -> State {
        self.states[server].last().unwrap().1
    }

    /// Something besides servers breaks, or is whole again.
    pub fn set_infra(&mut self, who: Who, is_well: bool) {
        self.infra_broken.retain(|other| *other != who);
        if !is_well {
            self.infra_broken.push(who);
        }
        self.infra_well_since = self.infra_broken.is_empty().then(Instant::now);
    }

    pub fn infra_well_since(&self) -> Option<Instant> {
        self.infra_well_since
    }

    /// Whether a server was bad during all of the time before `at`.
    pub fn was_bad_throughout(&self, server: usize, at: Instant, before: Duration) -> bool {
        let from = at.checked_sub(before).unwrap_or(self.start);
        let mut until = Instant::now();
        for (since, state) in self.states[server].iter().rev() {
            // The state held from `since` to `until`.
            if *state != State::Bad && *since <= at && until >= from {
                return false;
            }
            until = *since;
        }
        true
    }

    /// Since when some server that may be elected has been well without a break.
    pub fn somebody_well_since(&self, servers: &[usize]) -> Option<Instant> {
        let well = servers.iter().filter_map(|server| {
            let (since, state) = self.states[*server].last()?;
            (*state == State::Well).then_some(*since)
        });
        well.min()
    }
}

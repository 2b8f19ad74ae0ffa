//! memcached: one server of a list, which stores and returns a value. The first in the list that
//! does is taken, and kept: another one has other contents.
//!
//! The words of the protocol are `talk`'s.

mod talk;

use std::time::{Duration, Instant};

use crate::checker::memcached::talk::{Flush, RoundTrip};
use crate::checker::panel::{GRACE, Panel, everybody};
use crate::checker::talk::Talk;
use crate::checker::{Candidate, Checker, Health, Survey, Trouble, Wake};
use crate::endpoint::Endpoint;
use crate::resolve::Resolver;

/// What a tag's section says of its servers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The servers, the preferred one first, each once.
    pub servers: Vec<Endpoint>,
    /// Whether a server is emptied before it is elected.
    pub flush: bool,
    /// The time for one check.
    pub timeout: Duration,
    /// Finds the addresses of names.
    pub resolver: Resolver,
}

/// The checker of one tag.
#[derive(Debug)]
pub struct MemcachedChecker {
    settings: Settings,
    panel: Panel<RoundTrip>,
    flushes: Panel<Flush>,
}

impl MemcachedChecker {
    /// A checker that knows nothing yet.
    pub fn new(settings: Settings) -> MemcachedChecker {
        let (timeout, resolver) = (settings.timeout, &settings.resolver);
        MemcachedChecker {
            panel: Panel::new(timeout, resolver.clone()),
            flushes: Panel::new(timeout, resolver.clone()),
            settings,
        }
    }
}

impl Checker for MemcachedChecker {
    fn check(&mut self, server: &Endpoint) -> Health {
        self.panel.watch(server);
        self.begin(std::slice::from_ref(server));
        self.panel.hear(everybody);
        let health = health(&self.panel, server);
        if !health.serves() {
            self.panel.unwatch();
        }
        health
    }

    fn survey(&mut self, except: Option<&Endpoint>) -> Survey {
        let servers: Vec<Endpoint> = self
            .settings
            .servers
            .iter()
            .filter(|server| Some(*server) != except)
            .cloned()
            .collect();
        self.begin(&servers);
        self.panel.hear(|panel| enough(panel, &servers));
        let candidate = |(place, server): (usize, &Endpoint)| {
            self.panel.word(server).map(|_| Candidate {
                server: server.clone(),
                health: health(&self.panel, server),
                place,
            })
        };
        Survey {
            candidates: servers.iter().enumerate().filter_map(candidate).collect(),
            incomplete: None,
        }
    }

    fn prepare(&mut self, candidate: &Candidate) -> Health {
        if !self.settings.flush {
            return candidate.health.clone();
        }
        let server = &candidate.server;
        self.flushes.begin([(server.clone(), Flush)]);
        self.flushes.hear(everybody);
        health(&self.flushes, server)
    }

    fn wait(&mut self, at_most: Duration) -> Wake {
        self.panel.wait(at_most)
    }
}

impl MemcachedChecker {
    fn begin(&mut self, servers: &[Endpoint]) {
        let talks: Vec<_> = servers
            .iter()
            .map(|server| {
                let before = self.panel.known(server).copied();
                (server.clone(), RoundTrip::new(before))
            })
            .collect();
        self.panel.begin(talks);
    }
}

/// When a survey has seen enough: at once when nobody in front of a good server is left, else a
/// little after the first good answer.
fn enough(panel: &Panel<RoundTrip>, servers: &[Endpoint]) -> Option<Instant> {
    let words = || servers.iter().map(|server| panel.word(server));
    let good = words().flatten().filter(|word| word.said.is_ok());
    let first = good.map(|word| word.heard_at).min()?;
    let best = words().find(|word| word.is_none_or(|word| word.said.is_ok()));
    match best {
        Some(Some(_)) => Some(first),
        Some(None) | None => Some(first + GRACE),
    }
}

/// How a server is that was just asked.
fn health<T: Talk>(panel: &Panel<T>, server: &Endpoint) -> Health {
    match panel.word(server).map(|word| &word.said) {
        Some(Err(health)) => health.clone(),
        Some(Ok(_)) => Health::Up { lag: None },
        None => Trouble("it was not asked".to_owned()).into(),
    }
}

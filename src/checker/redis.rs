//! Redis and Valkey: the master, as the majority of the Sentinels names it and as it says itself,
//! or without Sentinels as the other servers of the list confirm it.
//!
//! The words of the protocol are `talk`'s, reading them is `facts`', and deciding is `verdict`'s.

pub mod facts;
pub mod talk;
pub mod verdict;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::checker::panel::{GRACE, Panel, hear_both};
use crate::checker::redis::facts::Facts;
use crate::checker::redis::talk::{AskMaster, AskRole, Way};
use crate::checker::redis::verdict::{Master, Naming, View};
use crate::checker::{Candidate, Checker, Health, Survey, Wake};
use crate::endpoint::Endpoint;
use crate::resolve::Resolver;
use crate::tls;

pub use talk::Account;

/// What a tag's section says of its servers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The servers, each once; may be empty where there are Sentinels.
    pub servers: Vec<Endpoint>,
    /// The Sentinels, each once; may be empty.
    pub sentinels: Vec<Endpoint>,
    /// The name that the Sentinels know the master by.
    pub master_name: String,
    /// The account for the servers.
    pub account: Account,
    /// The account for the Sentinels.
    pub sentinel_account: Account,
    /// What encrypts connections to both.
    pub tls: Option<tls::Client>,
    /// The time for one check.
    pub timeout: Duration,
    /// Finds the addresses of names.
    pub resolver: Resolver,
}

/// The checker of one tag.
#[derive(Debug)]
pub struct RedisChecker {
    servers: Vec<Endpoint>,
    sentinels: Vec<Endpoint>,
    master_name: String,
    resolver: Resolver,
    to_servers: Way,
    to_sentinels: Way,
    roles: Panel<AskRole>,
    masters: Panel<AskMaster>,
    /// The word of the Sentinels when they were last asked; `None` without Sentinels.
    naming: Option<Naming>,
    /// The master that was last known.
    last: Option<Master>,
}

impl RedisChecker {
    /// A checker that knows nothing yet.
    pub fn new(settings: Settings) -> RedisChecker {
        let (timeout, resolver) = (settings.timeout, settings.resolver);
        RedisChecker {
            servers: settings.servers,
            sentinels: settings.sentinels,
            master_name: settings.master_name,
            to_servers: Way {
                account: settings.account,
                tls: settings.tls.clone(),
            },
            to_sentinels: Way {
                account: settings.sentinel_account,
                tls: settings.tls,
            },
            roles: Panel::new(timeout, resolver.clone()),
            masters: Panel::new(timeout, resolver.clone()),
            resolver,
            naming: None,
            last: None,
        }
    }
}

impl Checker for RedisChecker {
    fn check(&mut self, server: &Endpoint) -> Health {
        self.roles.watch(server);
        self.hear_about(server);
        let health = self.view(Some(server)).current(server);
        match health.serves() {
            true => self.remember(server),
            false => self.roles.unwatch(),
        }
        health
    }

    fn survey(&mut self, except: Option<&Endpoint>) -> Survey {
        self.masters.begin(self.to_sentinels());
        self.masters.hear(|panel| agreed(panel, &self.sentinels));
        self.settle_naming(except);
        // Who was checked a moment ago has its word still: it votes, and is nobody to move to.
        let servers = self.everybody(None);
        let others = || servers.iter().filter(|server| Some(*server) != except);
        let with_sentinels = self.naming.is_some();
        let talks: Vec<_> = others().map(|server| self.to_server(server)).collect();
        self.roles.begin(talks);
        self.roles.hear(|panel| match with_sentinels {
            true => first_master(panel),
            // Each vote counts.
            false => None,
        });
        let view = self.view(except);
        let candidate = |server: &Endpoint| Candidate {
            server: server.clone(),
            health: view.candidate(server, except),
            place: 0,
        };
        Survey {
            candidates: others().map(candidate).collect(),
            incomplete: match &self.naming {
                Some(Naming::Divided(why)) => Some(why.clone()),
                Some(Naming::Agreed(_)) | None => None,
            },
        }
    }

    fn wait(&mut self, at_most: Duration) -> Wake {
        self.roles.wait(at_most)
    }
}

impl RedisChecker {
    /// Asks the Sentinels and every server, all at the same time, and waits for the majority of the
    /// Sentinels, for the current server, and a little for the others. Where the Sentinels name
    /// another master, and it says so itself, the current one is not waited for.
    fn hear_about(&mut self, current: &Endpoint) {
        let servers = self.everybody(Some(current));
        // Who was silent last time is not waited for.
        let spoke = |server: &&Endpoint| self.roles.word(server).is_none_or(|w| w.said.is_ok());
        let awaited: Vec<Endpoint> = servers.iter().filter(spoke).cloned().collect();
        self.masters.begin(self.to_sentinels());
        let talks: Vec<_> = servers
            .iter()
            .map(|server| self.to_server(server))
            .collect();
        self.roles.begin(talks);
        hear_both(
            &mut self.masters,
            &mut self.roles,
            |masters, _| match masters.open() {
                0 => Some(Instant::now()),
                _ => agreed(masters, &self.sentinels),
            },
        );
        self.settle_naming(Some(current));
        let named = self.named().cloned();
        if let Some(named) = named.as_ref().filter(|named| !servers.contains(named)) {
            let (server, talk) = self.to_server(named);
            self.roles.begin_one(server, talk);
        }
        let other = named.filter(|named| named != current);
        self.roles.hear(|panel| {
            let new = other.as_ref().and_then(|server| panel.word(server));
            if let Some(word) = new.filter(|word| says_master(&word.said)) {
                return Some(word.heard_at);
            }
            let heard_at = panel.word(current)?.heard_at;
            let waits_for = awaited.iter().chain(&other);
            let all = waits_for
                .into_iter()
                .all(|server| panel.word(server).is_some());
            Some(if all { heard_at } else { heard_at + GRACE })
        });
    }

    fn to_server(&self, server: &Endpoint) -> (Endpoint, AskRole) {
        (server.clone(), AskRole::new(&self.to_servers))
    }

    fn to_sentinels(&self) -> Vec<(Endpoint, AskMaster)> {
        let to = |sentinel: &Endpoint| {
            let talk = AskMaster::new(&self.to_sentinels, sentinel, &self.master_name);
            (sentinel.clone(), talk)
        };
        self.sentinels.iter().map(to).collect()
    }

    /// The master that the Sentinels name.
    fn named(&self) -> Option<&Endpoint> {
        match &self.naming {
            Some(Naming::Agreed(named)) => Some(named),
            Some(Naming::Divided(_)) | None => None,
        }
    }

    /// What the Sentinels have said so far. They name addresses: where that is the current server,
    /// or one of the list, under another name, it goes by the name that it has here.
    fn settle_naming(&mut self, current: Option<&Endpoint>) {
        if self.sentinels.is_empty() {
            return;
        }
        self.naming = Some(match count(&self.masters, &self.sentinels) {
            Naming::Agreed(named) => {
                let known = current.into_iter().chain(&self.servers);
                let same = known.into_iter().find(|s| self.is_the_same(s, &named));
                Naming::Agreed(same.cloned().unwrap_or(named))
            }
            Naming::Divided(why) => Naming::Divided(why),
        });
    }

    fn is_the_same(&self, one: &Endpoint, other: &Endpoint) -> bool {
        let (ours, theirs) = (
            self.resolver.known(&one.host),
            self.resolver.known(&other.host),
        );
        one == other || (one.port == other.port && ours.iter().any(|ip| theirs.contains(ip)))
    }

    /// Every server that there is to ask.
    fn everybody(&self, current: Option<&Endpoint>) -> BTreeSet<Endpoint> {
        let all = self.servers.iter().chain(current).chain(self.named());
        all.cloned().collect()
    }

    fn view(&self, current: Option<&Endpoint>) -> View<'_> {
        let servers = self.everybody(current);
        let words = self.roles.words();
        let said = words.filter(|(server, _)| servers.contains(server));
        View {
            said: said.map(|(server, word)| (server, &word.said)).collect(),
            listed: self.servers.len(),
            naming: self.naming.as_ref(),
            last: self.last.as_ref(),
        }
    }

    fn remember(&mut self, server: &Endpoint) {
        let facts = self.roles.known(server);
        self.last = Some(Master {
            server: server.clone(),
            history: facts.and_then(|facts| facts.history.clone()),
        });
    }
}

/// When a survey has seen enough where Sentinels decide: a little after the first master spoke.
fn first_master(panel: &Panel<AskRole>) -> Option<Instant> {
    let masters = panel.words().filter(|(_, word)| says_master(&word.said));
    masters.map(|(_, word)| word.heard_at + GRACE).min()
}

fn says_master(said: &Result<Facts, Health>) -> bool {
    matches!(said, Ok(facts) if facts.is_master())
}

/// When enough Sentinels have spoken.
fn agreed(panel: &Panel<AskMaster>, sentinels: &[Endpoint]) -> Option<Instant> {
    matches!(count(panel, sentinels), Naming::Agreed(_)).then(Instant::now)
}

fn count(panel: &Panel<AskMaster>, sentinels: &[Endpoint]) -> Naming {
    let said = |sentinel: &Endpoint| match panel.word(sentinel).map(|word| &word.said) {
        Some(Ok(named)) => named.clone(),
        Some(Err(health)) => Err(health.to_string()),
        None => Err("it has not answered yet".to_owned()),
    };
    let all: Vec<(&Endpoint, Result<Endpoint, String>)> = sentinels
        .iter()
        .map(|sentinel| (sentinel, said(sentinel)))
        .collect();
    Naming::count(&all)
}

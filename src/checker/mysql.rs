//! MySQL and MariaDB: a replica that replicates from our primary, and is not too far behind.
//!
//! Owns the order of questions; what the answers mean is in the pure files beside.

pub mod client;
mod columns;
pub mod discovery;
pub mod failure;
pub mod family;
mod key;
pub mod login;
pub mod packet;
pub mod session;
pub mod status;
mod survey;
pub mod topology;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::backend::TagName;
use crate::checker::mysql::session::{Ask, Facts, Want, Way};
use crate::checker::mysql::survey::Round;
use crate::checker::mysql::topology::Topology;
use crate::checker::panel::{Panel, Word};
use crate::checker::{Candidate, Checker, Degraded, Fault, Health, Survey, Trouble, Wake};
use crate::endpoint::Endpoint;
use crate::resolve::Resolver;
use crate::secret::Secret;
use crate::tls;

/// How often the primary is asked for its replicas while nothing happens.
const REFRESH: Duration = Duration::from_secs(60);

/// How long a server may take to notice that a connection was closed.
const QUIT: Duration = Duration::from_millis(20);

/// What a tag's section says of its servers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The tag, for log lines.
    pub tag: TagName,
    /// The configured primary.
    pub primary: Endpoint,
    /// The monitor account.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// What encrypts connections.
    pub tls: Option<tls::Client>,
    /// Without that: whether the password may be sent under a key that the server itself shows, as
    /// caching_sha2_password does.
    pub get_public_key: bool,
    /// The time for one check.
    pub timeout: Duration,
    /// Seconds of lag that are still fine.
    pub max_lag: u64,
    /// Whether the primary may stand in when no replica can.
    pub fallback: bool,
    /// Candidates besides the discovered ones.
    pub replicas: Vec<Endpoint>,
    /// Finds the addresses of names.
    pub resolver: Resolver,
    /// The level of the line that each check logs.
    pub connect_level: log::Level,
}

/// The checker of one tag.
#[derive(Debug)]
pub struct MysqlChecker {
    settings: Settings,
    way: Arc<Way>,
    topology: Topology,
    panel: Panel<Ask>,
    /// The number of the last word that was learnt from.
    learnt: u64,
    refresh_at: Instant,
}

impl MysqlChecker {
    /// A checker that knows nothing yet.
    pub fn new(settings: Settings) -> MysqlChecker {
        let account = login::Account {
            user: settings.user.clone(),
            password: settings.password.clone(),
            tls: settings.tls.is_some(),
            get_public_key: settings.get_public_key,
        };
        let tls = settings.tls.clone();
        MysqlChecker {
            way: Arc::new(Way { account, tls }),
            panel: Panel::new(settings.timeout, settings.resolver.clone()),
            settings,
            topology: Topology::default(),
            learnt: 0,
            refresh_at: Instant::now(),
        }
    }
}

impl Checker for MysqlChecker {
    fn check(&mut self, server: &Endpoint) -> Health {
        let limit = Instant::now() + self.settings.timeout * 2;
        self.learn();
        if !self.panel.is_watching(server) {
            self.panel.watch(server);
        }
        let health = match self.ask_without_being_in_the_way(server) {
            Ok(facts) => self.judge_for_sure(server, &facts, limit),
            Err(health) => health,
        };
        if !health.serves() {
            self.panel.unwatch();
        }
        if self.refresh_at <= Instant::now() {
            self.refresh();
        }
        health
    }

    fn survey(&mut self, except: Option<&Endpoint>) -> Survey {
        let answers = Round::new(self, except).run();
        let candidates: Vec<Candidate> = answers
            .iter()
            .filter(|(server, _)| except != Some(*server))
            .map(|(server, answer)| Candidate {
                server: server.clone(),
                health: match answer {
                    Ok(facts) => self.without_blind_fallback(self.judge(server, facts)),
                    Err(health) => health.clone(),
                },
                place: 0,
            })
            .collect();
        // Once is enough: a candidate may say it already.
        let is_said = |text: &String| {
            candidates
                .iter()
                .any(|c| c.health.to_string().contains(text))
        };
        let incomplete = match answers.get(&self.settings.primary) {
            Some(Err(health)) => Some(format!("primary {}: {health}", self.settings.primary)),
            Some(Ok(_)) | None => self.topology.hidden.clone().filter(|text| !is_said(text)),
        };
        Survey {
            candidates,
            incomplete,
        }
    }

    fn wait(&mut self, at_most: Duration) -> Wake {
        self.panel.wait(at_most)
    }
}

impl MysqlChecker {
    /// Asks one server. The idle connection may be what fills it up: then that goes first.
    fn ask_without_being_in_the_way(&mut self, server: &Endpoint) -> Result<Arc<Facts>, Health> {
        let answer = self.ask(server);
        let is_full = matches!(answer, Err(Health::Down(Fault::TooManyConnections)));
        if !self.panel.has_idle() || !is_full {
            return answer;
        }
        self.panel.unwatch();
        thread::sleep(QUIT);
        // Without a connection to keep: the place is for clients.
        self.ask(server)
    }

    /// Asks one server, and the primary as well where nobody can be judged without its word, and
    /// waits for the server's answer.
    fn ask(&mut self, server: &Endpoint) -> Result<Arc<Facts>, Health> {
        self.start(server, self.want(server), self.settings.connect_level);
        if self.topology.family.is_none() && *server != self.settings.primary {
            self.refresh();
        }
        let is_there = |panel: &Panel<Ask>| panel.word(server).map(|word| word.heard_at);
        self.panel.hear(is_there);
        self.learn();
        match self.panel.word(server) {
            Some(word) => word.said.clone(),
            None => Err(Trouble("it was not asked".to_owned()).into()),
        }
    }

    /// Begins to ask a server, unless it is being asked.
    fn start(&mut self, server: &Endpoint, want: Want, level: log::Level) {
        if self.panel.is_open(server) {
            return;
        }
        let (user, tag) = (&self.settings.user, self.settings.tag.as_str());
        log::log!(target: tag, level, "connect to {}, {}, {user}, xxxxxxxx ...", server.host, server.port);
        let dialect = self.panel.known(server).map(|facts| facts.dialect);
        let ask = Ask::new(&self.way, server, want, dialect);
        self.panel.begin_one(server.clone(), ask);
    }

    /// The primary, and its source if it has one, are always asked for their replicas too when
    /// their replicas are needed; other servers only for their own state.
    fn want(&self, server: &Endpoint) -> Want {
        let unknown = self.topology.family.is_none() || self.refresh_at <= Instant::now();
        match *server == self.settings.primary && unknown {
            true => Want::Topology,
            false => Want::Status,
        }
    }

    /// Takes in what there is to learn from words that were heard since the last time.
    fn learn(&mut self) {
        let new = |(server, word): (&Endpoint, &Word<Arc<Facts>>)| {
            (word.number > self.learnt).then(|| (server.clone(), word.said.clone()))
        };
        let news: Vec<_> = self.panel.words().filter_map(new).collect();
        self.learnt = self.panel.heard();
        for (server, said) in news {
            match said {
                Ok(facts) => self.learn_from(&server, &facts),
                Err(health) => {
                    log::debug!(target: self.settings.tag.as_str(), "{server} is {health}");
                }
            }
        }
    }

    fn learn_from(&mut self, server: &Endpoint, facts: &Facts) {
        if facts.discovery.is_none() {
            return;
        }
        let now = Instant::now();
        let before: BTreeSet<Endpoint> = self.topology.replicas().cloned().collect();
        if *server == self.settings.primary {
            let hidden = self.topology.hidden.take();
            self.topology.learn_from_primary(facts, now);
            self.refresh_at = now + REFRESH;
            self.tell_hidden(hidden.as_deref());
        } else {
            self.topology.learn_replicas(facts, now);
        }
        self.tell_replicas(server, &before);
    }

    fn tell_hidden(&self, before: Option<&str>) {
        if let Some(hidden) = &self.topology.hidden
            && before != Some(hidden.as_str())
        {
            let tag = self.settings.tag.as_str();
            log::warn!(target: tag, "cannot see all replicas: {hidden}");
        }
    }

    fn tell_replicas(&self, server: &Endpoint, before: &BTreeSet<Endpoint>) {
        let new: Vec<String> = self
            .topology
            .replicas()
            .filter(|replica| !before.contains(*replica))
            .map(Endpoint::to_string)
            .collect();
        if !new.is_empty() {
            let tag = self.settings.tag.as_str();
            log::info!(target: tag, "{server} lists as its replicas: {}", new.join(", "));
        }
    }

    /// Asks the primary for its replicas without waiting for the answer.
    fn refresh(&mut self) {
        self.refresh_at = Instant::now() + REFRESH;
        let primary = self.settings.primary.clone();
        self.start(&primary, Want::Topology, log::Level::Debug);
    }

    /// Judges, but believes that a replica is somebody else's only after the primary was asked
    /// again: it may have changed sides meanwhile.
    fn judge_for_sure(&mut self, server: &Endpoint, facts: &Facts, limit: Instant) -> Health {
        if self.topology.family.is_none() {
            self.await_primary(limit);
        }
        let health = self.judge(server, facts);
        if !matches!(health, Health::Down(Fault::Foreign(_))) {
            return health;
        }
        self.await_primary(limit);
        self.judge(server, facts)
    }

    /// Asks the primary, unless it is being asked, and waits for what it tells.
    fn await_primary(&mut self, limit: Instant) {
        let primary = self.settings.primary.clone();
        if !self.panel.is_open(&primary) {
            self.refresh();
        }
        self.panel
            .hear(|panel| Some(panel.word(&primary).map_or(limit, |word| word.heard_at)));
        self.learn();
    }

    fn judge(&self, server: &Endpoint, facts: &Facts) -> Health {
        let (family, primary) = (self.topology.family.as_ref(), &self.settings.primary);
        if !facts.channels.is_empty() {
            return family::judge(&facts.channels, family, primary, self.settings.max_lag);
        }
        let is_primary = server == primary
            || facts
                .server_id
                .is_some_and(|id| family.is_some_and(|f| f.has(id)));
        match is_primary && self.settings.fallback {
            true => Health::Degraded(Degraded::StandIn),
            false => Fault::NotReplica.into(),
        }
    }

    /// The primary stands in only if it is certain that there are no replicas: "I may not see
    /// them" must not send all reads to the primary.
    fn without_blind_fallback(&self, health: Health) -> Health {
        match (&self.topology.hidden, &health) {
            (Some(hidden), Health::Degraded(Degraded::StandIn))
                if self.settings.replicas.is_empty() =>
            {
                Trouble(format!(
                    "not standing in, for replicas may be hidden: {hidden}"
                ))
                .into()
            }
            _ => health,
        }
    }
}

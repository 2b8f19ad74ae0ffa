//! MySQL and MariaDB: a replica that replicates from our primary, and is not too far behind.
//!
//! Owns the order of questions; what the answers mean is in the pure files beside.

pub mod discovery;
pub mod failure;
pub mod family;
pub mod secrecy;
pub mod session;
pub mod status;
mod survey;
pub mod topology;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use mysql::Conn;

use crate::backend::TagName;
use crate::checker::mysql::secrecy::Secrecy;
use crate::checker::mysql::session::{Answer, Dialect, Facts, Question, Want};
use crate::checker::mysql::survey::Round;
use crate::checker::mysql::topology::Topology;
use crate::checker::probe::{Probes, Report, no_thread};
use crate::checker::{Candidate, Checker, Degraded, Fault, Health, Survey, Trouble, Wake};
use crate::endpoint::Endpoint;
use crate::idle;
use crate::resolve::Resolver;
use crate::secret::Secret;

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
    /// How connections are encrypted.
    pub secrecy: Secrecy,
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
    topology: Topology,
    dialects: HashMap<Endpoint, Dialect>,
    probes: Probes<Answer>,
    /// The connection of the last good check, and nothing but waited on.
    idle: Option<Conn>,
    refresh_at: Instant,
}

impl MysqlChecker {
    /// A checker that knows nothing yet.
    pub fn new(settings: Settings) -> MysqlChecker {
        MysqlChecker {
            probes: Probes::new(settings.resolver.clone()),
            settings,
            topology: Topology::default(),
            dialects: HashMap::new(),
            idle: None,
            refresh_at: Instant::now(),
        }
    }
}

impl Checker for MysqlChecker {
    fn check(&mut self, server: &Endpoint) -> Health {
        let limit = Instant::now() + self.settings.timeout * 2;
        self.read_old_news();
        if self.topology.family.is_none() && *server != self.settings.primary {
            self.refresh();
        }
        let answer = self.ask_without_being_in_the_way(server);
        let health = match &answer {
            Ok((facts, _)) => self.judge_for_sure(server, facts, limit),
            Err(health) => health.clone(),
        };
        self.idle = answer
            .ok()
            .and_then(|(_, conn)| conn)
            .filter(|_| health.serves());
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
        let Some(conn) = self.idle.take() else {
            thread::sleep(at_most);
            return Wake::Elapsed;
        };
        if idle::closed_within(&conn, at_most) {
            return Wake::ServerClosed;
        }
        self.idle = Some(conn);
        Wake::Elapsed
    }
}

impl MysqlChecker {
    /// Asks one server. The idle connection may be what fills it up: then that goes first.
    fn ask_without_being_in_the_way(
        &mut self,
        server: &Endpoint,
    ) -> Result<(Facts, Option<Conn>), Health> {
        let answer = self.ask(server);
        let is_full = matches!(answer, Err(Health::Down(Fault::TooManyConnections)));
        if self.idle.is_none() || !is_full {
            return answer;
        }
        self.idle = None;
        thread::sleep(QUIT);
        // Without a connection to keep: the place is for clients.
        self.ask(server).map(|(facts, _)| (facts, None))
    }

    /// Asks one server and waits for the answer: at most one timeout, or two if an earlier probe
    /// of this server has to be waited for first.
    fn ask(&mut self, server: &Endpoint) -> Result<(Facts, Option<Conn>), Health> {
        if self.probes.is_running(server) {
            let due = Instant::now() + self.settings.timeout;
            match self.report_of(server, due) {
                Some(report) => self.absorb(report),
                None => return Err(self.late(server)),
            }
        }
        let due = Instant::now() + self.settings.timeout;
        self.start(server, self.want(server), self.settings.connect_level)
            .map_err(|error| Health::from(no_thread(&error)))?;
        match self.report_of(server, due) {
            Some(report) => self.read(report),
            None => Err(self.late(server)),
        }
    }

    fn report_of(&mut self, server: &Endpoint, due: Instant) -> Option<Report<Answer>> {
        loop {
            let report = self.probes.next(due)?;
            if report.server == *server {
                return Some(report);
            }
            self.absorb(report);
        }
    }

    /// Starts to ask a server, unless it is being asked.
    fn start(&mut self, server: &Endpoint, want: Want, level: log::Level) -> io::Result<()> {
        if self.probes.is_running(server) {
            return Ok(());
        }
        let (user, tag) = (&self.settings.user, self.settings.tag.as_str());
        log::log!(target: tag, level, "connect to {}, {}, {user}, xxxxxxxx ...", server.host, server.port);
        let question = Question {
            server: server.clone(),
            want,
            user: user.clone(),
            password: self.settings.password.clone(),
            secrecy: self.settings.secrecy.clone(),
            dialect: self.dialects.get(server).copied(),
            timeout: self.settings.timeout,
        };
        self.probes.start(server, move |dial| question.ask(dial))
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

    /// Takes in an answer: what there is to learn from it, and then the answer itself.
    fn read(&mut self, report: Report<Answer>) -> Result<(Facts, Option<Conn>), Health> {
        let answer = report.result.map_err(|panic| {
            Health::from(Fault::Protocol(format!("the driver gave up: {panic}")))
        })?;
        let facts = answer.facts.map_err(Health::from)?;
        self.dialects.insert(report.server.clone(), facts.dialect);
        self.learn(&report.server, &facts);
        Ok((facts, answer.conn))
    }

    /// Takes in an answer that nobody waits for any more.
    fn absorb(&mut self, report: Report<Answer>) {
        let server = report.server.clone();
        if let Err(health) = self.read(report) {
            log::debug!(target: self.settings.tag.as_str(), "{server} is {health}");
        }
    }

    fn learn(&mut self, server: &Endpoint, facts: &Facts) {
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
        if let Err(error) = self.start(&primary, Want::Topology, log::Level::Debug) {
            log::warn!(target: self.settings.tag.as_str(), "{}", no_thread(&error));
        }
    }

    fn read_old_news(&mut self) {
        while let Some(report) = self.probes.next(Instant::now()) {
            self.absorb(report);
        }
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
        let due = limit.min(Instant::now() + self.settings.timeout);
        if !self.probes.is_running(&primary) {
            self.refresh();
        }
        if let Some(report) = self.report_of(&primary, due) {
            self.absorb(report);
        }
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

    fn late(&self, server: &Endpoint) -> Health {
        self.probes.late(server, self.settings.timeout)
    }
}

//! A move by hand: the server is checked as a checker would, and the key is written if nobody else
//! has moved it meanwhile.

use std::time::Duration;

use super::{Bench, Said};
use crate::backend::{Backend, Cause, Key, Kind, TagName};
use crate::checker::{Candidate, Checker, Health};
use crate::commands::check;
use crate::elect::{self, Exclusion};
use crate::endpoint::Endpoint;
use crate::moment::Moment;
use crate::overrides::{Override, Pin};
use crate::store::{Entry, StoreError, Swap, Version};

pub(super) struct Mover<'a> {
    bench: &'a Bench,
    force: bool,
    will_pin: bool,
    checker: Box<dyn Checker>,
}

impl<'a> Mover<'a> {
    pub(super) fn of(bench: &'a Bench, force: bool) -> Mover<'a> {
        let tls = bench.tls.clone();
        Mover {
            checker: check::checker(&bench.tag, tls, &bench.resolver, true),
            bench,
            force,
            will_pin: false,
        }
    }

    /// The tag will be pinned there.
    pub(super) fn pinning(self) -> Mover<'a> {
        Mover {
            will_pin: true,
            ..self
        }
    }

    pub(super) fn run(mut self, target: &Endpoint) -> Said {
        let (key, store) = (&self.bench.key, &self.bench.store);
        let (old, version) = self.held()?;
        if old.as_ref().is_some_and(|old| old.server == *target) {
            return Ok(Ok(format!("{} is on {target} already", key.tag())));
        }
        let orders = match store.read_override(key, Duration::ZERO)?.orders {
            Ok(orders) => orders,
            Err(_) if self.force => Override::default(),
            Err(problem) => return Ok(Err(malformed(key, &problem))),
        };
        let pin = orders.pinned(Moment::now());
        let pin = pin.filter(|pin| pin.server != *target);
        if let Some(pin) = pin.filter(|_| !self.force) {
            return Ok(Err(pinned_elsewhere(key.tag(), pin)));
        }
        let cause = self.cause(old.as_ref());
        let left = old.as_ref().map(|old| &old.server);
        let health = match self.health(target, left, &orders) {
            Ok(health) => health,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let said = self.write(old.as_ref(), target, &health, cause, version)?;
        Ok(said.map(|text| match pin.filter(|_| !self.will_pin) {
            None => text,
            Some(pin) => format!(
                "{text}; the pin still names {}: confd_haproxy pin {} renews it",
                pin.server,
                key.tag()
            ),
        }))
    }

    /// Where the tag is, as far as the key says it, and the version to write over.
    fn held(&self) -> Result<(Option<Backend>, Version), StoreError> {
        let key = &self.bench.key;
        Ok(match self.bench.store.read(key)? {
            Entry::Present {
                backend, version, ..
            } => (Some(backend).filter(|b| b.name == *key.tag()), version),
            Entry::Malformed { version, .. } => (None, version),
            Entry::Absent => (None, Version::ABSENT),
        })
    }

    /// The sessions on a server that still serves may finish.
    fn cause(&mut self, old: Option<&Backend>) -> Cause {
        match old.map(|old| self.checker.check(&old.server)) {
            Some(health) if health.serves() => Cause::Manual,
            Some(_) | None => Cause::Forced,
        }
    }

    /// How the target is, if it is well enough, and ready.
    fn health(
        &mut self,
        target: &Endpoint,
        old: Option<&Endpoint>,
        orders: &Override,
    ) -> Result<Health, String> {
        let health = self.look_at(target, old);
        let exclude: Vec<Exclusion> = self.excluded(orders);
        let health = elect::as_excluded(&exclude, target, &health);
        if !self.force && !matches!(health, Health::Up { .. }) {
            return Err(format!(
                "not moved: {target} is {health}; --force moves all the same"
            ));
        }
        let ready = self.checker.prepare(&Candidate {
            server: target.clone(),
            health: health.clone(),
            place: 0,
        });
        match !self.force && matches!(ready, Health::Down(_)) {
            true => Err(format!("not moved: {target} is {ready}")),
            false => Ok(ready),
        }
    }

    /// A Redis is looked at among the others, as a candidate has to be: one that thinks that it is
    /// the master may be the only one who does.
    fn look_at(&mut self, target: &Endpoint, old: Option<&Endpoint>) -> Health {
        if self.bench.key.kind() == Kind::RedisMaster {
            let survey = self.checker.survey(old);
            let mut found = survey.candidates.into_iter();
            if let Some(found) = found.find(|candidate| candidate.server == *target) {
                return found.health;
            }
        }
        self.checker.check(target)
    }

    fn excluded(&self, orders: &Override) -> Vec<Exclusion> {
        let mut all = self.bench.tag.common.exclude.clone();
        all.extend(orders.excluded());
        all
    }

    fn write(
        &self,
        old: Option<&Backend>,
        target: &Endpoint,
        health: &Health,
        cause: Cause,
        version: Version,
    ) -> Said {
        let (key, common) = (&self.bench.key, &self.bench.tag.common);
        let port = common.proxy_port.or(old.map(|old| old.proxy_port));
        let backend = Backend {
            name: key.tag().clone(),
            server: target.clone(),
            proxy_port: port.unwrap_or(common.default_proxy_port),
        };
        let tag = key.tag();
        match self.bench.store.write(key, &backend, cause, version)? {
            Swap::Lost => Ok(Err(format!(
                "not moved: somebody else has moved {tag} meanwhile; confd_haproxy status says where"
            ))),
            Swap::Stored => {
                let from = old.map_or_else(|| "nowhere".to_owned(), |old| old.server.to_string());
                let hint = match health {
                    Health::Up { .. } => String::new(),
                    Health::Degraded(_) | Health::Down(_) | Health::Unknown(_) => {
                        format!("; checkers may move it on: confd_haproxy pin {tag} keeps it there")
                    }
                };
                Ok(Ok(format!(
                    "{tag} moved from {from} to {target}, which is {health}{hint}"
                )))
            }
        }
    }
}

fn malformed(key: &Key, problem: &str) -> String {
    format!(
        "not moved: {} is malformed: {problem}; checkers may still obey what it said before; \
         unpin or include removes it, --force moves all the same",
        key.override_path()
    )
}

fn pinned_elsewhere(tag: &TagName, pin: &Pin) -> String {
    format!(
        "not moved: {tag} is pinned to {} by {}; confd_haproxy unpin {tag} lets it go",
        pin.server, pin.origin
    )
}

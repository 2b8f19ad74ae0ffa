//! Orders for checkers: read, changed, and written back if nobody else has changed them meanwhile.

use std::time::Duration;

use super::{Bench, Said, Wish, by};
use crate::elect::Exclusion;
use crate::endpoint::Endpoint;
use crate::moment::Moment;
use crate::overrides::{Excluded, Origin, Override, Pin};
use crate::store::{Entry, StoreError, Swap, Version};

/// How often it is tried against others who write.
const TRIES: usize = 3;

pub(super) struct Orders<'a>(&'a Bench);

impl<'a> Orders<'a> {
    pub(super) fn of(bench: &'a Bench) -> Orders<'a> {
        Orders(bench)
    }

    /// Where the key says that the tag is; if it was to be at a certain server, only there.
    pub(super) fn pin(&self, wish: &Wish, wanted: Option<&Endpoint>) -> Said {
        let (key, store) = (&self.0.key, &self.0.store);
        let tag = key.tag();
        let server = match store.read(key)? {
            Entry::Present { backend, .. } if backend.name == *tag => backend.server,
            Entry::Present { .. } | Entry::Malformed { .. } => {
                let text = format!("the value of {key} is malformed: there is nowhere to stay");
                return Ok(Err(text));
            }
            Entry::Absent => {
                let text = format!("there is no {tag} in {}: nowhere to stay", store.name());
                return Ok(Err(text));
            }
        };
        if wanted.is_some_and(|wanted| *wanted != server) {
            return Ok(Err(format!(
                "not pinned: {tag} is on {server} again, as a checker was quicker"
            )));
        }
        let until = wish.until.map(|until| format!(" until {until}"));
        let text = format!(
            "{tag} is pinned to {server}{}: no checker moves it, also if that fails; \
             confd_haproxy unpin {tag} lets it go",
            until.unwrap_or_default()
        );
        self.change(|orders| {
            orders.pin = Some(Pin {
                server: server.clone(),
                until: wish.until,
                origin: origin(&wish.why),
            });
            Ok(text.clone())
        })
    }

    pub(super) fn unpin(&self) -> Said {
        let tag = self.0.key.tag();
        self.change(|orders| match orders.pin.take() {
            None => Err(format!("{tag} was not pinned")),
            Some(pin) => Ok(format!(
                "{tag} may move again: it was pinned to {} by {}",
                pin.server, pin.origin
            )),
        })
    }

    pub(super) fn exclude(&self, servers: &[Exclusion], wish: &Wish) -> Said {
        let tag = self.0.key.tag();
        self.change(|orders| {
            orders.exclude.retain(|each| !servers.contains(&each.what));
            orders.exclude.extend(servers.iter().map(|what| Excluded {
                what: what.clone(),
                origin: origin(&wish.why),
            }));
            Ok(format!(
                "{tag}: excluded are {}; a server in use is left as soon as another is up; \
                 confd_haproxy include {tag} uses them again",
                listed(&orders.excluded())
            ))
        })
    }

    /// All, if none is named.
    pub(super) fn include(&self, servers: &[Exclusion]) -> Said {
        let tag = self.0.key.tag();
        self.change(|orders| {
            let mut gone = orders.excluded();
            gone.retain(|what| servers.is_empty() || servers.contains(what));
            if gone.is_empty() {
                let still = match orders.exclude.is_empty() {
                    true => "nobody is excluded by an order".to_owned(),
                    false => format!("excluded are {}", listed(&orders.excluded())),
                };
                return Err(format!("{tag}: nothing is changed: {still}"));
            }
            orders.exclude.retain(|each| !gone.contains(&each.what));
            Ok(format!("{tag}: {} may be used again", listed(&gone)))
        })
    }

    /// Changes the orders, or says why not.
    fn change(&self, change: impl Fn(&mut Override) -> Result<String, String>) -> Said {
        let (key, store) = (&self.0.key, &self.0.store);
        for _ in 0..TRIES {
            let found = store.read_override(key, Duration::ZERO)?;
            // Malformed ones are replaced: nobody else could mend them either.
            let problem = found.orders.as_ref().err().cloned();
            let mut orders = found.orders.unwrap_or_default();
            let text = match (change(&mut orders), problem) {
                (Ok(text), _) => text,
                (Err(_), Some(problem)) => {
                    let tag = key.tag();
                    format!("{tag}: its orders were malformed ({problem}) and are removed")
                }
                (Err(refusal), None) => return Ok(Err(refusal)),
            };
            orders.changed = origin("");
            if self.write(&orders, found.version)? == Swap::Stored {
                return Ok(Ok(text));
            }
        }
        let text = format!("somebody else changes {} all the time", key.override_path());
        Ok(Err(text))
    }

    fn write(&self, orders: &Override, version: Version) -> Result<Swap, StoreError> {
        self.0.store.write_override(&self.0.key, orders, version)
    }
}

/// An order of this moment.
fn origin(why: &str) -> Origin {
    Origin {
        by: by::whom(),
        at: Some(Moment::now()),
        why: why.to_owned(),
    }
}

fn listed(servers: &[impl ToString]) -> String {
    let all: Vec<String> = servers.iter().map(ToString::to_string).collect();
    all.join(", ")
}

//! What is remembered of a tag's servers between cycles. Pure.
//!
//! The primary tells who its replicas are; when it is down, what it told last still stands, so
//! that a tag can move while its primary is down.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::checker::mysql::family::Family;
use crate::checker::mysql::session::Facts;
use crate::checker::mysql::status::Channel;
use crate::endpoint::{Endpoint, parse_port};

/// How long a server stays a candidate after it was last listed. A replica that lost its source
/// for a while must not be forgotten; one that was taken out of service must be, some day.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// The remembered servers of one tag.
#[derive(Debug, Default)]
pub struct Topology {
    /// Whose replicas are ours; `None` until the primary was asked once.
    pub family: Option<Family>,
    /// Where the configured primary replicates from, if it does (after a switch-over).
    pub sources: Vec<Endpoint>,
    /// What the monitor user may not see, and the grant that it lacks.
    pub hidden: Option<String>,
    replicas: BTreeMap<Endpoint, Instant>,
}

impl Topology {
    /// Learns from the configured primary's answer.
    pub fn learn_from_primary(&mut self, facts: &Facts, now: Instant) {
        let Some(server_id) = facts.server_id else {
            return;
        };
        self.family = Some(Family::of_primary(server_id, &facts.channels));
        self.sources = facts.channels.iter().filter_map(source_of).collect();
        self.hidden = facts.discovery.as_ref().and_then(|d| d.hidden.clone());
        self.learn_replicas(facts, now);
    }

    /// Learns who replicates from a server.
    pub fn learn_replicas(&mut self, facts: &Facts, now: Instant) {
        let listed = facts.discovery.iter().flat_map(|d| d.replicas.iter());
        self.replicas
            .extend(listed.map(|server| (server.clone(), now)));
        self.replicas
            .retain(|_, seen| now.duration_since(*seen) < REMEMBERED);
    }

    /// The servers that are, or lately were, listed as replicas.
    pub fn replicas(&self) -> impl Iterator<Item = &Endpoint> {
        self.replicas.keys()
    }
}

fn source_of(channel: &Channel) -> Option<Endpoint> {
    let (host, port) = &channel.source;
    Some(Endpoint::new(host.parse().ok()?, parse_port(port).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::mysql::discovery::Discovery;
    use crate::checker::mysql::session::Dialect;

    fn facts(replicas: &[&str]) -> Facts {
        let replicas = replicas.iter().map(|t| t.parse().unwrap()).collect();
        Facts {
            channels: Vec::new(),
            server_id: Some(1),
            discovery: Some(Discovery {
                replicas,
                hidden: None,
            }),
            dialect: Dialect::AllSlaves,
        }
    }

    fn listed(topology: &Topology) -> Vec<String> {
        topology.replicas().map(Endpoint::to_string).collect()
    }

    #[test]
    fn a_replica_that_is_not_listed_any_more_is_remembered_for_an_hour() {
        let (mut topology, start) = (Topology::default(), Instant::now());
        topology.learn_from_primary(&facts(&["10.0.0.2:1", "10.0.0.3:1"]), start);
        topology.learn_from_primary(&facts(&["10.0.0.3:1"]), start + REMEMBERED / 2);
        assert_eq!(listed(&topology), ["10.0.0.2:1", "10.0.0.3:1"]);
        topology.learn_from_primary(&facts(&[]), start + REMEMBERED);
        assert_eq!(listed(&topology), ["10.0.0.3:1"]);
    }
}

//! Whose replica is it? Pure.
//!
//! A replica is ours when one of its channels comes from the configured primary or, where that
//! server is itself a replica (after a switch-over), from its source. Server ids decide; they are
//! the same from wherever one looks, while addresses are not.

use std::collections::BTreeSet;

use crate::checker::mysql::status::Channel;
use crate::checker::{Degraded, Fault, Health, Trouble};
use crate::endpoint::Endpoint;

/// The `server_id`s that a replica of ours may name as its source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    ids: BTreeSet<u64>,
}

/// Whether a replica belongs to the family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kinship {
    /// One of its channels comes from us.
    Ours,
    /// None does.
    Foreign(String),
    /// It cannot be told: the primary was never reached, or the replica never reached its source.
    Unproven(String),
}

impl Family {
    /// Learns from the configured primary: its own id, and its sources' where it is a replica.
    pub fn of_primary(server_id: u64, channels: &[Channel]) -> Family {
        let sources = channels.iter().map(|c| c.source_id).filter(|id| *id != 0);
        Family {
            ids: sources.chain([server_id]).collect(),
        }
    }

    /// Whether this is the id of the primary, or of its source.
    pub fn has(&self, server_id: u64) -> bool {
        self.ids.contains(&server_id)
    }
}

/// Judges the channels of one replica. `family` is `None` as long as the primary was never asked;
/// then, and for a channel whose source's id is still 0, the source's address has to do.
pub fn kinship(channels: &[Channel], family: Option<&Family>, primary: &Endpoint) -> Kinship {
    let by_address = |c: &Channel| {
        c.source.0.eq_ignore_ascii_case(&primary.host.to_string())
            && c.source.1 == primary.port.to_string()
    };
    let by_id = |c: &Channel| family.is_some_and(|f| c.source_id != 0 && f.has(c.source_id));
    let undecided = |c: &Channel| family.is_none() || c.source_id == 0;
    if channels
        .iter()
        .any(|c| by_id(c) || (undecided(c) && by_address(c)))
    {
        return Kinship::Ours;
    }
    let sources: Vec<String> = channels.iter().map(Channel::to_string).collect();
    let text = format!("its source is {}", sources.join(", "));
    match channels.iter().any(undecided) {
        true => Kinship::Unproven(text),
        false => Kinship::Foreign(text),
    }
}

/// The health of a replica with at least one channel. `max_lag` is in seconds.
pub fn judge(
    channels: &[Channel],
    family: Option<&Family>,
    primary: &Endpoint,
    max_lag: u64,
) -> Health {
    match kinship(channels, family, primary) {
        Kinship::Ours => {}
        Kinship::Foreign(text) => return Fault::Foreign(text).into(),
        Kinship::Unproven(text) => {
            let text = format!("{text}, and {primary} cannot be asked whether that is its family");
            return Trouble(text).into();
        }
    }
    if let Some(trouble) = channels.iter().find_map(Channel::trouble) {
        return Health::Degraded(Degraded::Stopped(trouble));
    }
    match channels
        .iter()
        .filter_map(|c| c.lag)
        .max()
        .unwrap_or_default()
    {
        lag if lag > max_lag => Health::Degraded(Degraded::Lagging {
            lag,
            limit: max_lag,
        }),
        lag => Health::Up { lag: Some(lag) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::mysql::status::Thread;

    fn primary() -> Endpoint {
        "10.0.21.5:3301".parse().unwrap()
    }

    fn channel(host: &str, source_id: u64) -> Channel {
        Channel {
            name: String::new(),
            source: (host.to_owned(), "3301".to_owned()),
            source_id,
            io: Thread::Running,
            sql: Thread::Running,
            lag: Some(0),
        }
    }

    fn family() -> Family {
        Family::of_primary(1, &[])
    }

    #[test]
    fn the_source_id_decides_and_not_the_address() {
        let primary = primary();
        let ours = |channels: &[Channel]| kinship(channels, Some(&family()), &primary);
        assert_eq!(ours(&[channel("vip.example", 1)]), Kinship::Ours);
        assert!(matches!(
            ours(&[channel("10.0.21.5", 9)]),
            Kinship::Foreign(_)
        ));
        assert_eq!(ours(&[channel("a", 9), channel("b", 1)]), Kinship::Ours);
    }

    #[test]
    fn after_a_switch_over_the_source_of_the_configured_server_is_family_too() {
        let family = Family::of_primary(1, &[channel("10.0.21.7", 2)]);
        assert_eq!(
            kinship(&[channel("x", 2)], Some(&family), &primary()),
            Kinship::Ours
        );
        assert!(family.has(1) && family.has(2) && !family.has(3));
    }

    #[test]
    fn without_a_known_family_only_the_address_can_prove_it() {
        assert_eq!(
            kinship(&[channel("10.0.21.5", 9)], None, &primary()),
            Kinship::Ours
        );
        let unproven = kinship(&[channel("10.0.21.6", 9)], None, &primary());
        assert!(matches!(unproven, Kinship::Unproven(_)));
    }

    #[test]
    fn a_source_that_was_never_reached_is_judged_by_its_address() {
        let primary = primary();
        let of = |host: &str| kinship(&[channel(host, 0)], Some(&family()), &primary);
        assert_eq!(of("10.0.21.5"), Kinship::Ours);
        assert!(matches!(of("10.0.21.6"), Kinship::Unproven(_)));
    }

    #[test]
    fn health_follows_threads_then_lag() {
        let health = |channels: &[Channel]| judge(channels, Some(&family()), &primary(), 30);
        let lagging = |lag| Channel {
            lag: Some(lag),
            ..channel("a", 1)
        };
        assert_eq!(health(&[lagging(30)]), Health::Up { lag: Some(30) });
        let limit = Health::Degraded(Degraded::Lagging { lag: 31, limit: 30 });
        assert_eq!(health(&[lagging(31)]), limit);
        assert_eq!(
            health(&[
                lagging(3),
                Channel {
                    lag: Some(31),
                    ..channel("b", 9)
                }
            ]),
            limit
        );
        let stopped = Channel {
            sql: Thread::Stopped("is not running".into()),
            ..lagging(0)
        };
        assert!(matches!(
            health(&[stopped]),
            Health::Degraded(Degraded::Stopped(_))
        ));
        assert!(matches!(
            health(&[channel("a", 9)]),
            Health::Down(Fault::Foreign(_))
        ));
        assert!(matches!(health(&[channel("a", 0)]), Health::Unknown(_)));
    }
}

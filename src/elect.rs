//! Who takes over. Pure: one function for each kind of move, over candidates checked just now.
//!
//! The order is the same for every checker that sees the same servers: those that are up, by lag,
//! then by their place in the operator's list, then by address; then replicas that lag; then the
//! primary; then servers that stand still. One that is down, unknown or excluded is never chosen.

use std::fmt;
use std::str::FromStr;

use crate::checker::{Candidate, Degraded, Health};
use crate::endpoint::{Endpoint, Host};

/// Lags within so many seconds of each other count as equal.
const LAG_BUCKET: u64 = 5;

/// A server, or a whole host, that is never elected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exclusion {
    /// Every server on this host.
    Host(Host),
    /// This server.
    Server(Endpoint),
}

impl Exclusion {
    /// Whether this excludes `server`. Hosts are compared as they are written: an excluded name
    /// does not exclude its address.
    pub fn matches(&self, server: &Endpoint) -> bool {
        match self {
            Exclusion::Host(host) => server.host == *host,
            Exclusion::Server(excluded) => server == excluded,
        }
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exclusion::Host(host) => write!(f, "{host}"),
            Exclusion::Server(server) => write!(f, "{server}"),
        }
    }
}

impl FromStr for Exclusion {
    type Err = String;

    /// Reads `host` or `host:port`; an IPv6 address with a port stands in brackets.
    ///
    /// # Errors
    /// One sentence, for anything else.
    fn from_str(text: &str) -> Result<Exclusion, String> {
        let inside = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let bare = inside.filter(|t| t.contains(':')).unwrap_or(text);
        match (bare.parse::<Host>(), text.contains(':')) {
            (Ok(host), _) => Ok(Exclusion::Host(host)),
            (Err(_), true) => text.parse().map(Exclusion::Server),
            (Err(problem), false) => Err(problem),
        }
    }
}

/// Whether any of these excludes `server`.
pub fn is_excluded(exclude: &[Exclusion], server: &Endpoint) -> bool {
    exclude.iter().any(|exclusion| exclusion.matches(server))
}

/// A server's health, in view of the exclusions: one that is up and excluded is degraded.
pub fn as_excluded(exclude: &[Exclusion], server: &Endpoint, health: &Health) -> Health {
    match matches!(health, Health::Up { .. }) && is_excluded(exclude, server) {
        true => Health::Degraded(Degraded::Excluded),
        false => health.clone(),
    }
}

/// The best server to move to when the current one is lost: whoever serves at all.
pub fn forced<'a>(candidates: &'a [Candidate], exclude: &[Exclusion]) -> Option<&'a Candidate> {
    candidates
        .iter()
        .filter(|candidate| !is_excluded(exclude, &candidate.server))
        .filter_map(|candidate| Some((rank(&candidate.health)?, candidate)))
        .min_by_key(|(rank, candidate)| (*rank, candidate.place, &candidate.server))
        .map(|(_, candidate)| candidate)
}

/// The best server to move to when the current one still serves: only one that is up, `is_steady`
/// for a while, and no further behind than half of what is allowed (`max_lag`, seconds), so that
/// the next cycle has no reason to move again.
pub fn voluntary<'a>(
    candidates: &'a [Candidate],
    exclude: &[Exclusion],
    max_lag: u64,
    is_steady: impl Fn(&Endpoint) -> bool,
) -> Option<&'a Candidate> {
    let is_safe = |candidate: &&Candidate| {
        matches!(candidate.health, Health::Up { lag } if lag.unwrap_or(0) <= max_lag / 2)
            && is_steady(&candidate.server)
            && !is_excluded(exclude, &candidate.server)
    };
    candidates
        .iter()
        .filter(is_safe)
        .min_by_key(|candidate| (rank(&candidate.health), candidate.place, &candidate.server))
}

/// The lower the better; `None` for servers that must not be chosen.
fn rank(health: &Health) -> Option<(u8, u64)> {
    match health {
        Health::Up { lag } => Some((0, lag.unwrap_or(0) / LAG_BUCKET)),
        Health::Degraded(Degraded::Lagging { lag, .. }) => Some((1, lag / LAG_BUCKET)),
        Health::Degraded(Degraded::StandIn) => Some((2, 0)),
        Health::Degraded(Degraded::Stopped(_) | Degraded::ReadOnly(_)) => Some((3, 0)),
        Health::Degraded(Degraded::Excluded | Degraded::Split(_) | Degraded::Unwatched(_))
        | Health::Down(_)
        | Health::Unknown(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::{Fault, Trouble};

    fn server(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    fn up(text: &str, lag: u64) -> Candidate {
        Candidate {
            server: server(text),
            health: Health::Up { lag: Some(lag) },
            place: 0,
        }
    }

    fn lagging(text: &str, lag: u64) -> Candidate {
        with(text, Health::Degraded(Degraded::Lagging { lag, limit: 30 }))
    }

    fn with(text: &str, health: Health) -> Candidate {
        Candidate {
            server: server(text),
            health,
            place: 0,
        }
    }

    fn stopped(text: &str) -> Candidate {
        with(
            text,
            Health::Degraded(Degraded::Stopped("SQL thread".into())),
        )
    }

    fn stand_in(text: &str) -> Candidate {
        with(text, Health::Degraded(Degraded::StandIn))
    }

    fn elected(candidates: &[Candidate]) -> Option<String> {
        forced(candidates, &[]).map(|c| c.server.to_string())
    }

    #[test]
    fn a_forced_move_takes_the_best_that_serves() {
        let table: &[(&[Candidate], Option<&str>)] = &[
            (&[], None),
            (
                &[up("10.0.0.2:1", 9), up("10.0.0.3:1", 1)],
                Some("10.0.0.3:1"),
            ),
            (
                &[up("10.0.0.3:1", 0), up("10.0.0.2:1", 4)],
                Some("10.0.0.2:1"),
            ),
            (
                &[up("10.0.0.10:1", 0), up("10.0.0.9:1", 0)],
                Some("10.0.0.9:1"),
            ),
            (
                &[lagging("10.0.0.2:1", 99), up("10.0.0.3:1", 29)],
                Some("10.0.0.3:1"),
            ),
            (
                &[stand_in("10.0.0.1:1"), lagging("10.0.0.2:1", 99)],
                Some("10.0.0.2:1"),
            ),
            (
                &[lagging("10.0.0.2:1", 99), lagging("10.0.0.3:1", 50)],
                Some("10.0.0.3:1"),
            ),
            (
                &[stopped("10.0.0.2:1"), stand_in("10.0.0.9:1")],
                Some("10.0.0.9:1"),
            ),
            (&[stopped("10.0.0.2:1")], Some("10.0.0.2:1")),
        ];
        for (candidates, wanted) in table {
            assert_eq!(elected(candidates).as_deref(), *wanted, "{candidates:?}");
        }
    }

    #[test]
    fn nobody_who_is_down_or_unknown_is_ever_chosen() {
        let dead = [
            with("10.0.0.2:1", Fault::Refused.into()),
            with("10.0.0.3:1", Fault::Foreign("x".into()).into()),
            with("10.0.0.4:1", Trouble("denied".into()).into()),
        ];
        assert_eq!(elected(&dead), None);
    }

    #[test]
    fn an_excluded_server_or_host_is_never_chosen() {
        let candidates = [
            up("10.0.0.2:1", 0),
            up("10.0.0.2:2", 0),
            up("10.0.0.3:1", 0),
        ];
        let host = [Exclusion::Host("10.0.0.2".parse().unwrap())];
        let one = [Exclusion::Server(server("10.0.0.2:1"))];
        assert_eq!(
            forced(&candidates, &host).unwrap().server,
            server("10.0.0.3:1")
        );
        assert_eq!(
            forced(&candidates, &one).unwrap().server,
            server("10.0.0.2:2")
        );
        let steady = voluntary(&candidates, &host, 30, |_| true).unwrap();
        assert_eq!(steady.server, server("10.0.0.3:1"));
    }

    #[test]
    fn an_exclusion_is_a_host_or_a_server() {
        for text in ["10.0.0.2", "10.0.0.2:1", "db7", "db7:1", "::1", "[::1]:1"] {
            let exclusion: Exclusion = text.parse().unwrap();
            assert_eq!(exclusion.to_string(), text);
        }
        let bracketed = "[::1]".parse::<Exclusion>().unwrap();
        assert_eq!(bracketed, Exclusion::Host("::1".parse().unwrap()));
        for text in ["", "a b", "10.0.0.2:0", "[::1", "::1:x"] {
            assert!(text.parse::<Exclusion>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_voluntary_move_goes_only_to_a_steady_replica_well_within_the_limit() {
        let to = |candidates: &[Candidate]| {
            voluntary(candidates, &[], 30, |s| *s != server("10.0.0.9:1"))
                .map(|c| c.server.to_string())
        };
        assert_eq!(to(&[up("10.0.0.2:1", 15)]).as_deref(), Some("10.0.0.2:1"));
        assert_eq!(to(&[up("10.0.0.2:1", 16)]), None);
        assert_eq!(to(&[up("10.0.0.9:1", 0)]), None);
        assert_eq!(
            to(&[stand_in("10.0.0.1:1"), lagging("10.0.0.2:1", 31)]),
            None
        );
        assert_eq!(to(&[stopped("10.0.0.1:1")]), None);
    }

    #[test]
    fn among_equals_the_place_in_the_list_decides_before_the_address() {
        let at = |text: &str, place| Candidate {
            health: Health::Up { lag: None },
            place,
            ..up(text, 0)
        };
        let listed = [at("10.0.0.2:1", 1), at("10.0.0.9:1", 0)];
        assert_eq!(elected(&listed).as_deref(), Some("10.0.0.9:1"));
        let steady = voluntary(&listed, &[], 0, |_| true).unwrap();
        assert_eq!(steady.server, server("10.0.0.9:1"));
    }

    #[test]
    fn the_order_in_which_candidates_were_found_does_not_matter() {
        let mut candidates = vec![
            up("10.0.0.2:1", 1),
            up("10.0.0.3:1", 2),
            stopped("10.0.0.1:1"),
        ];
        let first = elected(&candidates);
        candidates.reverse();
        assert_eq!(elected(&candidates), first);
    }
}

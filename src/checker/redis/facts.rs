//! What a Redis says of itself, read from its answers. Pure.
//!
//! The answers are those of `ROLE` and `INFO replication`, as Redis 2.8.12 and later and Valkey
//! give them (redis.io/docs/latest/commands/role, .../info).

use redis::Value;

use crate::endpoint::{Endpoint, Host, Port};

/// One server's answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub role: Role,
    /// The identity of its data's history: a master and its replicas share it.
    pub history: Option<String>,
    /// The history that it left when it was promoted.
    pub former_history: Option<String>,
    /// Whether it keeps a backlog for replicas, as a master does from its first replica on.
    pub backlog: bool,
    /// Why it takes no writes, in its own words.
    pub read_only: Option<String>,
}

/// What a server is in its replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It takes writes.
    Master {
        /// Bytes of history that replicas could have read.
        offset: u64,
        /// Replicas that are connected to it.
        replicas: usize,
    },
    /// It follows another server.
    Replica {
        /// Which, as it was told.
        of: String,
        /// The same, if it is an address.
        source: Option<Endpoint>,
        /// Whether it is connected to it.
        linked: bool,
    },
    /// It is a Sentinel, and no Redis.
    Sentinel,
}

impl Facts {
    /// Reads the answers to `ROLE` and `INFO replication`. `None` if they are not such.
    pub fn read(role: &Value, info: &str) -> Option<Facts> {
        let Value::Array(fields) = role else {
            return None;
        };
        let history = |name: &str| {
            let id = field(info, name)?;
            // The second one is zeros where there is none.
            Some(id.to_owned()).filter(|id| id.bytes().any(|b| b != b'0'))
        };
        Some(Facts {
            role: Role::read(fields)?,
            history: history("master_replid"),
            former_history: history("master_replid2"),
            backlog: field(info, "repl_backlog_active") == Some("1"),
            read_only: None,
        })
    }

    /// Whether it is a master that nobody has ever replicated from: it may have started empty a
    /// moment ago.
    pub fn is_fresh(&self) -> bool {
        let (offset, replicas) = (0, 0);
        self.role == Role::Master { offset, replicas } && !self.backlog
    }

    /// Whether it says that it is a master.
    pub fn is_master(&self) -> bool {
        matches!(self.role, Role::Master { .. })
    }

    /// Whether this server replicates from `master`, which is at `address`: it was told so, or is
    /// connected to somebody and has the same history. Addresses may differ behind NAT.
    pub fn follows(&self, master: &Facts, address: &Endpoint) -> bool {
        match &self.role {
            Role::Replica { source, linked, .. } => {
                source.as_ref() == Some(address)
                    || (*linked && self.history.is_some() && self.history == master.history)
            }
            Role::Master { .. } | Role::Sentinel => false,
        }
    }
}

impl Role {
    fn read(fields: &[Value]) -> Option<Role> {
        match text(fields.first()?)?.as_str() {
            "master" => Some(Role::Master {
                offset: number(fields.get(1)?)?,
                replicas: match fields.get(2) {
                    Some(Value::Array(replicas)) => replicas.len(),
                    Some(_) | None => 0,
                },
            }),
            "slave" | "replica" => {
                let (host, port) = (text(fields.get(1)?)?, number(fields.get(2)?)?);
                Some(Role::Replica {
                    source: address(&host, port),
                    of: format!("{host}:{port}"),
                    linked: text(fields.get(3)?)? == "connected",
                })
            }
            "sentinel" => Some(Role::Sentinel),
            _ => None,
        }
    }
}

/// A host and a port, if they are valid.
pub fn address(host: &str, port: u64) -> Option<Endpoint> {
    let port = u16::try_from(port).ok().and_then(Port::new)?;
    Some(Endpoint::new(host.parse::<Host>().ok()?, port))
}

/// The text of a reply.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the crate may add kinds of replies"
)]
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        Value::Okay => Some("OK".to_owned()),
        _ => None,
    }
}

/// The number of a reply, which may be a text.
pub fn number(value: &Value) -> Option<u64> {
    if let Value::Int(number) = value {
        return u64::try_from(*number).ok();
    }
    text(value)?.parse().ok()
}

/// A field of INFO: `name:value` on a line of its own.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Replication\r\nrole:master\r\nconnected_slaves:1\r\n\
        master_replid:8f0f4f5a\r\nmaster_replid2:0000000000\r\nmaster_repl_offset:42\r\n";

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn replica(state: &str) -> Value {
        Value::Array(vec![
            bulk("slave"),
            bulk("10.0.0.1"),
            Value::Int(6379),
            bulk(state),
            Value::Int(42),
        ])
    }

    fn master(offset: i64, replicas: usize) -> Value {
        let one = Value::Array(vec![bulk("10.0.0.2"), bulk("6379"), bulk("42")]);
        Value::Array(vec![
            bulk("master"),
            Value::Int(offset),
            Value::Array(vec![one; replicas]),
        ])
    }

    #[test]
    fn a_master_a_replica_and_a_sentinel_are_told_apart() {
        let facts = Facts::read(&master(42, 1), INFO).unwrap();
        let (offset, replicas) = (42, 1);
        assert_eq!(facts.role, Role::Master { offset, replicas });
        assert_eq!(facts.history.as_deref(), Some("8f0f4f5a"));
        assert_eq!(facts.former_history, None);
        let facts = Facts::read(&replica("sync"), INFO).unwrap();
        assert_eq!(
            facts.role,
            Role::Replica {
                of: "10.0.0.1:6379".to_owned(),
                source: Some("10.0.0.1:6379".parse().unwrap()),
                linked: false,
            }
        );
        let sentinel = Value::Array(vec![bulk("sentinel"), Value::Array(Vec::new())]);
        assert_eq!(Facts::read(&sentinel, "").unwrap().role, Role::Sentinel);
    }

    #[test]
    fn a_master_is_fresh_as_long_as_nobody_has_replicated_from_it() {
        for (offset, replicas, fresh) in [(0, 0, true), (0, 1, false), (42, 0, false)] {
            let facts = Facts::read(&master(offset, replicas), INFO).unwrap();
            assert_eq!(facts.is_fresh(), fresh, "{offset} {replicas}");
        }
        // It had one, and nothing was ever written.
        let facts = Facts::read(&master(0, 0), "repl_backlog_active:1\r\n").unwrap();
        assert!(!facts.is_fresh());
    }

    #[test]
    fn a_replica_follows_whom_it_was_told_or_whose_history_it_shares() {
        let of = |role: &Value, info: &str| Facts::read(role, info).unwrap();
        let here = "10.0.0.1:6379".parse().unwrap();
        let elsewhere = "172.17.0.1:6379".parse().unwrap();
        let (leader, other) = (of(&master(42, 1), INFO), of(&master(7, 0), ""));
        assert!(of(&replica("connect"), "").follows(&leader, &here));
        assert!(of(&replica("connected"), INFO).follows(&leader, &elsewhere));
        assert!(!of(&replica("connect"), INFO).follows(&leader, &elsewhere));
        assert!(!of(&replica("connected"), "").follows(&other, &elsewhere));
        assert!(!other.follows(&leader, &here));
    }

    #[test]
    fn what_is_no_role_is_nothing() {
        let odd = [
            Value::Nil,
            Value::Int(1),
            Value::Array(Vec::new()),
            Value::Array(vec![bulk("leader")]),
            Value::Array(vec![bulk("master")]),
            Value::Array(vec![bulk("slave"), bulk("h"), bulk("x"), bulk("connected")]),
        ];
        for value in odd {
            assert_eq!(Facts::read(&value, INFO), None, "{value:?}");
        }
        for (host, port) in [("a b", 1), ("10.0.0.1", 0), ("10.0.0.1", 70000)] {
            assert_eq!(address(host, port), None);
        }
    }
}

//! The optional settings, which a section may have and the command line may give for all sections.

use std::time::Duration;

use super::tls;
use super::value::{self, Candidate, Fallback};
use crate::backend::Kind;
use crate::elect::Exclusion;
use crate::endpoint::{Port, parse_port};
use crate::tls::Verify;

/// How servers are checked: the same for every kind of tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How long one check may take.
    pub timeout: Duration,
    /// After how many inconclusive failures in a row a server is down.
    pub fall: u32,
    /// After how many good checks in a row a server is up.
    pub rise: u32,
    /// The pause between two checks.
    pub interval: Duration,
}

/// The keys that every kind of section has.
const COMMON: [&str; 7] = [
    "proxyport",
    "timeout",
    "fall",
    "rise",
    "interval",
    "exclude",
    "exec",
];

/// What was said; `None` where nothing was said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    pub(super) proxy_port: Option<Port>,
    pub(super) max_lag: Option<u64>,
    pub(super) timeout: Option<Duration>,
    pub(super) fall: Option<u32>,
    pub(super) rise: Option<u32>,
    pub(super) interval: Option<Duration>,
    pub(super) fallback: Option<Fallback>,
    pub(super) replicas: Option<Vec<Candidate>>,
    pub(super) exclude: Option<Vec<Exclusion>>,
    pub(super) exec: Option<String>,
    pub(super) tls: Option<Option<Verify>>,
    pub(super) ca: Option<String>,
    pub(super) tls_cert: Option<String>,
    pub(super) tls_key: Option<String>,
    pub(super) tls_server_name: Option<String>,
    pub(super) get_server_public_key: Option<bool>,
    pub(super) servers: Option<Vec<Candidate>>,
    pub(super) flush: Option<bool>,
    pub(super) sentinels: Option<Vec<Candidate>>,
    pub(super) master_name: Option<String>,
}

impl Settings {
    /// The keys of a kind of section, as they stand in the conf file.
    pub fn keys(kind: Kind) -> impl Iterator<Item = &'static str> {
        let own: &[&str] = match kind {
            Kind::MysqlSlave => &[
                "max_lag",
                "fallback",
                "replicas",
                "tls",
                "ca",
                "tls_cert",
                "tls_key",
                "get_server_public_key",
            ],
            Kind::Memcached => &["server", "flush"],
            Kind::RedisMaster => &[
                "server",
                "sentinel",
                "master_name",
                "tls",
                "ca",
                "tls_cert",
                "tls_key",
                "tls_server_name",
            ],
        };
        COMMON.iter().chain(own).copied()
    }

    /// Takes one setting; `None` if `key` is none.
    ///
    /// # Errors
    /// Inside: one sentence on what is wrong with the value.
    pub fn set(&mut self, key: &str, text: &str) -> Option<Result<(), String>> {
        let done = match key {
            "proxyport" => parse_port(text).map(|v| self.proxy_port = Some(v)),
            "max_lag" => value::number(text, 0..=MOST_LAG).map(|v| self.max_lag = Some(v)),
            "timeout" => value::seconds(text, 0.005..=60.0).map(|v| self.timeout = Some(v)),
            "fall" => count(text).map(|v| self.fall = Some(v)),
            "rise" => count(text).map(|v| self.rise = Some(v)),
            "interval" => value::seconds(text, 0.05..=3600.0).map(|v| self.interval = Some(v)),
            "fallback" => value::fallback(text).map(|v| self.fallback = Some(v)),
            "replicas" => value::list(text, value::candidate).map(|v| self.replicas = Some(v)),
            "exclude" => value::list(text, value::exclusion).map(|v| self.exclude = Some(v)),
            "exec" => value::command(text).map(|v| self.exec = Some(v)),
            "tls" => tls::word(text).map(|v| self.tls = Some(v)),
            "ca" => keep(&mut self.ca, text),
            "tls_cert" => keep(&mut self.tls_cert, text),
            "tls_key" => keep(&mut self.tls_key, text),
            "tls_server_name" => value::word(text).map(|v| self.tls_server_name = Some(v)),
            "get_server_public_key" => {
                value::yes_or_no(text).map(|v| self.get_server_public_key = Some(v))
            }
            "server" => value::list(text, value::candidate).map(|v| self.servers = Some(v)),
            "sentinel" => value::list(text, value::candidate).map(|v| self.sentinels = Some(v)),
            "flush" => value::yes_or_no(text).map(|v| self.flush = Some(v)),
            "master_name" => value::word(text).map(|v| self.master_name = Some(v)),
            _ => return None,
        };
        Some(done)
    }

    /// These settings, and `defaults` where they say nothing.
    #[must_use]
    pub(super) fn or(self, defaults: &Settings) -> Settings {
        let d = defaults.clone();
        Settings {
            proxy_port: self.proxy_port.or(d.proxy_port),
            max_lag: self.max_lag.or(d.max_lag),
            timeout: self.timeout.or(d.timeout),
            fall: self.fall.or(d.fall),
            rise: self.rise.or(d.rise),
            interval: self.interval.or(d.interval),
            fallback: self.fallback.or(d.fallback),
            replicas: self.replicas.or(d.replicas),
            exclude: self.exclude.or(d.exclude),
            exec: self.exec.or(d.exec),
            tls: self.tls.or(d.tls),
            ca: self.ca.or(d.ca),
            tls_cert: self.tls_cert.or(d.tls_cert),
            tls_key: self.tls_key.or(d.tls_key),
            tls_server_name: self.tls_server_name.or(d.tls_server_name),
            get_server_public_key: self.get_server_public_key.or(d.get_server_public_key),
            servers: self.servers.or(d.servers),
            flush: self.flush.or(d.flush),
            sentinels: self.sentinels.or(d.sentinels),
            master_name: self.master_name.or(d.master_name),
        }
    }

    /// Whether servers were named: the command line alone makes a tag.
    pub fn names_servers(&self) -> bool {
        self.servers.is_some() || self.sentinels.is_some()
    }

    pub(super) fn rules(&self) -> Rules {
        let defaults = Rules::default();
        Rules {
            timeout: self.timeout.unwrap_or(defaults.timeout),
            fall: self.fall.unwrap_or(defaults.fall),
            rise: self.rise.unwrap_or(defaults.rise),
            interval: self.interval.unwrap_or(defaults.interval),
        }
    }
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            timeout: Duration::from_secs(1),
            fall: 2,
            rise: 2,
            interval: Duration::from_secs(1),
        }
    }
}

/// A year.
const MOST_LAG: u64 = 366 * 86400;

fn count(text: &str) -> Result<u32, String> {
    let number = value::number(text, 1..=100)?;
    u32::try_from(number).map_err(|e| e.to_string())
}

fn keep(place: &mut Option<String>, text: &str) -> Result<(), String> {
    *place = Some(text.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_a_setting_and_nothing_else_is() {
        for key in Kind::ALL.into_iter().flat_map(Settings::keys) {
            assert!(Settings::default().set(key, "").is_some(), "{key}");
        }
        assert!(Settings::default().set("host", "x").is_none());
    }

    #[test]
    fn a_section_wins_over_the_command_line_and_both_over_the_defaults() {
        let of = |pairs: &[(&str, &str)]| {
            let mut settings = Settings::default();
            for (key, text) in pairs {
                settings.set(key, text).unwrap().unwrap();
            }
            settings
        };
        let section = of(&[("timeout", "0.5"), ("fall", "3")]);
        let flags = of(&[("timeout", "2"), ("rise", "4")]);
        let rules = section.or(&flags).rules();
        assert_eq!(rules.timeout, Duration::from_millis(500));
        assert_eq!((rules.fall, rules.rise), (3, 4));
        assert_eq!(rules.interval, Duration::from_secs(1));
    }

    #[test]
    fn bad_values_are_refused() {
        let cases = [
            ("proxyport", "0", "not a port"),
            ("max_lag", "-1", "not a whole number"),
            ("timeout", "0", "0.005 to 60 seconds"),
            ("timeout", "61", "0.005 to 60 seconds"),
            ("fall", "0", "1 to 100"),
            ("rise", "101", "1 to 100"),
            ("interval", "0.01", "0.05 to 3600 seconds"),
            ("fallback", "primary", "not master or keep"),
            ("replicas", "10.0.0.1:x", "'x' is not a port"),
            ("exclude", "a b", "neither an IP address nor a host name"),
            (
                "tls",
                "maybe",
                "'maybe' is not off, on, verify-ca or verify",
            ),
            ("tls_server_name", "a b", "no blanks"),
            ("exec", "a\0b", "no control characters"),
            ("get_server_public_key", "1", "'1' is not yes or no"),
            ("server", "a b", "neither an IP address nor a host name"),
            ("sentinel", "10.0.0.1:0", "'0' is not a port"),
            ("flush", "1", "'1' is not yes or no"),
            ("master_name", "my master", "no blanks"),
        ];
        for (key, text, wanted) in cases {
            let problem = Settings::default().set(key, text).unwrap().unwrap_err();
            assert!(problem.contains(wanted), "{key}={text}: {problem}");
        }
    }
}

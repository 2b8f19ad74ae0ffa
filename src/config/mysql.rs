//! A `type=mysqlslave` section as a tag that can run.

use super::ini::{Entry, Section};
use super::report::Report;
use super::settings::{Rules, Settings};
use super::value::{Candidate, Fallback};
use crate::backend::{Kind, TagName};
use crate::elect::Exclusion;
use crate::endpoint::{Endpoint, Host, Port, parse_port};
use crate::nearest::did_you_mean;
use crate::secret::Secret;

/// How many seconds a replica may be behind, where nothing is said.
const DEFAULT_MAX_LAG: u64 = 30;

/// Keys of the original's file that are taken and not needed.
const IGNORED: [&str; 2] = ["database", "default-character-set"];
const OWN: [&str; 5] = ["type", "host", "port", "user", "password"];

/// A tag that is kept on a MySQL or MariaDB replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MysqlTag {
    /// The section's name.
    pub name: TagName,
    /// The server where replicas are discovered.
    pub primary: Endpoint,
    /// The account for the primary and the replicas.
    pub user: String,
    /// Its password, possibly empty.
    pub password: Secret,
    /// The proxy port, where one was set.
    pub proxy_port: Option<Port>,
    /// The proxy port that follows from the primary's port.
    pub default_proxy_port: Port,
    /// How servers are checked.
    pub rules: Rules,
    /// How many seconds a replica may be behind.
    pub max_lag: u64,
    /// Where the tag goes when no replica can be used.
    pub fallback: Fallback,
    /// Candidates besides the discovered ones.
    pub replicas: Vec<Endpoint>,
    /// Servers that are never elected.
    pub exclude: Vec<Exclusion>,
}

impl MysqlTag {
    /// The port that HAProxy listens on, if nobody has said otherwise in the key.
    pub fn listen_port(&self) -> Port {
        self.proxy_port.unwrap_or(self.default_proxy_port)
    }
}

/// The section's own keys, as far as they could be read.
#[derive(Default)]
struct Fields {
    host: Option<Host>,
    port: Option<Port>,
    user: Option<String>,
    password: Secret,
    /// Keys that were there, good or not, so that a bad one is not reported as missing too.
    seen: Vec<String>,
    settings: Settings,
}

/// Reads the section. `None` if something is wrong; it is then in `report`.
pub(super) fn tag(section: &Section, defaults: &Settings, report: &mut Report) -> Option<MysqlTag> {
    let before = report.errors();
    let mut fields = Fields::default();
    for entry in &section.entries {
        fields.take(entry, report);
    }
    let name = section.name.parse::<TagName>();
    if let Err(problem) = &name {
        report.error(section.line, problem);
    }
    fields.report_missing(section, report);
    let tag = fields.finish(name.ok()?, defaults, section.line, report)?;
    (report.errors() == before).then_some(tag)
}

impl Fields {
    fn take(&mut self, entry: &Entry, report: &mut Report) {
        let (key, value) = (entry.key.as_str(), entry.value.as_str());
        if value.is_empty() {
            // As good as not there; `finish` says what must not be empty.
            return self.warn_if_unknown(entry, report);
        }
        self.seen.push(key.to_owned());
        let result = match key {
            "type" => Ok(()),
            "host" => value.parse().map(|v| self.host = Some(v)),
            "port" => parse_port(value).map(|v| self.port = Some(v)),
            "user" => {
                self.user = Some(value.to_owned());
                Ok(())
            }
            "password" => {
                self.password = Secret::new(value);
                Ok(())
            }
            _ => match self.settings.set(key, value) {
                Some(result) => result,
                None => return self.warn_if_unknown(entry, report),
            },
        };
        if let Err(problem) = result {
            report.error(entry.line, &format!("{key}: {problem}"));
        }
    }

    fn warn_if_unknown(&self, entry: &Entry, report: &mut Report) {
        let known = || OWN.into_iter().chain(IGNORED).chain(Settings::KEYS);
        if known().all(|key| key != entry.key) {
            let hint = did_you_mean(&entry.key, known());
            let key = entry.key.escape_debug();
            report.warning(entry.line, &format!("unknown key '{key}' is ignored{hint}"));
        }
    }

    fn report_missing(&self, section: &Section, report: &mut Report) {
        let examples = [("host", "10.0.21.5"), ("port", "3301"), ("user", "monitor")];
        for (key, example) in examples {
            if !self.seen.iter().any(|k| k == key) {
                let name = section.name.escape_debug();
                report.error(
                    section.line,
                    &format!("[{name}] has no {key}=: add a line such as {key}={example}"),
                );
            }
        }
    }

    fn finish(
        self,
        name: TagName,
        defaults: &Settings,
        line: usize,
        report: &mut Report,
    ) -> Option<MysqlTag> {
        let settings = self.settings.or(defaults);
        let port = self.port?;
        let Some(default_proxy_port) = Kind::MysqlSlave
            .default_proxy_port(port)
            .or(settings.proxy_port)
        else {
            let problem = format!(
                "port {port} + 10050 is no port for HAProxy to listen on: add proxyport= to [{name}]"
            );
            report.error(line, &problem);
            return None;
        };
        if settings.ca.is_some() {
            report.warning(
                line,
                &format!("[{name}]: ca= has no effect while tls is off"),
            );
        }
        Some(MysqlTag {
            name,
            primary: Endpoint::new(self.host?, port),
            user: self.user?,
            password: self.password,
            proxy_port: settings.proxy_port,
            default_proxy_port,
            rules: settings.rules(),
            max_lag: settings.max_lag.unwrap_or(DEFAULT_MAX_LAG),
            fallback: settings.fallback.unwrap_or_default(),
            replicas: servers(settings.replicas.unwrap_or_default(), port),
            exclude: settings.exclude.unwrap_or_default(),
        })
    }
}

fn servers(candidates: Vec<Candidate>, port: Port) -> Vec<Endpoint> {
    candidates.into_iter().map(|c| c.at(port)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_manual_page_has_exactly_the_keys_that_there_are() {
        let path = "packaging/man/confd_haproxy-db.conf.5";
        let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        let keys = |heading: &str| -> BTreeSet<String> {
            let (_, rest) = page.split_once(&format!("\n.Ss {heading}\n")).unwrap();
            let part = rest.split("\n.S").next().unwrap();
            let items = part.lines().filter_map(|l| l.strip_prefix(".It Ic "));
            items
                .flat_map(|l| l.split(" , "))
                .map(str::to_owned)
                .collect()
        };
        let known = OWN.iter().chain(&IGNORED).chain(&Settings::KEYS);
        let known: BTreeSet<String> = known.map(|key| (*key).to_owned()).collect();
        assert_eq!(&keys("MySQL") | &keys("All types"), known);
    }
}

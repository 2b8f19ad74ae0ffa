//! A section's keys, sorted: those of its kind, the settings, and those that nobody knows. What
//! the kinds of section have in common.

use super::ini::{Entry, Section};
use super::report::Report;
use super::settings::{Rules, Settings};
use super::value::Candidate;
use crate::backend::{Kind, TagName};
use crate::elect::Exclusion;
use crate::endpoint::{Endpoint, Port};
use crate::nearest::did_you_mean;

/// Says what is wrong with a value.
pub(super) type Rule = fn(&str) -> Result<(), String>;

/// Keys of one kind that are no settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    /// The kind.
    pub(super) kind: Kind,
    /// Keys with a meaning, and what their values have to be.
    pub(super) own: &'static [(&'static str, Rule)],
    /// Keys that are taken and not needed.
    pub(super) ignored: &'static [&'static str],
}

/// A section, read as far as its kind does not matter.
#[derive(Debug)]
pub(super) struct Raw<'a> {
    section: &'a Section,
    keys: Keys,
    /// The settings, those of the command line where the section says nothing.
    pub(super) settings: Settings,
}

/// What every tag has, whatever its servers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    /// The section's name.
    pub name: TagName,
    /// The kind of its servers.
    pub kind: Kind,
    /// The proxy port, where one was set.
    pub proxy_port: Option<Port>,
    /// The proxy port that follows from the servers' port.
    pub default_proxy_port: Port,
    /// How servers are checked.
    pub rules: Rules,
    /// Servers that are never elected.
    pub exclude: Vec<Exclusion>,
    /// What is run after a move, if anything.
    pub exec: Option<String>,
}

impl Common {
    /// The port that HAProxy listens on, if nobody has said otherwise in the key.
    pub fn listen_port(&self) -> Port {
        self.proxy_port.unwrap_or(self.default_proxy_port)
    }
}

impl<'a> Raw<'a> {
    /// Sorts the keys. `defaults` are the command line's.
    pub(super) fn read(
        section: &'a Section,
        keys: Keys,
        defaults: &Settings,
        report: &mut Report,
    ) -> Raw<'a> {
        let mut settings = Settings::default();
        for entry in &section.entries {
            if !keys.know(&entry.key) {
                keys.warn(entry, report);
            } else if !entry.value.is_empty()
                && let Err(problem) = keys.take(entry, &mut settings)
            {
                report.error(entry.line, &format!("{}: {problem}", entry.key));
            }
        }
        Raw {
            section,
            keys,
            settings: settings.or(defaults),
        }
    }

    /// A key's value; an empty one is as good as none.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.entry(key).map(|entry| entry.value.as_str())
    }

    /// A key's value, read by `parse`; what is wrong with it was reported by its rule.
    pub(super) fn parse<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.text(key).and_then(|text| parse(text).ok())
    }

    /// Reports a key that has to be there and is not, with an example of its value.
    pub(super) fn require(&self, key: &str, example: &str, report: &mut Report) {
        if self.entry(key).is_none() {
            self.error(
                &format!("has no {key}=: add a line such as {key}={example}"),
                report,
            );
        }
    }

    /// Reports what is wrong with the section as a whole.
    pub(super) fn error(&self, problem: &str, report: &mut Report) {
        let name = self.section.name.escape_debug();
        report.error(self.section.line, &format!("[{name}] {problem}"));
    }

    /// Reports what has no effect.
    pub(super) fn warning(&self, problem: &str, report: &mut Report) {
        let name = self.section.name.escape_debug();
        report.warning(self.section.line, &format!("[{name}]: {problem}"));
    }

    /// What every tag has. `port` is that of its servers; `None` if something is wrong.
    pub(super) fn common(&self, port: Option<Port>, report: &mut Report) -> Option<Common> {
        let (kind, settings) = (self.keys.kind, &self.settings);
        let name = self.section.name.parse::<TagName>();
        if let Err(problem) = &name {
            report.error(self.section.line, problem);
        }
        let (name, port) = (name.ok()?, port?);
        let default = kind.default_proxy_port(port).or(settings.proxy_port);
        if default.is_none() {
            let offset = kind.proxy_port_offset();
            report.error(
                self.section.line,
                &format!(
                    "port {port} + {offset} is no port for HAProxy to listen on: add proxyport= to [{name}]"
                ),
            );
        }
        Some(Common {
            name,
            kind,
            proxy_port: settings.proxy_port,
            default_proxy_port: default?,
            rules: settings.rules(),
            exclude: settings.exclude.clone().unwrap_or_default(),
            exec: settings.exec.clone(),
        })
    }

    fn entry(&self, key: &str) -> Option<&'a Entry> {
        let mut entries = self.section.entries.iter();
        entries.find(|e| e.key == key && !e.value.is_empty())
    }
}

impl Keys {
    /// Every key that such a section may have.
    pub(super) fn all(&self) -> impl Iterator<Item = &'static str> {
        let own = self.own.iter().map(|(key, _)| *key);
        own.chain(self.ignored.iter().copied())
            .chain(["type"])
            .chain(Settings::keys(self.kind))
    }

    /// Takes a setting, or checks another key.
    fn take(&self, entry: &Entry, settings: &mut Settings) -> Result<(), String> {
        let (key, value) = (entry.key.as_str(), entry.value.as_str());
        if Settings::keys(self.kind).any(|k| k == key) {
            return settings.set(key, value).unwrap_or(Ok(()));
        }
        let mut rules = self.own.iter().filter(|(k, _)| *k == key);
        rules.next().map_or(Ok(()), |(_, rule)| rule(value))
    }

    fn know(&self, key: &str) -> bool {
        self.all().any(|known| known == key)
    }

    fn warn(&self, entry: &Entry, report: &mut Report) {
        let key = entry.key.escape_debug();
        let elsewhere = |kind: &Kind| Settings::keys(*kind).any(|k| k == entry.key);
        let text = match Kind::ALL.iter().find(|kind| elsewhere(kind)) {
            Some(kind) => format!("'{key}' is ignored: it is for sections of type {kind}"),
            None => {
                let hint = did_you_mean(&entry.key, self.all());
                format!("unknown key '{key}' is ignored{hint}")
            }
        };
        report.warning(entry.line, &text);
    }
}

/// For a key that takes any value.
pub(super) fn anything(_: &str) -> Result<(), String> {
    Ok(())
}

/// The servers of a list, on `port` where one names none, each once.
pub(super) fn servers(candidates: Vec<Candidate>, port: Port) -> Vec<Endpoint> {
    let mut servers = Vec::new();
    for server in candidates.into_iter().map(|c| c.at(port)) {
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    servers
}

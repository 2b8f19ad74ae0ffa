//! The conf file, validated: which tags run, and with what.
//!
//! Reports all problems at once, each with its file and line. Reading the text is `ini`'s;
//! the command line hands in the names of the tags and the settings that hold for all of them.

pub mod ini;
pub mod memcached;
pub mod mysql;
pub mod redis;
pub mod settings;
pub mod value;

mod raw;
mod report;
mod tls;

use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub use memcached::Memcached;
pub use mysql::Mysql;
pub use raw::Common;
pub use redis::Redis;
pub use settings::{Rules, Settings};
pub use value::{Candidate, Fallback};

use self::ini::{Entry, Section};
use self::report::Report;
use crate::backend::{Kind, TagName};
use crate::error::Error;
use crate::nearest::did_you_mean;

/// A conf file whose syntax is right.
#[derive(Debug, Clone)]
pub struct ConfFile {
    path: String,
    sections: Vec<Section>,
    /// Everybody on the host can read it.
    public: bool,
}

/// A tag that can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// What every tag has.
    pub common: Common,
    /// Its servers.
    pub service: Service,
}

/// The servers of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// A primary and its replicas.
    Mysql(Mysql),
    /// Caches.
    Memcached(Memcached),
    /// A master and its replicas, or its Sentinels.
    Redis(Redis),
}

/// The tags that run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// The tags, in the order of the file.
    pub tags: Vec<Tag>,
    /// What should be logged once the logger stands.
    pub warnings: Vec<String>,
}

impl ConfFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// `Error::Config`, if it cannot be read or its syntax is wrong.
    pub fn load(path: &Path) -> Result<ConfFile, Error> {
        let name = path.display().to_string();
        let unreadable = |e| {
            Error::Config(vec![format!(
                "cannot read {name}: {e}; name the file with --conf, and let this user read it"
            )])
        };
        let bytes = fs::read(path).map_err(unreadable)?;
        let metadata = fs::metadata(path).map_err(unreadable)?;
        let mut file = ConfFile::parse(&name, &bytes)?;
        file.public = is_public(&metadata);
        Ok(file)
    }

    /// Takes the content of the file that messages call `path`.
    ///
    /// # Errors
    /// `Error::Config`, if its syntax is wrong.
    pub fn parse(path: &str, bytes: &[u8]) -> Result<ConfFile, Error> {
        let in_file = |p: &ini::Problem| report::at(path, p.line, &p.message);
        let sections = ini::read(bytes)
            .map_err(|problems| Error::Config(problems.iter().map(in_file).collect()))?;
        Ok(ConfFile {
            path: path.to_owned(),
            sections,
            public: false,
        })
    }

    /// A file with one section, of these keys and values, that stands on the command line.
    pub fn of_options(kind: Kind, tag: &str, pairs: &[(&str, &str)]) -> ConfFile {
        let entry = |(key, value): (&str, &str)| Entry {
            key: key.to_owned(),
            value: value.to_owned(),
            line: report::NO_LINE,
        };
        let kind = ("type", kind.word());
        let section = Section {
            name: tag.to_owned(),
            line: report::NO_LINE,
            entries: [kind].iter().chain(pairs).copied().map(entry).collect(),
        };
        ConfFile {
            path: "command line".to_owned(),
            sections: vec![section],
            public: false,
        }
    }

    /// The tags of these `kinds` that run: those that are `wanted`, or all of them if none is
    /// named. The `defaults` hold where a section says nothing itself.
    ///
    /// # Errors
    /// `Error::Config`, with everything that is wrong.
    pub fn tags(
        &self,
        kinds: &[Kind],
        wanted: &[String],
        defaults: &Settings,
    ) -> Result<Tags, Error> {
        let mut report = Report::new(&self.path);
        let chosen = self.choose(kinds, wanted, &mut report);
        if defaults.proxy_port.is_some() && chosen > 1 {
            report.problems.push(format!(
                "--proxyport is for one tag, and {chosen} would have it: name one with --tag"
            ));
        }
        let mut tags = Vec::new();
        for section in &self.sections {
            tags.extend(tag(section, kinds, wanted, defaults, &mut report));
        }
        self.report_shared_ports(&tags, &mut report);
        self.warn_if_public(&mut report);
        match report.problems.is_empty() {
            true => Ok(Tags {
                tags,
                warnings: report.warnings,
            }),
            false => Err(Error::Config(report.problems)),
        }
    }

    /// Checks the names that were asked for, and counts the sections that run.
    fn choose(&self, kinds: &[Kind], wanted: &[String], report: &mut Report) -> usize {
        let of_kind = |s: &&Section| kind(s).is_ok_and(|k| kinds.contains(&k));
        let names: Vec<&str> = self
            .sections
            .iter()
            .filter(of_kind)
            .map(|s| s.name.as_str())
            .collect();
        let unclear = self.sections.iter().any(|s| kind(s).is_err());
        if names.is_empty() && !unclear {
            report.file_error(&format!(
                "no section is of type {}: add one, with {}",
                either(kinds),
                kinds.first().copied().map_or("", needed_keys)
            ));
            return 0;
        }
        for tag in wanted.iter().filter(|tag| !names.contains(&tag.as_str())) {
            self.report_unknown(tag, kinds, &names, report);
        }
        self.sections
            .iter()
            .filter(of_kind)
            .filter(|s| is_wanted(s, wanted))
            .count()
    }

    fn report_unknown(&self, tag: &str, kinds: &[Kind], names: &[&str], report: &mut Report) {
        let section = self.sections.iter().find(|s| s.name == tag);
        let shown = value::shown(tag);
        match section.map(|s| (s.line, kind(s))) {
            // Its wrong type is reported where the section is read.
            Some((_, Err(_))) => (),
            Some((line, Ok(kind))) => report.error(
                line,
                &format!(
                    "[{shown}] is of type {kind}, not {}: choose another tag",
                    either(kinds)
                ),
            ),
            None => report.file_error(&format!(
                "no section [{shown}]{}; its tags are {}",
                did_you_mean(tag, names.iter().copied()),
                value::shown_list(names)
            )),
        }
    }

    /// Two tags on one port would share its connections between two unrelated servers.
    fn report_shared_ports(&self, tags: &[Tag], report: &mut Report) {
        for (index, Tag { common: tag, .. }) in tags.iter().enumerate() {
            let port = tag.listen_port();
            let mut before = tags.iter().take(index).map(|tag| &tag.common);
            let earlier = before.find(|t| t.listen_port() == port);
            if let Some(earlier) = earlier {
                report.error(
                    self.line_of(&tag.name),
                    &format!(
                        "[{}] and [{}] have the same proxy port {port}: set proxyport= in one",
                        tag.name, earlier.name
                    ),
                );
            }
        }
    }

    fn line_of(&self, tag: &TagName) -> usize {
        let section = self.sections.iter().find(|s| s.name == tag.as_str());
        section.map_or(1, |s| s.line)
    }

    fn warn_if_public(&self, report: &mut Report) {
        let mut entries = self.sections.iter().flat_map(|s| &s.entries);
        if self.public && entries.any(|e| e.key == "password" && !e.value.is_empty()) {
            let path = &self.path;
            report.warnings.push(format!(
                "{path}: everybody on this host can read the passwords: chmod 0640 {path}"
            ));
        }
    }
}

/// The tag of a section, if it is one that is to run.
fn tag(
    section: &Section,
    kinds: &[Kind],
    wanted: &[String],
    defaults: &Settings,
    report: &mut Report,
) -> Option<Tag> {
    let runs = is_wanted(section, wanted);
    report.set_lenient(!runs);
    let tag = match kind(section) {
        Ok(kind) if !kinds.contains(&kind) => {
            if let Err(problem) = section.name.parse::<TagName>() {
                report.error(section.line, &problem);
            }
            None
        }
        Ok(Kind::MysqlSlave) => mysql::tag(section, defaults, report),
        Ok(Kind::Memcached) => memcached::tag(section, defaults, report),
        Ok(Kind::RedisMaster) => redis::tag(section, defaults, report),
        Err((line, problem)) => {
            report.error(line, &format!("type: {problem}"));
            None
        }
    };
    report.set_lenient(false);
    tag.filter(|_| runs)
}

/// The keys without which a section of a kind is nothing.
fn needed_keys(kind: Kind) -> &'static str {
    match kind {
        Kind::MysqlSlave => "host=, port= and user=",
        Kind::Memcached => "type=memcached and server=",
        Kind::RedisMaster => "type=redismaster and server=",
    }
}

fn either(kinds: &[Kind]) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
    words.join(" or ")
}

/// No name means every tag.
fn is_wanted(section: &Section, wanted: &[String]) -> bool {
    wanted.is_empty() || wanted.contains(&section.name)
}

/// The kind of tag that a section describes, or what is wrong with its `type=`, and where.
fn kind(section: &Section) -> Result<Kind, (usize, String)> {
    match section
        .entries
        .iter()
        .find(|e| e.key == "type" && !e.value.is_empty())
    {
        None => Ok(Kind::MysqlSlave),
        Some(entry) => entry
            .value
            .parse()
            .map_err(|_| (entry.line, unknown_type(&entry.value))),
    }
}

fn unknown_type(word: &str) -> String {
    let hint = did_you_mean(word, Kind::ALL.map(Kind::word));
    let word = value::shown(word);
    format!("'{word}' is not mysqlslave, memcached or redismaster{hint}")
}

fn is_public(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(test)]
mod tests;

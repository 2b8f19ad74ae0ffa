//! The conf file, validated: which tags run, and with what.
//!
//! Reports all problems at once, each with its file and line. Reading the text is `ini`'s;
//! the command line hands in the names of the tags and the settings that hold for all of them.

pub mod ini;
pub mod mysql;
pub mod settings;
pub mod value;

mod report;

use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub use mysql::MysqlTag;
pub use settings::{Rules, Settings};
pub use value::{Candidate, Fallback};

use self::ini::Section;
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

/// The MySQL tags that run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MysqlTags {
    /// The tags, in the order of the file.
    pub tags: Vec<MysqlTag>,
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

    /// The MySQL tags that run: those that are `wanted`, or all of them if none is named. The
    /// `defaults` hold where a section says nothing itself.
    ///
    /// # Errors
    /// `Error::Config`, with everything that is wrong.
    pub fn mysql_tags(&self, wanted: &[String], defaults: &Settings) -> Result<MysqlTags, Error> {
        let mut report = Report::new(&self.path);
        let chosen = self.choose(Kind::MysqlSlave, wanted, &mut report);
        if defaults.proxy_port.is_some() && chosen > 1 {
            report.problems.push(format!(
                "--proxyport is for one tag, and {chosen} would have it: name one with --tag"
            ));
        }
        let mut tags = Vec::new();
        for section in &self.sections {
            tags.extend(self.mysql_tag(section, wanted, defaults, &mut report));
        }
        self.report_shared_ports(&tags, &mut report);
        self.warn_if_public(&mut report);
        match report.problems.is_empty() {
            true => Ok(MysqlTags {
                tags,
                warnings: report.warnings,
            }),
            false => Err(Error::Config(report.problems)),
        }
    }

    /// The tag of a section, if it is a MySQL tag that is to run.
    fn mysql_tag(
        &self,
        section: &Section,
        wanted: &[String],
        defaults: &Settings,
        report: &mut Report,
    ) -> Option<MysqlTag> {
        let runs = is_wanted(section, wanted);
        report.set_lenient(!runs);
        let tag = match kind(section) {
            Ok(Kind::MysqlSlave) => mysql::tag(section, defaults, report),
            Ok(Kind::Memcached | Kind::RedisMaster) => {
                if let Err(problem) = section.name.parse::<TagName>() {
                    report.error(section.line, &problem);
                }
                None
            }
            Err((line, problem)) => {
                report.error(line, &format!("type: {problem}"));
                None
            }
        };
        report.set_lenient(false);
        tag.filter(|_| runs)
    }

    /// Checks the names that were asked for, and counts the sections that run.
    fn choose(&self, command: Kind, wanted: &[String], report: &mut Report) -> usize {
        let of_kind = |s: &&Section| kind(s).is_ok_and(|k| k == command);
        let names: Vec<&str> = self
            .sections
            .iter()
            .filter(of_kind)
            .map(|s| s.name.as_str())
            .collect();
        let unclear = self.sections.iter().any(|s| kind(s).is_err());
        if names.is_empty() && !unclear {
            report.file_error(&format!(
                "no section is of type {command}: add one, with host=, port= and user="
            ));
            return 0;
        }
        for tag in wanted.iter().filter(|tag| !names.contains(&tag.as_str())) {
            self.report_unknown(tag, command, &names, report);
        }
        self.sections
            .iter()
            .filter(of_kind)
            .filter(|s| is_wanted(s, wanted))
            .count()
    }

    fn report_unknown(&self, tag: &str, command: Kind, names: &[&str], report: &mut Report) {
        let section = self.sections.iter().find(|s| s.name == tag);
        let shown = value::shown(tag);
        match section.map(|s| (s.line, kind(s))) {
            // Its wrong type is reported where the section is read.
            Some((_, Err(_))) => (),
            Some((line, Ok(kind))) => report.error(
                line,
                &format!("[{shown}] is of type {kind}, not {command}: choose another tag"),
            ),
            None => report.file_error(&format!(
                "no section [{shown}]{}; its tags are {}",
                did_you_mean(tag, names.iter().copied()),
                value::shown_list(names)
            )),
        }
    }

    /// Two tags on one port would share its connections between two unrelated servers.
    fn report_shared_ports(&self, tags: &[MysqlTag], report: &mut Report) {
        for (index, tag) in tags.iter().enumerate() {
            let port = tag.listen_port();
            let earlier = tags.iter().take(index).find(|t| t.listen_port() == port);
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

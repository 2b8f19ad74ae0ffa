//! Template resources: which template becomes which file, from which keys. Owns the TOML files
//! under `conf.d`, validated; reads no template and runs no command.
//!
//! A resource that is wrong never keeps the others from working.

mod check_cmd;
mod fields;
mod files;
mod keys;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::tables::{Findings, Table};

pub use crate::tables::Problem;

/// One template and the file that is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The TOML file that says so.
    pub file: PathBuf,
    /// The template's path.
    pub src: PathBuf,
    /// The file to write.
    pub dest: PathBuf,
    /// The owner that the file gets.
    pub uid: Option<u32>,
    /// The group that the file gets.
    pub gid: Option<u32>,
    /// The permissions that the file gets, as in `0o644`.
    pub mode: Option<u32>,
    /// What is taken away from the beginning of keys in the template: `/production`, or nothing.
    pub prefix: String,
    /// What to read and to watch, with the prefix and a leading '/': keys and all that begins
    /// with them and a '/'. At least one, each once.
    pub keys: Vec<String>,
    /// As it was written; `check_command` puts the staged file in.
    pub check_cmd: Option<String>,
    /// How long `check_cmd` may take.
    pub check_cmd_timeout: Duration,
    /// The command that makes the new file known.
    pub reload_cmd: Option<String>,
    /// How long `reload_cmd` may take.
    pub reload_cmd_timeout: Duration,
    /// How to move HAProxy without a reload.
    pub haproxy: Option<HaproxySettings>,
    /// What should be logged.
    pub warnings: Vec<String>,
}

/// The table `[haproxy]` of a resource, which confd itself ignores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HaproxySettings {
    /// HAProxy's `stats socket`, as it was written.
    pub socket: String,
    /// What becomes of the sessions on a server that is left.
    pub sessions: SessionPolicy,
}

/// What becomes of the sessions on a server that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionPolicy {
    /// They end if the server is dead or hung, else they go on.
    #[default]
    Auto,
    /// They go on.
    Keep,
    /// They end.
    Cut,
}

impl Resource {
    /// How long `check_cmd` may take where nothing is said, as in later confds.
    pub const CHECK_CMD_TIMEOUT: Duration = Duration::from_secs(30);
    /// The same for `reload_cmd`.
    pub const RELOAD_CMD_TIMEOUT: Duration = Duration::from_secs(60);

    /// Reads every TOML file under `<confdir>/conf.d`, in the order of their names. A
    /// `global_prefix` that is not empty replaces that of each resource, as in confd v0.16.
    ///
    /// Returns the resources that can be used, and what is wrong with the others.
    pub fn load_all(confdir: &Path, global_prefix: &str) -> (Vec<Resource>, Vec<Problem>) {
        let (paths, mut problems) = files::find(&confdir.join("conf.d"));
        let mut resources = Vec::new();
        let mut writers = HashMap::new();
        for path in paths {
            let mut findings = Findings::of(&path);
            let resource = read(&path, confdir, global_prefix, &mut findings)
                .and_then(|found| only_writer(found, &mut writers, &mut findings));
            match resource {
                Some(mut resource) => {
                    let shown = findings.warnings.iter().map(Problem::to_string);
                    resource.warnings.extend(shown);
                    resources.push(resource);
                }
                None => problems.extend(findings.all()),
            }
        }
        (resources, problems)
    }

    /// The check command for a staged file, whose path stands in for `{{.src}}`, quoted for the
    /// shell.
    pub fn check_command(&self, staged: &Path) -> Option<String> {
        let command = self.check_cmd.as_deref()?;
        Some(check_cmd::expand(command, &staged.to_string_lossy()))
    }
}

/// The resource, if it can be used, and the line that says its `dest`.
fn read(
    path: &Path,
    confdir: &Path,
    global_prefix: &str,
    findings: &mut Findings,
) -> Option<(Resource, usize)> {
    let mut table = Table::load(path, findings)?;
    if !findings.problems.is_empty() {
        // What the syntax hides would be reported as missing.
        return None;
    }
    let template = table.table("template", findings);
    let haproxy = table.table("haproxy", findings);
    table.finish(findings);
    let Some(template) = template else {
        if findings.problems.is_empty() {
            findings.file_problem("has no [template]; see confd's template resources");
        }
        return None;
    };
    let haproxy = haproxy.and_then(|table| fields::haproxy(table, findings));
    let resource = fields::template(template, path, confdir, global_prefix, findings);
    let (mut resource, dest_line) = resource.filter(|_| findings.problems.is_empty())?;
    resource.haproxy = haproxy;
    Some((resource, dest_line))
}

/// The resource, if no other writes the same file; `writers` knows the files and who writes them.
fn only_writer(
    (resource, dest_line): (Resource, usize),
    writers: &mut HashMap<PathBuf, PathBuf>,
    findings: &mut Findings,
) -> Option<Resource> {
    match writers.entry(files::identity(&resource.dest)) {
        Entry::Vacant(entry) => {
            entry.insert(resource.file.clone());
            Some(resource)
        }
        Entry::Occupied(writer) => {
            let (dest, writer) = (resource.dest.display(), writer.get().display());
            let message =
                format!("{dest} is written by {writer} already; take one of the two away");
            findings.problem(dest_line, message);
            None
        }
    }
}

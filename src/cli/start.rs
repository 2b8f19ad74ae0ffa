//! From options, environment and conf file to what the checkers and run start with.

use std::fs;
use std::path::{Path, PathBuf};

use super::args::Args;
use crate::backend::Kind;
use crate::config::{ConfFile, Tag, Tags};
use crate::error::Error;
use crate::secret::Secret;

/// Where the conf file is if `--conf` does not say it.
pub const DEFAULT_CONF: &str = "/etc/confd_haproxy/db.conf";
/// Where templates and their resources are if `--confdir` does not say it.
pub const DEFAULT_CONFDIR: &str = "/etc/confd";
/// Where Consul is if nobody says it.
pub const DEFAULT_CONSUL: &str = "localhost:8500";

/// Where the password of a Redis is if its servers are named by options; redis-cli's variable.
pub const REDIS_PASSWORD: &str = "REDISCLI_AUTH";
/// What the original says, and what to do about it.
const NOTHING_GIVEN: &str = "both --server and --consul option must have value: write --server \
    HOST:PORT,... --tag TAG --consul HOST:PORT, or --conf FILE with a section of type memcached";

/// Looks up a variable of the environment.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Everything that the checkers and run need to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The tags, at least one.
    pub tags: Vec<Tag>,
    /// Consul's address, as it was given.
    pub consul_address: String,
    /// Consul's token.
    pub token: Option<Secret>,
    /// Log more.
    pub debug: bool,
    /// One cycle only.
    pub once: bool,
    /// Write nothing.
    pub dry_run: bool,
    /// The file that stands in for Consul.
    pub store: Option<PathBuf>,
    /// The directory with `conf.d` and `templates`.
    pub confdir: PathBuf,
    /// An empty answer may replace a file that is not empty.
    pub allow_empty: bool,
    /// What should be logged once the logger stands.
    pub warnings: Vec<String>,
}

impl Args {
    /// Reads the conf file and the environment, for tags of these `kinds`.
    ///
    /// # Errors
    /// `Error::Config`, `Error::Usage` or `Error::Original`, with everything that is wrong.
    pub fn resolve(self, kinds: &[Kind], environment: &Environment<'_>) -> Result<Start, Error> {
        let tags = self
            .conf_file(kinds, environment)
            .and_then(|file| file.tags(kinds, &self.tags, &self.settings));
        let address = address(&self, environment);
        let token = token_of("--token", self.token.as_ref(), environment);
        match (tags, address, token) {
            (Ok(tags), Ok(address), Ok(token)) => Ok(self.start(tags, address, token)),
            (Ok(_), address, token) => Err(Error::Usage(problems(address.err(), token.err()))),
            (Err(error), address, token) => Err(error.and(problems(address.err(), token.err()))),
        }
    }

    /// The conf file, or the one tag that the options describe.
    fn conf_file(&self, kinds: &[Kind], environment: &Environment<'_>) -> Result<ConfFile, Error> {
        match (kinds, &self.conf) {
            ([kind], _) if self.settings.names_servers() => self.only_tag(*kind, environment),
            _ if self.user.is_some() => Err(usage(
                "--user goes with --server or --sentinel: in a conf file it is user=",
            )),
            ([Kind::Memcached], None) => Err(Error::Original(vec![NOTHING_GIVEN.to_owned()])),
            (_, None) => ConfFile::load(Path::new(DEFAULT_CONF)),
            (_, Some(path)) => ConfFile::load(path),
        }
    }

    fn only_tag(&self, kind: Kind, environment: &Environment<'_>) -> Result<ConfFile, Error> {
        let [tag] = self.tags.as_slice() else {
            return Err(usage(
                "servers on the command line make one tag: name it with --tag",
            ));
        };
        let password = match kind {
            Kind::RedisMaster => environment(REDIS_PASSWORD),
            Kind::Memcached | Kind::MysqlSlave => None,
        };
        let pairs = [("user", &self.user), ("password", &password)];
        let given: Vec<(&str, &str)> = pairs
            .iter()
            .filter_map(|(key, value)| Some((*key, value.as_deref()?)))
            .collect();
        Ok(ConfFile::of_options(kind, tag, &given))
    }

    fn start(self, tags: Tags, consul_address: String, token: Option<Secret>) -> Start {
        let Tags { tags, mut warnings } = tags;
        if self.token.is_some() {
            warnings.push(
                "--token shows in the process list: put it into CONSUL_HTTP_TOKEN, or into a \
                 file that CONSUL_HTTP_TOKEN_FILE names"
                    .to_owned(),
            );
        }
        if self.conf.is_some() && self.settings.names_servers() {
            warnings
                .push("--conf is not read, because the command line names the servers".to_owned());
        }
        Start {
            tags,
            consul_address,
            token,
            debug: self.debug,
            once: self.once,
            dry_run: self.dry_run,
            store: self.store,
            confdir: self
                .confdir
                .unwrap_or_else(|| PathBuf::from(DEFAULT_CONFDIR)),
            allow_empty: self.allow_empty,
            warnings,
        }
    }
}

fn usage(problem: &str) -> Error {
    Error::Usage(vec![problem.to_owned()])
}

fn problems(address: Option<String>, token: Option<String>) -> Vec<String> {
    address.into_iter().chain(token).collect()
}

/// A variable that is set and not empty, without blanks around it.
pub(super) fn variable(environment: &Environment<'_>, name: &str) -> Option<String> {
    let value = environment(name)?.trim().to_owned();
    Some(value).filter(|v| !v.is_empty())
}

/// Consul's address; with CONSUL_HTTP_SSL, one without a scheme is https.
fn address(args: &Args, environment: &Environment<'_>) -> Result<String, String> {
    let tls = match variable(environment, "CONSUL_HTTP_SSL") {
        None => false,
        Some(text) => truth(&text).ok_or_else(|| {
            format!(
                "CONSUL_HTTP_SSL: '{}' is not true or false",
                text.escape_debug()
            )
        })?,
    };
    let address = args
        .consul
        .clone()
        .or_else(|| variable(environment, "CONSUL_HTTP_ADDR"))
        .unwrap_or_else(|| DEFAULT_CONSUL.to_owned());
    let has_scheme = address.contains("://") || address.starts_with('/');
    Ok(match tls && !has_scheme {
        true => format!("https://{address}"),
        false => address,
    })
}

/// The spellings of a boolean that Go's tools take, and more of their capitals.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Some(true),
        "0" | "f" | "false" => Some(false),
        _ => None,
    }
}

/// Consul's token: that of the option called `name`, else the token file unless it is empty, else
/// the variable, which is the order of the Consul tools.
pub(super) fn token_of(
    name: &str,
    option: Option<&Secret>,
    environment: &Environment<'_>,
) -> Result<Option<Secret>, String> {
    if let Some(token) = option {
        return checked(name, token.expose()).map(Some);
    }
    if let Some(path) = variable(environment, "CONSUL_HTTP_TOKEN_FILE") {
        let text = fs::read_to_string(&path).map_err(|e| {
            format!("CONSUL_HTTP_TOKEN_FILE: cannot read {path}: {e}; let this user read it")
        })?;
        if !text.trim().is_empty() {
            return checked(&path, text.trim()).map(Some);
        }
    }
    variable(environment, "CONSUL_HTTP_TOKEN")
        .map(|token| checked("CONSUL_HTTP_TOKEN", &token))
        .transpose()
}

/// A token goes into a header, so it is one word of visible ASCII. It is not shown.
fn checked(origin: &str, token: &str) -> Result<Secret, String> {
    match token.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(Secret::new(token)),
        false => Err(format!(
            "{origin}: a token has no blanks and only ASCII characters: check what it holds"
        )),
    }
}

#[cfg(test)]
mod tests;

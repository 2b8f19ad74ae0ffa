//! From options, environment and conf file to what the checkers and run start with.

use std::path::{Path, PathBuf};

use super::args::Args;
use super::consul::{self, token_of};
use super::watching::Watching;
use crate::backend::Kind;
use crate::config::{ConfFile, Tag, Tags};
use crate::error::Error;
use crate::secret::TokenSource;
use crate::tls;

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

/// Where Consul is, how to reach it, and the token.
type Consul = (Vec<String>, tls::Settings, Option<TokenSource>);

/// Looks up a variable of the environment.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Everything that the checkers and run need to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The tags, at least one.
    pub tags: Vec<Tag>,
    /// Consul's addresses, as they were given.
    pub consul: Vec<String>,
    /// What it takes to reach those with https.
    pub tls: tls::Settings,
    /// Consul's token.
    pub token: Option<TokenSource>,
    /// Log more.
    pub debug: bool,
    /// What the log looks like, and where the numbers go.
    pub watching: Watching,
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
        let consul = self.consul(environment);
        match (tags, consul) {
            (Ok(tags), Ok(consul)) => Ok(self.start(tags, consul)),
            (Ok(_), Err(problems)) => Err(Error::Usage(problems)),
            (Err(error), Ok(_)) => Err(error),
            (Err(error), Err(problems)) => Err(error.and(problems)),
        }
    }

    fn consul(&self, environment: &Environment<'_>) -> Result<Consul, Vec<String>> {
        let addresses = consul::addresses(&self.consul, DEFAULT_CONSUL, environment);
        let tls = consul::tls(environment);
        let token = token_of("--token", self.token.as_ref(), environment);
        match (addresses, tls, token) {
            (Ok(addresses), Ok(tls), Ok(token)) => Ok((addresses, tls, token)),
            (addresses, tls, token) => {
                let one = addresses.err().into_iter();
                let more = tls.err().into_iter().flatten();
                Err(one.chain(more).chain(token.err()).collect())
            }
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

    fn start(self, tags: Tags, consul: Consul) -> Start {
        let Tags { tags, mut warnings } = tags;
        let (consul, tls, token) = consul;
        if self.token.is_some() {
            warnings.push(
                "--token shows in the process list: put it into CONSUL_HTTP_TOKEN, or into a \
                 file that CONSUL_HTTP_TOKEN_FILE names"
                    .to_owned(),
            );
        }
        if self.once && self.watching.listen.is_some() {
            warnings.push("--listen means nothing with --once: nobody is listened to".to_owned());
        }
        if self.conf.is_some() && self.settings.names_servers() {
            warnings
                .push("--conf is not read, because the command line names the servers".to_owned());
        }
        Start {
            tags,
            consul,
            tls,
            token,
            debug: self.debug,
            watching: self.watching,
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

#[cfg(test)]
mod tests;

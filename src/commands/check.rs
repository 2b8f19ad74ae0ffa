//! checkmysqlslave, checkmemcached, checkredismaster: a thread for each tag, and Consul.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use log::{Level, LevelFilter};

use super::watching::Watchers;
use crate::backend::{Key, Kind};
use crate::checker::Checker;
use crate::checker::memcached::{self, MemcachedChecker};
use crate::checker::mysql::{self, MysqlChecker};
use crate::checker::redis::{self, RedisChecker};
use crate::cli::{self, Args, Start};
use crate::config::{self, Fallback, Service};
use crate::cycle::{Policy, Tag};
use crate::error::Error;
use crate::limits;
use crate::logger;
use crate::notify::Notifier;
use crate::resolve::Resolver;
use crate::store::Store;
use crate::store::consul::{self, Consul, ConsulAddress, Watched};
use crate::supervisor::{self, Work};
use crate::tls;
use crate::watch::{self, Followers, Plan};

/// Runs the command to its end, which comes only with `--once`, and gives the exit code.
///
/// # Errors
/// What keeps it from starting.
pub fn run(args: Args, kind: Kind) -> Result<u8, Error> {
    let start = args.resolve(&[kind], &|name| env::var(name).ok())?;
    let resolver = Resolver::system();
    let consul = consul(&start, &resolver)?;
    let watchers = Watchers::new(&start.watching, start.once)?;
    let journal = begin_log(&start);
    let store = store(consul, &start)?;
    let plans = plans(&start, &store, &resolver, journal, &watchers)?;
    if start.once {
        let state = watch::once(plans).map_err(|e| no_threads(&e))?;
        watchers.finish();
        return Ok(state.code());
    }
    let works: Vec<Work> = plans.into_iter().map(|plan| plan.work(journal)).collect();
    watchers.start(interval(&start))?;
    supervisor::run(works, interval(&start), notifier().as_ref())
        .map(|()| 0)
        .map_err(|e| no_threads(&e))
}

/// Installs the logger and says what the start had to warn of; makes room for so many tags. Returns whether the log goes to
/// the journal.
pub(super) fn begin_log(start: &Start) -> bool {
    let level = if start.debug {
        LevelFilter::Debug
    } else {
        LevelFilter::Info
    };
    let journal = logger::is_journal();
    // Fails only where a logger is installed already, which then serves as well.
    let _ = logger::init(level, journal, start.watching.log_format);
    for warning in &start.warnings {
        log::warn!(target: cli::PROGRAM, "{warning}");
    }
    if let Err(warning) = limits::make_room(start.tags.len()) {
        log::warn!(target: cli::PROGRAM, "{warning}");
    }
    journal
}

/// The settings for reaching Consul.
pub(super) fn consul_settings(
    start: &Start,
    resolver: &Resolver,
) -> Result<consul::Settings, Error> {
    let addresses: Result<Vec<_>, String> = start.consul.iter().map(|a| a.parse()).collect();
    let addresses = addresses.map_err(usage)?;
    Ok(consul::Settings {
        tls: secure(&addresses, &start.tls).map_err(usage)?,
        addresses,
        token: start.token.clone(),
        resolver: resolver.clone(),
        timeout: consul::Settings::TIMEOUT,
    })
}

/// What it takes to reach those addresses that are https.
pub(super) fn secure(
    addresses: &[ConsulAddress],
    settings: &tls::Settings,
) -> Result<Option<tls::Client>, String> {
    match addresses.iter().any(ConsulAddress::is_secure) {
        true => tls::Client::new(settings).map(Some),
        false => Ok(None),
    }
}

/// The store in Consul.
pub(super) fn consul(start: &Start, resolver: &Resolver) -> Result<Consul, Error> {
    Consul::new(consul_settings(start, resolver)?).map_err(usage)
}

/// The store in Consul, with the keys watched by a process that stays. Who looks once asks once; and
/// a dry run, which somebody watches, shows what Consul says now.
pub(super) fn store(consul: Consul, start: &Start) -> Result<Arc<dyn Store>, Error> {
    if start.once || start.dry_run {
        return Ok(Arc::new(consul));
    }
    let keys: Vec<Key> = start.tags.iter().map(key).collect();
    let watched = Watched::start(consul, &keys).map_err(|e| no_threads(&e))?;
    Ok(Arc::new(watched))
}

fn key(tag: &config::Tag) -> Key {
    Key::new(tag.common.kind, tag.common.name.clone())
}

/// Every tag, ready to be looked after.
///
/// # Errors
/// `Error::Config`, if files about TLS cannot be used.
pub(super) fn plans(
    start: &Start,
    store: &Arc<dyn Store>,
    resolver: &Resolver,
    journal: bool,
    watchers: &Watchers,
) -> Result<Vec<Plan>, Error> {
    let plan = |(tag, tls): (config::Tag, _)| {
        let followers = watchers.of_tag(&key(&tag), tag.common.exec.as_deref());
        plan(tag, tls, start, store, resolver, journal, followers)
    };
    Ok(with_tls(start)?.into_iter().map(plan).collect())
}

/// Every tag, with what encrypts the connections to its servers.
///
/// # Errors
/// `Error::Config`, if files about TLS cannot be used.
pub(super) fn with_tls(start: &Start) -> Result<Vec<(config::Tag, Option<tls::Client>)>, Error> {
    let (mut tags, mut problems) = (Vec::new(), Vec::new());
    for tag in &start.tags {
        match tls_of(tag) {
            Ok(tls) => tags.push((tag.clone(), tls)),
            Err(problem) => problems.push(format!("[{}]: {problem}", tag.common.name)),
        }
    }
    match problems.is_empty() {
        true => Ok(tags),
        false => Err(Error::Config(problems)),
    }
}

/// What encrypts the connections to a tag's servers. It is made for every kind, so that what is
/// wrong with its files is known at the start.
fn tls_of(tag: &config::Tag) -> Result<Option<tls::Client>, String> {
    let settings = match &tag.service {
        Service::Mysql(mysql) => mysql.tls.as_ref(),
        Service::Redis(redis) => redis.tls.as_ref(),
        Service::Memcached(_) => None,
    };
    settings.map(tls::Client::new).transpose()
}

/// The shortest interval, over which the starts are spread.
pub(super) fn interval(start: &Start) -> Duration {
    start
        .tags
        .iter()
        .map(|tag| tag.common.rules.interval)
        .min()
        .unwrap_or_default()
}

/// The service manager, if there is one that wants to be told how we get on.
pub(super) fn notifier() -> Option<Notifier> {
    Notifier::find(&|name| env::var_os(name)).unwrap_or_else(|problem| {
        log::warn!(target: cli::PROGRAM, "{problem}");
        None
    })
}

/// One problem with what the user gave.
pub(super) fn usage(problem: String) -> Error {
    Error::Usage(vec![problem])
}

/// The system gives no more threads.
pub(super) fn no_threads(error: &std::io::Error) -> Error {
    Error::System(format!(
        "cannot start a thread for each tag: {error}; raise the limit of tasks"
    ))
}

fn plan(
    tag: config::Tag,
    tls: Option<tls::Client>,
    start: &Start,
    store: &Arc<dyn Store>,
    resolver: &Resolver,
    journal: bool,
    followers: Followers,
) -> Plan {
    let policy = policy(&tag, start.dry_run);
    let (name, key) = (tag.common.name.clone(), key(&tag));
    let (store, resolver) = (Arc::clone(store), resolver.clone());
    let make = Box::new(move || {
        let checker = checker(&tag, tls.clone(), &resolver, journal);
        Tag::new(key.clone(), policy.clone(), checker, Arc::clone(&store))
    });
    Plan {
        name,
        make,
        followers,
    }
}

fn policy(tag: &config::Tag, dry_run: bool) -> Policy {
    let common = &tag.common;
    Policy {
        proxy_port: common.proxy_port,
        default_proxy_port: common.default_proxy_port,
        fall: common.rules.fall,
        rise: common.rules.rise,
        interval: common.rules.interval,
        timeout: common.rules.timeout,
        max_lag: match &tag.service {
            Service::Mysql(mysql) => mysql.max_lag,
            Service::Memcached(_) | Service::Redis(_) => 0,
        },
        exclude: common.exclude.clone(),
        dry_run,
    }
}

/// What looks at the servers of a tag.
pub(super) fn checker(
    tag: &config::Tag,
    tls: Option<tls::Client>,
    resolver: &Resolver,
    journal: bool,
) -> Box<dyn Checker> {
    let common = &tag.common;
    let (timeout, resolver) = (common.rules.timeout, resolver.clone());
    match &tag.service {
        Service::Mysql(mysql) => Box::new(MysqlChecker::new(mysql::Settings {
            tag: common.name.clone(),
            primary: mysql.primary.clone(),
            user: mysql.user.clone(),
            password: mysql.password.clone(),
            tls,
            get_public_key: mysql.get_public_key,
            timeout,
            max_lag: mysql.max_lag,
            fallback: mysql.fallback == Fallback::Primary,
            replicas: mysql.replicas.clone(),
            resolver,
            connect_level: if journal { Level::Debug } else { Level::Info },
        })),
        Service::Memcached(memcached) => Box::new(MemcachedChecker::new(memcached::Settings {
            servers: memcached.servers.clone(),
            flush: memcached.flush,
            timeout,
            resolver,
        })),
        Service::Redis(redis) => Box::new(RedisChecker::new(redis::Settings {
            servers: redis.servers.clone(),
            sentinels: redis.sentinels.clone(),
            master_name: redis.master_name.clone(),
            account: account(&redis.account),
            sentinel_account: account(&redis.sentinel_account),
            tls,
            timeout,
            resolver,
        })),
    }
}

fn account(account: &config::redis::Account) -> redis::Account {
    redis::Account {
        user: account.user.clone(),
        password: account.password.clone(),
    }
}

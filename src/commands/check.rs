//! checkmysqlslave: a thread for each tag, and Consul.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use log::{Level, LevelFilter};

use crate::backend::{Key, Kind};
use crate::checker::mysql::{MysqlChecker, Settings};
use crate::cli::{self, Args, Start};
use crate::config::{Fallback, MysqlTag};
use crate::cycle::{Policy, Tag};
use crate::error::Error;
use crate::logger;
use crate::notify::Notifier;
use crate::resolve::Resolver;
use crate::store::Store;
use crate::store::consul::{self, Consul};
use crate::supervisor::{self, Work};
use crate::watch::{self, Plan};

/// Runs the command to its end, which comes only with `--once`, and gives the exit code.
///
/// # Errors
/// What keeps it from starting.
pub fn run(args: Args) -> Result<u8, Error> {
    let start = args.resolve(&|name| env::var(name).ok())?;
    let resolver = Resolver::system();
    let store: Arc<dyn Store> = Arc::new(consul(&start, &resolver)?);
    let journal = begin_log(&start);
    let plans = plans(&start, &store, &resolver, journal);
    if start.once {
        return watch::once(plans)
            .map(|state| state.code())
            .map_err(|e| no_threads(&e));
    }
    let works: Vec<Work> = plans.into_iter().map(|plan| plan.work(journal)).collect();
    supervisor::run(works, interval(&start), notifier().as_ref())
        .map(|()| 0)
        .map_err(|e| no_threads(&e))
}

/// Installs the logger and says what the start had to warn of. Returns whether the log goes to
/// the journal.
pub(super) fn begin_log(start: &Start) -> bool {
    let level = if start.debug {
        LevelFilter::Debug
    } else {
        LevelFilter::Info
    };
    let journal = logger::is_journal();
    // Fails only where a logger is installed already, which then serves as well.
    let _ = logger::init(level, journal);
    for warning in &start.warnings {
        log::warn!(target: cli::PROGRAM, "{warning}");
    }
    journal
}

/// The settings for reaching Consul.
pub(super) fn consul_settings(
    start: &Start,
    resolver: &Resolver,
) -> Result<consul::Settings, Error> {
    Ok(consul::Settings {
        address: start.consul_address.parse().map_err(usage)?,
        token: start.token.clone(),
        resolver: resolver.clone(),
        timeout: consul::Settings::TIMEOUT,
    })
}

/// The store in Consul.
pub(super) fn consul(start: &Start, resolver: &Resolver) -> Result<Consul, Error> {
    Consul::new(consul_settings(start, resolver)?).map_err(usage)
}

/// Every tag, ready to be looked after.
pub(super) fn plans(
    start: &Start,
    store: &Arc<dyn Store>,
    resolver: &Resolver,
    journal: bool,
) -> Vec<Plan> {
    let plan = |tag: &MysqlTag| plan(tag.clone(), start, store, resolver, journal);
    start.tags.iter().map(plan).collect()
}

/// The shortest interval, over which the starts are spread.
pub(super) fn interval(start: &Start) -> Duration {
    start
        .tags
        .iter()
        .map(|tag| tag.rules.interval)
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
    tag: MysqlTag,
    start: &Start,
    store: &Arc<dyn Store>,
    resolver: &Resolver,
    journal: bool,
) -> Plan {
    let (policy, settings) = (
        policy(&tag, start.dry_run),
        settings(&tag, resolver, journal),
    );
    let (name, store) = (tag.name, Arc::clone(store));
    let key = Key::new(Kind::MysqlSlave, name.clone());
    let make = Box::new(move || {
        let checker = Box::new(MysqlChecker::new(settings.clone()));
        Tag::new(key.clone(), policy.clone(), checker, Arc::clone(&store))
    });
    Plan { name, make }
}

fn policy(tag: &MysqlTag, dry_run: bool) -> Policy {
    Policy {
        proxy_port: tag.proxy_port,
        default_proxy_port: tag.default_proxy_port,
        fall: tag.rules.fall,
        rise: tag.rules.rise,
        interval: tag.rules.interval,
        timeout: tag.rules.timeout,
        max_lag: tag.max_lag,
        exclude: tag.exclude.clone(),
        dry_run,
    }
}

fn settings(tag: &MysqlTag, resolver: &Resolver, journal: bool) -> Settings {
    Settings {
        tag: tag.name.clone(),
        primary: tag.primary.clone(),
        user: tag.user.clone(),
        password: tag.password.clone(),
        timeout: tag.rules.timeout,
        max_lag: tag.max_lag,
        fallback: tag.fallback == Fallback::Primary,
        replicas: tag.replicas.clone(),
        resolver: resolver.clone(),
        connect_level: if journal { Level::Debug } else { Level::Info },
    }
}

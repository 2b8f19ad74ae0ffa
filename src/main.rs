//! `confd_haproxy`: one binary, several commands. Parses, builds the parts, hands them to the
//! supervisor. The only place that prints errors and chooses the exit code.

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use confd_haproxy::backend::{Key, Kind};
use confd_haproxy::checker::mysql::{MysqlChecker, Settings};
use confd_haproxy::checker::probe;
use confd_haproxy::cli::{self, Args, ConfdArgs, Invocation, Start};
use confd_haproxy::config::{Fallback, MysqlTag};
use confd_haproxy::cycle::{Policy, Tag};
use confd_haproxy::error::Error;
use confd_haproxy::logger;
use confd_haproxy::resolve::Resolver;
use confd_haproxy::store::Store;
use confd_haproxy::store::consul::{self, Consul};
use confd_haproxy::supervisor::{self, Work};
use confd_haproxy::watch::{self, Plan};

/// The exit code when the program cannot start for a reason that is not the user's.
const CANNOT_START: u8 = 1;

fn main() -> ExitCode {
    keep_quiet_about_probes();
    let result = match cli::parse(env::args_os()) {
        Ok(Invocation::Say(text)) => {
            // Nobody may be listening any more, as with `--help | head -1`.
            let _ = writeln!(io::stdout(), "{text}");
            return ExitCode::SUCCESS;
        }
        Ok(Invocation::CheckMysqlSlave(args)) => check_mysql_slave(*args),
        Ok(Invocation::Confd(args)) => confd(*args),
        Err(error) => Err(error),
    };
    result.unwrap_or_else(|error| {
        complain(&error);
        ExitCode::from(error.exit_code())
    })
}

fn check_mysql_slave(args: Args) -> Result<ExitCode, Error> {
    let start = args.resolve(&|name| env::var(name).ok())?;
    let resolver = Resolver::system();
    let store = consul_store(&start, &resolver)?;
    let journal = logger::is_journal();
    if let Err(error) = logger::init(start.debug, journal) {
        complain(&error);
    }
    for warning in &start.warnings {
        log::warn!(target: cli::PROGRAM, "{warning}");
    }
    let interval = start
        .tags
        .iter()
        .map(|tag| tag.rules.interval)
        .min()
        .unwrap_or_default();
    let plan = |tag| plan(tag, &start, &store, &resolver, journal);
    let plans = start.tags.iter().cloned().map(plan);
    Ok(if start.once {
        watch::once(plans.collect()).map(|state| ExitCode::from(state.code()))
    } else {
        let works: Vec<Work> = plans.map(|plan| plan.work(journal)).collect();
        supervisor::run(works, interval).map(|()| ExitCode::SUCCESS)
    }
    .unwrap_or_else(|error| {
        complain(&format!(
            "cannot start a thread for each tag: {error}; raise the limit of tasks"
        ));
        ExitCode::from(CANNOT_START)
    }))
}

/// Until the renderer is here, its options can at least be tried.
fn confd(args: ConfdArgs) -> Result<ExitCode, Error> {
    args.resolve(&|name| env::var(name).ok())?;
    let problem = "confd: the options are right, but this build has no renderer yet";
    Err(Error::Confd(vec![problem.to_owned()]))
}

fn consul_store(start: &Start, resolver: &Resolver) -> Result<Arc<dyn Store>, Error> {
    let usage = |problem: String| Error::Usage(vec![problem]);
    let settings = consul::Settings {
        address: start.consul_address.parse().map_err(usage)?,
        token: start.token.clone(),
        resolver: resolver.clone(),
        timeout: consul::Settings::TIMEOUT,
    };
    Ok(Arc::new(Consul::new(settings).map_err(usage)?))
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
        connect_level: if journal {
            log::Level::Debug
        } else {
            log::Level::Info
        },
    }
}

/// A driver that panics in a probe is reported as the server's fault, in one line.
fn keep_quiet_about_probes() {
    let shown = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if thread::current().name() != Some(probe::THREAD_NAME) {
            shown(info);
        }
    }));
}

fn complain(error: &dyn Display) {
    let _ = writeln!(io::stderr(), "{error}");
}

//! confd: resources, a source of keys, and when to render.

use std::env;
use std::path::Path;
use std::time::Duration;

use super::check;
use super::watching::Watchers;
use crate::cli::ConfdArgs;
use crate::cli::confd::{BackendKind, ConfdOptions, Mode};
use crate::error::Error;
use crate::logger;
use crate::progress::Progress;
use crate::render::{Manner, Renderer, TARGET};
use crate::renderer::Job;
use crate::resolve::Resolver;
use crate::resource::Resource;
use crate::source::Source;
use crate::source::consul::ConsulSource;
use crate::source::env::EnvSource;
use crate::source::file::FileSource;
use crate::store::consul;
use crate::supervisor::{self, Work};

/// The stack of a renderer's thread, in bytes: templates may be nested deeply.
const STACK: usize = 8 << 20;
/// How often the numbers of a renderer are written, which change with the keys.
const INTERVAL: Duration = Duration::from_secs(5);

/// Runs the command to its end, which comes only with `-onetime`, and gives the exit code.
///
/// # Errors
/// What keeps it from starting.
pub fn run(args: ConfdArgs) -> Result<u8, Error> {
    let options = args.resolve(&|name| env::var(name).ok())?;
    // Fails only where a logger is installed already, which then serves as well.
    let format = options.watching.log_format;
    let watchers = Watchers::new(&options.watching, options.mode == Mode::OneTime)?;
    let metrics = watchers.metrics();
    let _ = logger::init(options.level, logger::is_journal(), format);
    for warning in &options.warnings {
        log::warn!(target: TARGET, "{warning}");
    }
    let manner = Manner {
        noop: options.noop,
        sync_only: options.sync_only,
        keep_stage_file: options.keep_stage_file,
        allow_empty: options.allow_empty,
    };
    let (job, all_good) = job(&options, manner)?;
    let mut job = job.counted(metrics.clone());
    log::info!(target: TARGET, "Starting confd");
    let mode = options.mode;
    if mode == Mode::OneTime {
        let good = job.once() && all_good;
        watchers.finish();
        return Ok(u8::from(!good));
    }
    watchers.start(INTERVAL)?;
    let again = move || {
        let (job, _) = self::job(&options, manner)?;
        Ok(Some(job.counted(metrics.clone())))
    };
    let works = vec![work(job, Box::new(again), mode)];
    supervisor::run(works, Duration::ZERO, check::notifier().as_ref())
        .map_err(|e| check::no_threads(&e))?;
    // Its thread has ended, and has said why.
    Ok(1)
}

/// Makes a job again, after a panic; `None` if there is nothing left to do.
pub(super) type MakeJob = Box<dyn Fn() -> Result<Option<Job>, Error> + Send>;

/// The work of a renderer that goes on for ever.
pub(super) fn work(first: Job, again: MakeJob, mode: Mode) -> Work {
    let mut first = Some(first);
    let run = Box::new(move |progress: &Progress| {
        let job = first.take().map_or_else(&again, |job| Ok(Some(job)));
        match (job, mode) {
            (Ok(Some(mut job)), Mode::Interval(interval)) => job.every(interval, progress),
            (Ok(Some(mut job)), Mode::Watch | Mode::OneTime) => job.watch(progress),
            (Ok(None), _) => {}
            (Err(error), _) => log::error!(target: TARGET, "{error}"),
        }
    });
    Work {
        name: "renderer".to_owned(),
        stack: STACK,
        run,
    }
}

/// Everything that is to be rendered. Returns also whether all resources can be.
fn job(options: &ConfdOptions, manner: Manner) -> Result<(Job, bool), Error> {
    let (renderers, all_good) = renderers(&options.confdir, &options.prefix, manner);
    if renderers.is_empty() {
        let confd = options.confdir.join("conf.d").display().to_string();
        return Err(confd_error(format!(
            "there is no resource to work on in {confd}"
        )));
    }
    let source = source(options, prefixes(&renderers))?;
    Ok((Job::new(source, renderers), all_good))
}

/// The resources of a directory that can be worked on; what is wrong with others is logged.
/// Returns whether all can.
pub(super) fn renderers(confdir: &Path, prefix: &str, manner: Manner) -> (Vec<Renderer>, bool) {
    let (resources, problems) = Resource::load_all(confdir, prefix);
    for problem in &problems {
        log::error!(target: TARGET, "{problem}");
    }
    let mut all_good = problems.is_empty();
    let mut renderers = Vec::new();
    for resource in resources {
        for warning in &resource.warnings {
            log::warn!(target: TARGET, "{warning}");
        }
        match Renderer::new(resource, manner) {
            Ok(renderer) => renderers.push(renderer),
            Err(problem) => {
                all_good = false;
                log::error!(target: TARGET, "{problem}");
            }
        }
    }
    (renderers, all_good)
}

/// Every prefix that a resource names.
pub(super) fn prefixes(renderers: &[Renderer]) -> Vec<String> {
    renderers
        .iter()
        .flat_map(|renderer| renderer.resource().keys.iter().cloned())
        .collect()
}

fn source(options: &ConfdOptions, prefixes: Vec<String>) -> Result<Box<dyn Source>, Error> {
    let source: Box<dyn Source> = match options.backend {
        BackendKind::Consul => {
            let nodes: Result<Vec<_>, String> = options.nodes.iter().map(|n| n.parse()).collect();
            let addresses = nodes.map_err(confd_error)?;
            let settings = consul::Settings {
                tls: check::secure(&addresses, &options.tls).map_err(confd_error)?,
                addresses,
                token: options.token.clone(),
                resolver: Resolver::system(),
                timeout: consul::Settings::TIMEOUT,
            };
            let nodes = options.nodes.join(", ");
            log::info!(target: TARGET, "Backend source(s) set to {nodes}");
            Box::new(ConsulSource::new(settings, prefixes).map_err(confd_error)?)
        }
        BackendKind::Env => Box::new(EnvSource::new(env::vars_os(), &prefixes)),
        BackendKind::File => {
            Box::new(FileSource::new(options.files.clone(), &prefixes).map_err(confd_error)?)
        }
    };
    log::info!(target: TARGET, "Backend set to {}", source.name());
    Ok(source)
}

fn confd_error(problem: String) -> Error {
    Error::Confd(vec![problem])
}

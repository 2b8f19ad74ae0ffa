//! run: the checkers and the renderer of one host, in one process.

use std::env;
use std::path::Path;
use std::sync::Arc;

use super::watching::Watchers;
use super::{check, confd};
use crate::backend::Kind;
use crate::cli::confd::Mode;
use crate::cli::{Args, Start};
use crate::error::Error;
use crate::render::{Manner, Renderer, TARGET};
use crate::renderer::Job;
use crate::resolve::Resolver;
use crate::source::Source;
use crate::source::consul::ConsulSource;
use crate::source::file::FileSource;
use crate::stage::{Staged, Wanted};
use crate::store::consul::Consul;
use crate::store::file::FileStore;
use crate::supervisor::{self, Work};
use crate::watch;

/// Runs the command to its end, which comes only with `--once`, and gives the exit code.
///
/// # Errors
/// What keeps it from starting.
pub fn run(args: Args) -> Result<u8, Error> {
    let start = args.resolve(&Kind::ALL, &|name| env::var(name).ok())?;
    let resolver = Resolver::system();
    let place = place(&start, &resolver)?;
    let watchers = Watchers::new(&start.watching, start.once)?;
    let metrics = watchers.metrics();
    let journal = check::begin_log(&start);
    let store = match place {
        Place::Consul(consul) => check::store(consul, &start)?,
        Place::File(store) => Arc::new(store),
    };
    let plans = check::plans(&start, &store, &resolver, journal, &watchers)?;
    if start.once {
        let state = watch::once(plans).map_err(|e| check::no_threads(&e))?;
        let rendered = job(&start, &resolver)?.is_none_or(|job| job.counted(metrics).once());
        watchers.finish();
        return Ok(if rendered {
            state.code()
        } else {
            state.code().max(1)
        });
    }
    let mut works: Vec<Work> = plans.into_iter().map(|plan| plan.work(journal)).collect();
    let interval = check::interval(&start);
    // Here, so that what is wrong with it is known before anything starts.
    if let Some(first) = job(&start, &resolver)? {
        let first = first.counted(metrics.clone());
        let again = Box::new(move || {
            let again = job(&start, &resolver)?;
            Ok(again.map(|job| job.counted(metrics.clone())))
        });
        // The first starts at once: the port must not wait for the other starts.
        works.insert(0, confd::work(first, again, Mode::Watch));
    }
    watchers.start(interval)?;
    supervisor::run(works, interval, check::notifier().as_ref())
        .map(|()| 0)
        .map_err(|e| check::no_threads(&e))
}

/// Where the keys are.
enum Place {
    Consul(Consul),
    File(FileStore),
}

fn place(start: &Start, resolver: &Resolver) -> Result<Place, Error> {
    let Some(path) = &start.store else {
        return check::consul(start, resolver).map(Place::Consul);
    };
    let store = FileStore::new(path).map_err(check::usage)?;
    if !path.exists() && !start.dry_run {
        found(path)?;
    }
    Ok(Place::File(store))
}

/// An empty store, so that it can be watched before the first key is written.
fn found(path: &Path) -> Result<(), Error> {
    let staged = Staged::write(path, "{}\n", Wanted::default());
    let done = staged.and_then(|staged| staged.install(false)).map(drop);
    done.map_err(|error| check::usage(error.to_string()))
}

/// The renderer's job; `None` if there is nothing to render.
fn job(start: &Start, resolver: &Resolver) -> Result<Option<Job>, Error> {
    if start.dry_run && start.store.as_ref().is_some_and(|path| !path.exists()) {
        log::info!(target: TARGET, "there are no keys yet: nothing is rendered");
        return Ok(None);
    }
    let manner = Manner {
        noop: start.dry_run,
        allow_empty: start.allow_empty,
        ..Manner::default()
    };
    let (renderers, _) = confd::renderers(&start.confdir, "", manner);
    if renderers.is_empty() {
        let confdir = start.confdir.join("conf.d").display().to_string();
        log::warn!(target: TARGET, "there is no resource in {confdir}: nothing is rendered");
        return Ok(None);
    }
    Ok(Some(Job::new(
        source(start, resolver, &renderers)?,
        renderers,
    )))
}

fn source(
    start: &Start,
    resolver: &Resolver,
    renderers: &[Renderer],
) -> Result<Box<dyn Source>, Error> {
    let prefixes = confd::prefixes(renderers);
    Ok(match &start.store {
        Some(path) => {
            Box::new(FileSource::new(vec![path.clone()], &prefixes).map_err(check::usage)?)
        }
        None => {
            let settings = check::consul_settings(start, resolver)?;
            Box::new(ConsulSource::new(settings, prefixes).map_err(check::usage)?)
        }
    })
}

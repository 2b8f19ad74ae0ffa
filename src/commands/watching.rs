//! What lets others watch a command: its numbers in a file and on an address, and the commands that
//! are run after moves. Nothing of it is there unless somebody asked for it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::check::no_threads;
use crate::backend::Key;
use crate::cli::Watching;
use crate::error::Error;
use crate::hook::Hooks;
use crate::http;
use crate::metrics::{self, Metrics, Pages};
use crate::watch::Followers;

/// Everybody who watches this process.
pub(super) struct Watchers {
    metrics: Option<Arc<Metrics>>,
    file: Option<PathBuf>,
    listener: Option<TcpListener>,
    hooks: Arc<Hooks>,
}

impl Watchers {
    /// Takes the address, so that it is known before anything starts that it cannot be had; `once`
    /// says that nobody has the time to ask.
    ///
    /// # Errors
    /// `Error::System`, if it cannot be had.
    pub(super) fn new(wanted: &Watching, once: bool) -> Result<Watchers, Error> {
        let address = wanted.listen.filter(|_| !once);
        let listener = address.map(http::bind).transpose();
        let is_wanted = wanted.metrics.is_some() || address.is_some();
        Ok(Watchers {
            metrics: is_wanted.then(Arc::default),
            file: wanted.metrics.clone(),
            listener: listener.map_err(Error::System)?,
            hooks: Hooks::new(),
        })
    }

    /// The numbers, if anybody wants them.
    pub(super) fn metrics(&self) -> Option<Arc<Metrics>> {
        self.metrics.clone()
    }

    /// Those of a tag, with the command that is run after its moves.
    pub(super) fn of_tag(&self, key: &Key, exec: Option<&str>) -> Followers {
        Followers {
            metrics: self.metrics.as_ref().map(|metrics| metrics.tag(key)),
            hook: exec.map(|line| (line.to_owned(), Arc::clone(&self.hooks))),
        }
    }

    /// Starts what goes on for ever. The numbers change about every `interval`.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn start(self, interval: Duration) -> Result<(), Error> {
        let Some(metrics) = self.metrics else {
            return Ok(());
        };
        if let Some(path) = self.file {
            let kept = metrics::keep(path, Arc::clone(&metrics), interval);
            kept.map_err(|e| no_threads(&e))?;
        }
        if let Some(listener) = self.listener {
            let mut pages = Pages::new(metrics);
            let pages = Box::new(move |path: &str| pages.answer(path));
            http::serve(listener, pages).map_err(|e| no_threads(&e))?;
        }
        Ok(())
    }

    /// The end of a single pass: waits for the commands, and writes the numbers.
    pub(super) fn finish(self) {
        self.hooks.finish();
        if let (Some(path), Some(metrics)) = (self.file, self.metrics) {
            metrics::write_once(&path, &metrics);
        }
    }
}

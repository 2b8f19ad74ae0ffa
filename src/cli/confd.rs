//! The options of confd, with the names and the meaning that they have in confd v0.16: from flags,
//! environment and confd.toml to what the renderer starts with.
//!
//! confd.toml < environment < flag. Where each value was said is kept for messages.

mod choice;
mod consul;
mod file;
mod flags;
mod layer;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use self::choice::Chooser;
pub use self::flags::ConfdArgs;
pub(super) use self::flags::{Parsed, parse};
use super::start::Environment;
use super::watching::Watching;
use crate::error::Error;
use crate::secret::TokenSource;
use crate::tls;

/// Where confd.toml is if `-config-file` does not say it.
pub const DEFAULT_CONFIG_FILE: &str = "/etc/confd/confd.toml";

/// Everything that the renderer needs to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfdOptions {
    /// Where the keys are.
    pub backend: BackendKind,
    /// Consul's addresses, with https where `-scheme` says so; at least one.
    pub nodes: Vec<String>,
    /// What it takes to reach those with https.
    pub tls: tls::Settings,
    /// The files of the file backend; at least one if that is the backend.
    pub files: Vec<PathBuf>,
    /// The directory with `conf.d` and `templates`.
    pub confdir: PathBuf,
    /// When to render.
    pub mode: Mode,
    /// Show what would change, and change nothing.
    pub noop: bool,
    /// Run neither check_cmd nor reload_cmd.
    pub sync_only: bool,
    /// Leave the staged files for people to look at.
    pub keep_stage_file: bool,
    /// An empty answer may replace a file that is not empty.
    pub allow_empty: bool,
    /// As it was given; empty if there is none. It replaces the prefix of each resource.
    pub prefix: String,
    /// Consul's token.
    pub token: Option<TokenSource>,
    /// What is logged.
    pub level: LevelFilter,
    /// What the log looks like, and where the numbers go.
    pub watching: Watching,
    /// What should be logged once the logger stands.
    pub warnings: Vec<String>,
}

/// Where the keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendKind {
    /// In Consul.
    Consul,
    /// In the environment.
    Env,
    /// In YAML or JSON files.
    File,
}

/// When to render.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Once.
    OneTime,
    /// Whenever a key changes.
    Watch,
    /// Again and again, with this pause.
    Interval(Duration),
}

impl ConfdArgs {
    /// Reads confd.toml and the environment.
    ///
    /// # Errors
    /// `Error::Confd`, with everything that is wrong in all three.
    pub fn resolve(self, environment: &Environment<'_>) -> Result<ConfdOptions, Error> {
        let mut warnings = Vec::new();
        let mut problems = Vec::new();
        let file = file::load(self.flags.text("config-file"), &mut problems, &mut warnings);
        let mut chooser = Chooser {
            flags: &self.flags,
            environment,
            file: &file,
            problems,
            warnings,
        };
        let mut options = chooser.options();
        if !chooser.problems.is_empty() {
            return Err(Error::Confd(chooser.problems));
        }
        options.warnings = chooser.warnings;
        Ok(options)
    }
}

#[cfg(test)]
pub(super) use self::layer::SETTINGS;
#[cfg(test)]
mod tests;

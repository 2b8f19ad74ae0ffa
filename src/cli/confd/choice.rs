//! Chooses between flags, environment and confd.toml, and says what is wrong with the choice.

use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::layer::{Layer, Said};
use super::{BackendKind, ConfdOptions, Mode};
use crate::cli::consul::truth;
use crate::cli::start::Environment;
use crate::cli::watching::{self, Watching};
use crate::nearest::did_you_mean;
use crate::secret::TokenSource;
use crate::tls;

const DEFAULT_CONFDIR: &str = "/etc/confd";
/// Seconds, as in confd.
const DEFAULT_INTERVAL: &str = "600";
/// Seconds: a year.
const LONGEST_INTERVAL: u64 = 366 * 86400;

pub(super) struct Chooser<'a> {
    pub(super) flags: &'a Layer,
    pub(super) environment: &'a Environment<'a>,
    pub(super) file: &'a Layer,
    pub(super) problems: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Chooser<'_> {
    /// The options, without the warnings; they are right only if there are no `problems`.
    pub(super) fn options(&mut self) -> ConfdOptions {
        let backend = self.backend();
        let mode = self.mode(backend);
        let files: Vec<PathBuf> = self.list("file").into_iter().map(PathBuf::from).collect();
        if backend == Some(BackendKind::File) && files.is_empty() {
            self.problems
                .push("backend file reads no file: name one with -file".to_owned());
        }
        let (token, tls) = self.for_the_backend(backend);
        let watching = self.watching();
        if mode == Mode::OneTime && watching.listen.is_some() {
            let warning = "-listen means nothing with -onetime: nobody is listened to";
            self.warnings.push(warning.to_owned());
        }
        ConfdOptions {
            backend: backend.unwrap_or(BackendKind::Consul),
            nodes: self.nodes(),
            tls,
            files,
            confdir: PathBuf::from(self.text("confdir").unwrap_or(DEFAULT_CONFDIR)),
            mode,
            noop: self.switch("noop"),
            sync_only: self.switch("sync-only"),
            keep_stage_file: self.switch("keep-stage-file"),
            allow_empty: self.switch("allow-empty"),
            prefix: self.text("prefix").unwrap_or_default().to_owned(),
            token,
            level: self.level(),
            watching,
            warnings: Vec::new(),
        }
    }

    pub(super) fn said(&self, flag: &str) -> Option<&Said> {
        self.flags.get(flag).or_else(|| self.file.get(flag))
    }

    pub(super) fn text(&self, flag: &str) -> Option<&str> {
        self.flags.text(flag).or_else(|| self.file.text(flag))
    }

    pub(super) fn list(&self, flag: &str) -> Vec<String> {
        self.said(flag).map_or_else(Vec::new, |s| s.values.clone())
    }

    /// Go's spellings of a boolean.
    pub(super) fn switch(&mut self, flag: &str) -> bool {
        let Some(text) = self.text(flag) else {
            return false;
        };
        if let Some(truth) = truth(text) {
            return truth;
        }
        let message = format!("'{}' is not true or false", text.escape_debug());
        self.wrong(flag, &message);
        false
    }

    /// Something is wrong with a setting's value.
    pub(super) fn wrong(&mut self, flag: &str, message: &str) {
        let origin = self.said(flag).map_or(flag, |said| &said.origin);
        let problem = format!("{origin}: {message}");
        self.problems.push(problem);
    }

    fn backend(&mut self) -> Option<BackendKind> {
        let kind = match self.text("backend").unwrap_or("consul") {
            "consul" => BackendKind::Consul,
            "env" => BackendKind::Env,
            "file" => BackendKind::File,
            other => {
                let hint = did_you_mean(other, ["consul", "env", "file"]);
                let other = other.escape_debug();
                let message = format!("no backend '{other}' here, only consul, env and file{hint}");
                self.wrong("backend", &message);
                return None;
            }
        };
        Some(kind)
    }

    fn mode(&mut self, backend: Option<BackendKind>) -> Mode {
        let (once, watch) = (self.switch("onetime"), self.switch("watch"));
        let interval = self.interval();
        if once {
            return Mode::OneTime;
        }
        if watch && backend == Some(BackendKind::Env) {
            let message = "Watch is not supported for backend env. Exiting...";
            self.problems.push(message.to_owned());
        }
        match watch {
            true => Mode::Watch,
            false => Mode::Interval(interval),
        }
    }

    fn interval(&mut self) -> Duration {
        let text = self.text("interval").unwrap_or(DEFAULT_INTERVAL);
        let seconds = text.parse::<u64>().unwrap_or(0);
        if !(1..=LONGEST_INTERVAL).contains(&seconds) {
            let text = text.escape_debug();
            let message = format!("'{text}' is not a whole number of seconds, 1 or more");
            self.wrong("interval", &message);
        }
        Duration::from_secs(seconds)
    }

    fn level(&mut self) -> LevelFilter {
        let text = self.text("log-level").unwrap_or("info");
        match text.to_ascii_lowercase().as_str() {
            "debug" => LevelFilter::Debug,
            "info" => LevelFilter::Info,
            "warn" | "warning" => LevelFilter::Warn,
            "error" | "fatal" | "panic" => LevelFilter::Error,
            _ => {
                let message = format!(
                    "'{}' is not debug, info, warn, error, fatal or panic",
                    text.escape_debug()
                );
                self.wrong("log-level", &message);
                LevelFilter::Info
            }
        }
    }

    fn watching(&mut self) -> Watching {
        let metrics = self.text("metrics").map(PathBuf::from);
        let mut read = Watching {
            metrics,
            ..Watching::default()
        };
        match self.text("log-format").map(watching::log_format) {
            Some(Ok(format)) => read.log_format = format,
            Some(Err(problem)) => self.wrong("log-format", &problem),
            None => {}
        }
        match self.text("listen").map(watching::address) {
            Some(Ok(address)) => read.listen = Some(address),
            Some(Err(problem)) => self.wrong("listen", &problem),
            None => {}
        }
        read
    }

    /// What only one backend needs: its token and its certificates, and an error for what confd
    /// can do there and we cannot.
    fn for_the_backend(
        &mut self,
        backend: Option<BackendKind>,
    ) -> (Option<TokenSource>, tls::Settings) {
        if self.said("secret-keyring").is_some() {
            self.wrong("secret-keyring", "encrypted values are not supported");
        }
        match backend {
            Some(BackendKind::Consul) => {
                self.refuse_for_consul();
                return (self.token(), self.tls());
            }
            Some(BackendKind::File) if self.text("filter").is_some_and(|f| f != "*") => {
                self.wrong("filter", "not supported; name the files with -file");
            }
            Some(BackendKind::Env | BackendKind::File) | None => {}
        }
        (None, tls::Settings::default())
    }
}

//! Keeps a port on an HAProxy host on one live server of a group: a MySQL replica, and later a
//! memcached or the Redis master.
//!
//! ```text
//! main → cli → config → supervisor (a thread per tag) → cycle → checker (trait)
//!                                                             → store   (trait)
//!                                                             → elect, hysteresis (pure)
//! ```
//!
//! `template` renders conf files from keys, as confd does; it stands alone.
//!
//! Data flows down only. `cycle` is the whole program in one function: read the key, check the
//! server it names, decide, elect, write. What is deliberately so:
//!
//! - Checkers and stores know nothing of each other and meet only in `cycle`; only `cycle` decides
//!   to write.
//! - `elect`, `hysteresis`, `backend`, `outcome`, `haproxy::diff` and the files beside
//!   `checker::mysql` that read rows do no I/O, read no clock and log nothing.
//! - Only `main` prints errors and chooses the exit code; only `config` and `cli` know the conf
//!   file and the environment; only `logger` knows what a log line looks like.
//! - `resource` says what is rendered and where to, `stage` puts files in their places, `command`
//!   runs what checks and reloads them; they know nothing of each other.
//! - There is no async runtime, no global state but the logger, and one line of `unsafe` (`idle`).
//!
//! `tests/lint/edges.rs` holds the table of who may import whom, and fails when it is broken.

pub mod cycle;
pub mod outcome;

pub mod checker;
pub mod source;
pub mod store;
pub mod template;

pub mod haproxy;

pub mod elect;
pub mod hysteresis;

pub mod backend;
pub mod endpoint;
pub mod secret;

pub mod report;
pub mod supervisor;
pub mod watch;

pub mod command;
pub mod render;
pub mod renderer;
pub mod resource;
pub mod stage;

pub mod cli;
pub mod commands;
pub mod config;
pub mod error;
pub mod logger;
pub mod nearest;

pub mod backoff;
pub mod idle;
pub mod random;
pub mod resolve;
pub mod tables;

#[cfg(test)]
mod scratch;

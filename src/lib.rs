//! Keeps a port on an HAProxy host on one live server of a group: a MySQL replica, a memcached, or
//! the Redis master.
//!
//! ```text
//! main → cli → commands → supervisor → watch → cycle → checker (trait)
//!                            │          │            → store   (trait)
//!                            │          │            → elect, hysteresis (pure)
//!                            │          └→ watchdog → progress, notify
//!                            └────→ renderer → source (trait)
//!                                            → render → template, stage, command, haproxy
//! ```
//!
//! Data flows down only. `cycle` is what one tag does: read the key, check the server it names,
//! decide, elect, write. `render` is what one resource does: validate, render, compare, move
//! HAProxy, check, install, reload. What is deliberately so:
//!
//! - Checkers and stores know nothing of each other and meet only in `cycle`; only `cycle` decides
//!   to write. The renderer reads keys and never writes one; it knows nothing of checkers.
//! - `elect`, `hysteresis`, `backend`, `overrides`, `outcome`, `status`, `render::entries`, `haproxy::diff` and the
//!   files beside the checkers that read rows, facts and votes do no I/O, read no clock and log
//!   nothing.
//! - Only `main` prints errors and exits; only `config` and `cli` know the conf file and the
//!   options; only `logger` knows what a log line looks like; only `commands` knows all rooms.
//! - `metrics` only counts what `watch` and `renderer` tell it, and `hook` runs what they ask for; nobody
//!   waits for either. `http` knows no page, and pages know no socket.
//! - A work says only to `progress` how it gets on; only `watchdog` tells the service manager.
//! - There is no async runtime, no global state but the logger, and no `unsafe`.
//!
//! `tests/lint/edges.rs` holds the table of who may import whom, and fails when it is broken.

// What one tag does, and what becomes of it.
pub mod cycle;
pub mod outcome;

// What it looks at, and where it writes.
pub mod checker;
pub mod store;

// How it decides.
pub mod elect;
pub mod hysteresis;

// What keys and addresses are.
pub mod backend;
pub mod endpoint;
pub mod overrides;
pub mod secret;

// One tag for ever, and many.
pub mod hook;
pub mod metrics;
pub mod progress;
pub mod report;
pub mod status;
pub mod supervisor;
pub mod watch;

// What the service manager is told.
pub mod notify;
pub mod watchdog;

// What one resource does, and what it needs.
pub mod render;
pub mod renderer;
pub mod resource;
pub mod source;
pub mod template;

pub mod command;
pub mod haproxy;
pub mod host;
pub mod stage;

// What the user says, and what is done with it.
pub mod cli;
pub mod commands;
pub mod config;
pub mod error;
pub mod logger;
pub mod nearest;
pub mod tables;

// Tools.
pub mod backoff;
pub mod http;
pub mod limits;
pub mod moment;
pub mod random;
pub mod resolve;
pub mod tls;

#[cfg(test)]
mod scratch;

//! A thousand tags in one process: that they fit, and how they do. `make scale` measures and writes
//! `docs/scaling.md`; a small version is in `make test`, whose asserts are about counts and memory, and not
//! about milliseconds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub
)]

#[path = "../it/support/mod.rs"]
mod support;

// The servers, and the way to Consul.
mod hosts;
mod memcached;
mod meter;
mod mysql;
mod redis;
mod responder;

// What is seen.
mod lateness;
mod process;
mod site;

// What is measured, and written.
mod events;
mod measure;
mod page;
mod watchers;

mod small;

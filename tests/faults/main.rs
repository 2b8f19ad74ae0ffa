//! The fault matrix: one test for each fault, and the page that says what came of it.
//!
//! `make faults` runs all rows and writes docs/faults.md; `make test` runs the quick ones, and checks
//! that the page has the rows that there are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub,
    dead_code
)]

#[path = "../it/chain.rs"]
mod chain;
#[path = "../it/scene.rs"]
mod scene;
#[path = "../it/site.rs"]
mod site;
#[path = "../it/support/mod.rs"]
mod support;

mod between;
mod checkers;
mod clock;
mod consuls;
mod haproxies;
mod matrix;
mod replicas;

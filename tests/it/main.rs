//! Tests with real servers. `support` starts them; each file tests one thing.

// Tests may fail loudly and print what a person wants to see; nobody uses this crate's items.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub
)]

mod confd_files;
mod fixtures;
mod never_hangs;
mod support;

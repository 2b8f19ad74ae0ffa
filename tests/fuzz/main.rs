//! Everything that comes from outside, mutated: files, keys, and what servers answer. It must never
//! panic outside a probe, grow without bound, or put a line into a file.
//!
//! The seed is printed and can be given: `FUZZ_SEED=n`. A case depends on the seed and its own number
//! alone, so `FUZZ_CASE=m` runs one again. `FUZZ_SECONDS` is the time for each test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub
)]

mod alone;
mod cases;
mod mutate;
mod replay;
mod requests;
mod servers;
mod store;
mod texts;

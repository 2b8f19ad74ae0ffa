//! What a compiler does not check: licences and banned crates, who may import whom, and that
//! nothing of the machine it was written on is in the tree. `make lint` runs it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "tests fail loudly by themselves"
)]

mod bench;
mod edges;
#[path = "../bench/figures.rs"]
mod figures;
mod monitoring;
mod supply;
#[path = "../bench/table.rs"]
#[allow(dead_code, reason = "the bench uses all of it")]
mod table;
mod tree;

use std::path::PathBuf;

/// The repository.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file that git tracks, or would.
fn files() -> Vec<PathBuf> {
    let output = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    assert!(output.status.success(), "git ls-files failed");
    let list = String::from_utf8(output.stdout).unwrap();
    list.lines()
        .map(|line| root().join(line))
        .filter(|path| path.is_file())
        .collect()
}

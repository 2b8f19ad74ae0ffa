//! Removes staged files that a dead run left behind.

use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::install::last_good;
use super::{MARK, directory, hidden, target};

/// A younger file may be another run's, which is checking it just now.
const OLD: Duration = Duration::from_secs(10 * 60);

/// Removes the staged files of `dest` that are older than any check takes, and says which.
pub fn sweep(dest: &Path) -> Vec<PathBuf> {
    sweep_older(dest, OLD)
}

pub(super) fn sweep_older(dest: &Path, age: Duration) -> Vec<PathBuf> {
    let Ok(target) = target(dest) else {
        return Vec::new();
    };
    let copy = last_good(&target);
    let bases = [target.file_name(), copy.file_name()];
    let entries = fs::read_dir(directory(&target)).into_iter().flatten();
    entries
        .flatten()
        .filter(|entry| bases.iter().flatten().any(|base| is_staged(entry, base)))
        .filter(|entry| is_older(entry, age))
        .map(|entry| entry.path())
        .filter(|path| fs::remove_file(path).is_ok())
        .collect()
}

/// Whether the name is one of ours to the last letter, and a file's.
fn is_staged(entry: &DirEntry, base: &OsStr) -> bool {
    let name = entry.file_name();
    let random = name
        .as_encoded_bytes()
        .strip_prefix(hidden(base, MARK).as_encoded_bytes());
    let ours = random.is_some_and(|r| r.len() == 16 && r.iter().all(u8::is_ascii_hexdigit));
    ours && entry.file_type().is_ok_and(|kind| kind.is_file())
}

fn is_older(entry: &DirEntry, age: Duration) -> bool {
    let modified = entry.metadata().and_then(|found| found.modified());
    modified.is_ok_and(|time| time.elapsed().is_ok_and(|passed| passed >= age))
}

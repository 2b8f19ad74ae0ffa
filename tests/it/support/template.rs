//! Data directories of fresh servers: made once, kept between runs, copied for each server.

use std::fs;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::Mutex;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The template called `name` in `parent`. `recipe` is all that its content depends on: another
/// recipe makes another template. `build` fills a directory that then gets its name at once, so
/// that one which was interrupted is never used.
pub fn template(parent: &Path, name: &str, recipe: impl Hash, build: impl Fn(&Path)) -> PathBuf {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(recipe);
    let done = parent.join(format!("{name}-{hash:016x}"));
    let _alone = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if !done.exists() {
        let part = parent.join(format!("{name}-part-{}", process::id()));
        let _ = fs::remove_dir_all(&part);
        fs::create_dir_all(&part).expect("a directory for the template");
        build(&part);
        // Another process may have been quicker: then its template stays and ours goes.
        if fs::rename(&part, &done).is_err() {
            fs::remove_dir_all(&part).expect("the spare template goes");
        }
    }
    done
}

/// Copies a directory and all that is in it.
pub fn copy_dir(from: &Path, to: &Path) {
    must_succeed(
        Command::new("cp")
            .args(["-a", "--reflink=auto"])
            .arg(from)
            .arg(to),
    );
}

/// Runs a command to its end; a failure fails the test with all that the command said.
#[track_caller]
pub fn must_succeed(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{said}\n{complained}",
        output.status
    );
}

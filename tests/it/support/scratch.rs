//! Scratch directories: one per fixture, under one directory per test process, so that a later
//! run can remove what a killed one left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A directory that goes when dropped, but stays for inspection when the test panics.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Under the system's temporary directory: short paths, as unix sockets need.
    pub fn new(name: &str) -> Self {
        static PARENT: OnceLock<PathBuf> = OnceLock::new();
        let parent = PARENT.get_or_init(|| own_dir_in(&std::env::temp_dir().join("chp-tests")));
        Self::in_dir(parent, name)
    }

    /// A new directory in `parent`.
    pub fn in_dir(parent: &Path, name: &str) -> Self {
        let path = parent.join(format!("{}-{name}", unique()));
        // Tried again, as the last Scratch of another thread may take the parent away just now.
        let made = (0..100).find_map(|_| fs::create_dir_all(&path).ok());
        assert!(made.is_some(), "cannot create {}", path.display());
        Self { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("kept until the next run: {}", self.path.display());
        } else {
            let _ = fs::remove_dir_all(&self.path);
            // The process's own directory goes with the last one in it.
            let _ = self.path.parent().map(fs::remove_dir);
        }
    }
}

/// This process's directory in `base`; those of processes that are gone are removed.
pub fn own_dir_in(base: &Path) -> PathBuf {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|text| text.parse::<u32>().ok());
        if owner.is_some_and(|pid| pid == process::id() || !process_exists(pid)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    base.join(process::id().to_string())
}

/// Whether a process of this number is there.
pub fn process_exists(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// A number not used before in this process.
pub fn unique() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

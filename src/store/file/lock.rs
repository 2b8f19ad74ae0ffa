//! Turns between processes: a lock on a file beside the store's, which stays there for ever. The
//! store's own file cannot be locked, as every write puts another in its place.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::disk::beside;

/// Between two attempts. The kernel's own queue has no time limit.
const PAUSE: Duration = Duration::from_millis(1);

/// The lock; given back when it is dropped, and by the kernel when the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the store at `path`: the file `PATH.lock`. Waits at most `wait`.
    ///
    /// # Errors
    /// A phrase, if the file cannot be opened, or stays locked.
    pub(super) fn take(path: &Path, wait: Duration) -> Result<Lock, String> {
        let path = beside(path, "", ".lock");
        let fault = |what: String| format!("locking {}: {what}", path.display());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| fault(e.to_string()))?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::Error(e)) => return Err(fault(e.to_string())),
                Err(TryLockError::WouldBlock) if started.elapsed() >= wait => {
                    let seconds = wait.as_secs_f64();
                    return Err(fault(format!(
                        "another process kept it for {seconds:.1} s; is it stopped?"
                    )));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            }
        }
    }
}

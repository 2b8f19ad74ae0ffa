//! Puts a staged file in its place: by renaming, so that there is one file or the other at every
//! moment; only a file that is a mount point is written in place.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{PERMISSIONS, StageError, Staged, Wanted, directory};

/// What stands after the name of the file that was replaced last.
const LAST_GOOD: &str = ".last-good";

/// The staged file is in its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Installed {
    /// What should be logged.
    pub warnings: Vec<String>,
}

impl Staged {
    /// Puts the staged file in its place. With `keep_last_good`, a file with other text that was
    /// there stays as `<dest>.last-good`.
    ///
    /// # Errors
    /// When that fails; the file in its place is untouched.
    pub fn install(mut self, keep_last_good: bool) -> Result<Installed, StageError> {
        let mut installed = Installed::default();
        if keep_last_good && self.has_other_text().unwrap_or(false) {
            installed.warnings.extend(self.keep_last_good().err());
        }
        match fs::rename(&self.path, &self.target) {
            Ok(()) => {
                mem::take(&mut self.path);
                let synced = File::open(directory(&self.target)).and_then(|d| d.sync_all());
                let dest = self.dest.display();
                installed.warnings.extend(synced.err().map(|e| {
                    format!("{dest} is in its place, but may not outlive a power cut: {e}")
                }));
            }
            Err(error) if is_mount_point(&error) => {
                self.write_in_place()?;
                installed.warnings.push(format!(
                    "{} is a mount point, so it was written in place: mount its directory instead",
                    self.dest.display()
                ));
            }
            Err(error) => return Err(StageError::new("cannot replace", &self.dest, &error)),
        }
        Ok(installed)
    }

    /// Copies the present file, whole or not at all. A copy and no hard link: that would change
    /// with a file that is written in place.
    fn keep_last_good(&self) -> Result<(), String> {
        let copy = last_good(&self.target);
        let failed = |error: &dyn std::fmt::Display| format!("no {} kept: {error}", copy.display());
        let found = fs::metadata(&self.target).map_err(|e| failed(&e))?;
        let text = fs::read(&self.target).map_err(|e| failed(&e))?;
        let as_it_is = Wanted {
            mode: Some(found.mode() & PERMISSIONS),
            uid: Some(found.uid()),
            gid: Some(found.gid()),
        };
        let staged = Staged::write(&copy, text, as_it_is).map_err(|e| failed(&e))?;
        staged.install(false).map_err(|e| failed(&e))?;
        Ok(())
    }

    /// Overwrites the file. If that fails half way, what was there is written back.
    pub(super) fn write_in_place(&self) -> Result<(), StageError> {
        let failed = |e| StageError::new("cannot write in place", &self.dest, &e);
        let before = fs::read(&self.target).map_err(failed)?;
        let after = fs::read(&self.path).map_err(failed)?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).open(&self.target).map_err(failed)?;
        self.own(&file)?;
        if let Err(error) = overwrite(&mut file, &after) {
            let restored = options.write(true).open(&self.target);
            let _ = restored.and_then(|mut file| overwrite(&mut file, &before));
            return Err(failed(error));
        }
        Ok(())
    }
}

/// Does not cut the file first: blocks that it has already are there on a full disk too.
fn overwrite(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

fn is_mount_point(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ResourceBusy | io::ErrorKind::CrossesDevices
    )
}

/// `haproxy.cfg.last-good`: `haproxy -f DIRECTORY` loads only what ends in `.cfg`.
pub(super) fn last_good(target: &Path) -> PathBuf {
    let mut name = OsString::from(target);
    name.push(LAST_GOOD);
    PathBuf::from(name)
}

//! The staged file: a new version of a file, complete beside it, before it takes its place.
//!
//! Owns the files; what is in them, and whether it is good, is the caller's. Nobody ever sees half
//! a file, and whatever fails, the file in its place is untouched.

mod compare;
mod install;
mod sweep;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::{fmt, mem};

use rustix::process::{getegid, geteuid};

pub use self::compare::Difference;
pub use self::install::Installed;
pub use self::sweep::sweep;
use crate::random::random;

/// Stands between a staged file's name and its random part.
const MARK: &str = ".confd-";
/// The same for a file that was kept for people to look at.
const KEPT: &str = ".kept-";
/// The permissions of a file that is new.
const DEFAULT_MODE: u32 = 0o644;
/// The bits of a file's mode that are permissions.
const PERMISSIONS: u32 = 0o7777;

/// What to do about an error.
const ADVICE: &[(io::ErrorKind, &str)] = &[
    (io::ErrorKind::StorageFull, "make room on the disk"),
    (io::ErrorKind::QuotaExceeded, "make room on the disk"),
    (
        io::ErrorKind::PermissionDenied,
        "let this user do it, or run as root",
    ),
    (
        io::ErrorKind::ReadOnlyFilesystem,
        "make the directory writable (under systemd: ReadWritePaths=)",
    ),
    (io::ErrorKind::NotFound, "make its directory"),
];

/// What a resource says about the file's owner and permissions. As in confd, an owner that is not
/// said is ours, and permissions that are not said are those that the file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// The permissions, as in `0o644`.
    pub mode: Option<u32>,
    /// The owner.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
}

/// A file that waits to take the place of another. Dropped, it is removed.
#[derive(Debug)]
pub struct Staged {
    /// The name that the resource has for the file.
    dest: PathBuf,
    /// The file itself, where `dest` is a symbolic link.
    target: PathBuf,
    /// The staged file; empty if there is none any more.
    path: PathBuf,
    mode: u32,
    uid: u32,
    gid: u32,
}

/// Why a file could not be staged or installed: one line, with what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageError(pub String);

impl Staged {
    /// Writes `text` to a hidden file in the directory of `dest`, down to the disk. Nobody can
    /// read it before its owner and its permissions are the final ones.
    ///
    /// # Errors
    /// When anything fails, as on a full disk; then there is no staged file.
    pub fn write(
        dest: &Path,
        text: impl AsRef<[u8]>,
        wanted: Wanted,
    ) -> Result<Staged, StageError> {
        let target = target(dest).map_err(|e| StageError::new("cannot follow", dest, &e))?;
        let present = metadata(&target).map_err(|e| StageError::new("cannot read", dest, &e))?;
        if present.as_ref().is_some_and(|found| !found.is_file()) {
            let shown = dest.display();
            return Err(StageError(format!(
                "{shown} is not a regular file; let dest name another"
            )));
        }
        let present_mode = present.map_or(DEFAULT_MODE, |found| found.mode() & PERMISSIONS);
        let (file, path) = create(&target)?;
        let staged = Staged {
            dest: dest.to_owned(),
            target,
            path,
            mode: wanted.mode.unwrap_or(present_mode),
            uid: wanted.uid.unwrap_or_else(|| geteuid().as_raw()),
            gid: wanted.gid.unwrap_or_else(|| getegid().as_raw()),
        };
        // An error on the way out drops `staged`, and with it the file.
        staged.own(&file)?;
        staged.fill(file, text.as_ref())?;
        Ok(staged)
    }

    /// Where the staged file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the staged file for people to look at, and says where. `sweep` does not touch it.
    pub fn keep(mut self) -> PathBuf {
        let path = mem::take(&mut self.path);
        let kept = beside(&self.target, KEPT);
        match fs::rename(&path, &kept) {
            Ok(()) => kept,
            Err(_) => path,
        }
    }

    fn fill(&self, mut file: File, text: &[u8]) -> Result<(), StageError> {
        file.write_all(text)
            .and_then(|()| file.sync_all())
            .map_err(|e| StageError::new("cannot write", &self.path, &e))
    }

    /// Gives the file its owner, then its permissions: the other order would lose some of them.
    fn own(&self, file: &File) -> Result<(), StageError> {
        let failed = |doing: &str, e| StageError::new(doing, &self.dest, &e);
        let found = file.metadata().map_err(|e| failed("cannot read", e))?;
        if (found.uid(), found.gid()) != (self.uid, self.gid) {
            let doing = format!("cannot give to uid {} and gid {}", self.uid, self.gid);
            fchown(file, Some(self.uid), Some(self.gid)).map_err(|e| failed(&doing, e))?;
        }
        file.set_permissions(fs::Permissions::from_mode(self.mode))
            .map_err(|e| failed("cannot set the permissions of", e))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl StageError {
    fn new(doing: &str, path: &Path, error: &io::Error) -> StageError {
        let advice = ADVICE.iter().find(|(kind, _)| *kind == error.kind());
        let next = advice.map_or_else(String::new, |(_, what)| format!("; {what}"));
        StageError(format!("{doing} {}: {error}{next}", path.display()))
    }
}

impl fmt::Display for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StageError {}

/// The file that `dest` leads to, through any symbolic links, even if it does not exist yet.
fn target(dest: &Path) -> io::Result<PathBuf> {
    /// As many links as the kernel follows.
    const MOST_LINKS: usize = 40;
    let mut path = dest.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(next) => path = path.parent().unwrap_or(Path::new("")).join(next),
            // It is no link, or not there.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn metadata(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A new file beside `target`, which only we can read.
fn create(target: &Path) -> Result<(File, PathBuf), StageError> {
    let path = beside(target, MARK);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    match options.open(&path) {
        Ok(file) => Ok((file, path)),
        Err(error) => Err(StageError::new("cannot write", &path, &error)),
    }
}

/// `.haproxy.cfg.confd-0123456789abcdef`: hidden, and nothing that `haproxy -f DIRECTORY` loads.
fn beside(target: &Path, mark: &str) -> PathBuf {
    let mut name = hidden(target.file_name().unwrap_or_default(), mark);
    name.push(format!("{:016x}", random()));
    target.with_file_name(name)
}

fn hidden(base: &OsStr, mark: &str) -> OsString {
    let mut name = OsString::from(".");
    name.push(base);
    name.push(mark);
    name
}

/// The directory of a file, also of one that has none in its name.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

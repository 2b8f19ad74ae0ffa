//! A small file, read whole and replaced whole: at every moment, also after a power cut, it holds
//! either the old bytes or the new.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// More than any number of tags needs; a larger file is somebody else's.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// The mode of a file that was not there before.
const NEW_MODE: u32 = 0o644;
/// As many symbolic links in a row as the kernel follows.
const MAX_LINKS: usize = 40;

/// The bytes of the file at `path`; `None` if it is not there but its directory is.
///
/// # Errors
/// A phrase, whenever it is not certain what the file holds.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    match read_bytes(path) {
        Ok(bytes) if bytes.len() as u64 > MAX_BYTES => {
            Err(format!("the file is longer than {MAX_BYTES} bytes"))
        }
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == ErrorKind::NotFound => resolve(path).map(|_| None),
        Err(e) => Err(e.to_string()),
    }
}

/// Puts `bytes` in the place of the file at `path`, which is no symbolic link. Mode and owner stay.
/// The caller holds the file's lock: the new file has the same name every time, so that what a
/// killed process left there is cleared away.
///
/// # Errors
/// A phrase. The old file is as it was, unless the phrase says that the directory could not be
/// written out: then the new one is in place, and only a power cut could undo it.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let staged = beside(path, ".", ".new");
    let made = stage(path, &staged, bytes).and_then(|()| fs::rename(&staged, path));
    made.map_err(|e| {
        // Nothing more can be done about a file that cannot be removed.
        let _ = fs::remove_file(&staged);
        format!("{e}; the file is as it was")
    })?;
    let dir = directory(path);
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| {
        format!(
            "written, but the directory {} is not on disk: {e}",
            dir.display()
        )
    })
}

/// The file that `path` leads to through symbolic links, whether it is there or not.
///
/// # Errors
/// A phrase, if the directory that it would be in is not there.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, String> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = directory(&path).join(target),
            Err(_) => return in_real_directory(&path),
        }
    }
    Err("a chain of symbolic links without an end".to_owned())
}

/// The directory that `path` is in.
pub(crate) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        Some(_) | None => Path::new("."),
    }
}

/// `path` with something put before and after its last name.
pub(super) fn beside(path: &Path, before: &str, after: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(before);
    name.push(path.file_name().unwrap_or_default());
    name.push(after);
    path.with_file_name(name)
}

fn in_real_directory(path: &Path) -> Result<PathBuf, String> {
    let dir = directory(path);
    let name = path
        .file_name()
        .ok_or("is not the name of a file; name the file to keep the keys in")?;
    match dir.canonicalize() {
        Ok(real) => Ok(real.join(name)),
        Err(e) => Err(format!("its directory {}: {e}; create it", dir.display())),
    }
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    // Before it is opened: opening a pipe would wait for somebody to write.
    let file = fs::metadata(path)?;
    if !file.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    // One more than there should be, so that the end is seen without making room for more.
    let room = file.len().min(MAX_BYTES) + 1;
    let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
    File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn stage(path: &Path, staged: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(staged) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(staged)?;
    let old = fs::metadata(path).ok();
    if let Some(old) = &old {
        // Only root can; for others the file becomes theirs.
        let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
    }
    let mode = old.map_or(NEW_MODE, |old| old.mode() & 0o7777);
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}

//! Where resources, templates and their files are, and whether they can be used.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Problem;

/// How many directories deep resources may lie.
const DEEPEST: usize = 16;

/// Every `*.toml` in the directory and below, in order. What is hidden does not count: editors'
/// files, and the directories behind Kubernetes' links, which would give each resource twice.
pub(super) fn find(directory: &Path) -> (Vec<PathBuf>, Vec<Problem>) {
    let (mut paths, mut problems) = (Vec::new(), Vec::new());
    walk(directory, DEEPEST, &mut paths, &mut problems);
    paths.sort();
    if paths.is_empty() && problems.is_empty() {
        let message = "has no *.toml; put a template resource there, or name another -confdir";
        problems.push(problem(directory, message.to_owned()));
    }
    (paths, problems)
}

fn walk(directory: &Path, depth: usize, paths: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("cannot be read: {error}; make it, or name another -confdir");
            return problems.push(problem(directory, message));
        }
    };
    for entry in entries {
        let (name, path) = (entry.file_name(), entry.path());
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // A link to a directory is not followed, as in confd.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if depth > 0 {
                walk(&path, depth - 1, paths, problems);
            }
        } else if path.extension().is_some_and(|e| e == "toml") {
            paths.push(path);
        }
    }
}

fn problem(file: &Path, message: String) -> Problem {
    Problem {
        file: file.to_owned(),
        line: None,
        message,
    }
}

/// The path of a template; a leading '/' does not lead out of `templates`, as in confd.
pub(super) fn template(confdir: &Path, src: &str) -> Result<PathBuf, String> {
    let path = confdir.join("templates").join(src.trim_start_matches('/'));
    let readable = File::open(&path).and_then(|file| file.metadata());
    match readable {
        Ok(found) if found.is_file() => Ok(path),
        Ok(_) => Err(format!("src: {} is not a file", path.display())),
        Err(error) => Err(format!("src: cannot read {}: {error}", path.display())),
    }
}

/// The path of the file to write, in a directory that is there.
pub(super) fn dest(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let shown = path.display();
    if text.ends_with('/') || path.file_name().is_none() || path.is_dir() {
        return Err(format!(
            "dest: {shown} is a directory; write the whole path of the file"
        ));
    }
    match fs::metadata(directory(&path)) {
        Ok(found) if found.is_dir() => Ok(path),
        Ok(_) => Err(format!(
            "dest: {} is not a directory",
            directory(&path).display()
        )),
        Err(error) => Err(format!("dest: no directory for {shown}: {error}; make it")),
    }
}

/// The same for two names of the same file.
pub(super) fn identity(dest: &Path) -> PathBuf {
    let in_directory = || {
        let directory = fs::canonicalize(directory(dest)).ok()?;
        Some(directory.join(dest.file_name()?))
    };
    fs::canonicalize(dest)
        .ok()
        .or_else(in_directory)
        .unwrap_or_else(|| dest.to_owned())
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

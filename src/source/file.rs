//! Keys in JSON files, as confd's file backend has them: objects and lists are the parts of a
//! key's name, everything else is a value. (confd: backends/file/client.go)
//!
//! Also what `store::file` keeps, with its flags. Owns the walk from JSON to keys; that a file has
//! changed is `watch`'s to notice.

#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use self::watch::Watch;
use super::prefix::{Prefix, template_key};
use super::{Pair, Snapshot, Source, SourceError};
use crate::store::file::disk;
use crate::store::file::document::Document;

/// Files of keys; of a key that two of them have, the later file's value counts.
#[derive(Debug)]
pub struct FileSource {
    files: Vec<PathBuf>,
    prefixes: Vec<Prefix>,
    /// Begun by the last `read`, before it opened the files; none if that failed.
    watch: Option<Watch>,
    changed: bool,
}

impl FileSource {
    /// A source of the keys under `prefixes` in `files`. Reads nothing yet.
    ///
    /// # Errors
    /// A sentence, if a file is YAML by its name.
    pub fn new(files: Vec<PathBuf>, prefixes: &[String]) -> Result<FileSource, String> {
        match files.iter().find(|file| is_yaml(file)) {
            Some(file) => Err(format!(
                "{}: only JSON is supported, not YAML; convert the file",
                file.display()
            )),
            None => Ok(FileSource {
                files,
                prefixes: Prefix::list(prefixes),
                watch: None,
                changed: false,
            }),
        }
    }

    fn load(&self) -> Result<Snapshot, String> {
        let mut pairs = BTreeMap::new();
        for file in &self.files {
            for (name, value) in load(file)?.others() {
                walk(name, value, &mut pairs);
            }
        }
        pairs.retain(|key: &String, _| self.prefixes.iter().any(|p| p.covers(key)));
        Ok(Snapshot { pairs })
    }
}

//! What must survive the renderer's process, in a small file beside the target: whether HAProxy
//! has taken the target over, and each tag's last good value.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::source::Pair;
use crate::stage::{StageError, Staged, Wanted};

/// The file's content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The target was replaced, and the reload that goes with it has not succeeded yet.
    pub reload_pending: bool,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    value: String,
    flags: u64,
}

impl State {
    /// Reads the state of a target. A file that is not there or cannot be understood is an empty
    /// state: nothing is lost but memory.
    pub fn load(dest: &Path) -> State {
        let read = fs::read(path_of(dest)).ok();
        read.and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// Writes the state of a target.
    ///
    /// # Errors
    /// As of any staged file; the state on disk is then as it was.
    pub fn save(&self, dest: &Path) -> Result<(), StageError> {
        let path = path_of(dest);
        let wanted = Wanted {
            mode: Some(0o600),
            ..Wanted::default()
        };
        let text = serde_json::to_vec_pretty(self).map_err(|e| StageError(e.to_string()))?;
        Staged::write(&path, text, wanted)?.install(false).map(drop)
    }

    /// The remembered values.
    pub fn entries(&self) -> impl Iterator<Item = (String, Pair)> {
        let pair = |entry: &Entry| Pair {
            value: entry.value.clone(),
            flags: entry.flags,
        };
        self.entries
            .iter()
            .map(move |(key, entry)| (key.clone(), pair(entry)))
    }

    /// Remembers these values instead. Returns whether they are others.
    pub fn set_entries(&mut self, pairs: BTreeMap<String, Pair>) -> bool {
        let entry = |pair: Pair| Entry {
            value: pair.value,
            flags: pair.flags,
        };
        let entries = pairs
            .into_iter()
            .map(|(key, pair)| (key, entry(pair)))
            .collect();
        let is_new = self.entries != entries;
        self.entries = entries;
        is_new
    }
}

/// `.haproxy.cfg.state` beside `haproxy.cfg`: hidden, and no `.cfg`, so that HAProxy never loads it
/// as a part of a directory.
fn path_of(dest: &Path) -> PathBuf {
    let name = dest.file_name().unwrap_or_default().to_string_lossy();
    dest.with_file_name(format!(".{name}.state"))
}

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

use serde_json::{Number, Value};

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
            let wanted = |key: &str| self.prefixes.iter().any(|prefix| prefix.covers(key));
            pairs.extend(load(file)?.into_iter().filter(|(key, _)| wanted(key)));
        }
        Ok(Snapshot { pairs })
    }
}

impl Source for FileSource {
    /// Reads the files. One that is not there is an error, as in confd.
    fn read(&mut self) -> Result<Snapshot, SourceError> {
        // A new watch each time: a link may lead elsewhere now. `wait` says what is wrong with it.
        self.watch = Watch::new(&self.files).ok();
        self.changed = false;
        self.load().map_err(SourceError)
    }

    /// Waits for a file to be replaced, or to be closed by somebody who wrote into it.
    fn wait(&mut self, at_most: Duration) -> Result<bool, SourceError> {
        match &self.watch {
            Some(_) if self.changed => {}
            Some(watch) => self.changed = watch.changed_within(at_most).map_err(SourceError)?,
            None => {
                // What happened before this watch is not known.
                self.watch = Some(Watch::new(&self.files).map_err(SourceError)?);
                self.changed = true;
            }
        }
        Ok(self.changed)
    }

    fn name(&self) -> &'static str {
        "file"
    }
}

fn is_yaml(file: &Path) -> bool {
    let extension = file.extension().unwrap_or_default();
    extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml")
}

fn load(file: &Path) -> Result<BTreeMap<String, Pair>, String> {
    let fault = |what: &str| format!("reading {}{what}", file.display());
    let text = disk::read(file)
        .map_err(|what| fault(&format!(": {what}")))?
        .ok_or_else(|| fault(": there is no such file"))?;
    let document = Document::parse(&text).map_err(|error| {
        fault(&format!(
            "{error}; only JSON is supported, one object a file"
        ))
    })?;
    let mut pairs = BTreeMap::new();
    for (name, value) in document.others() {
        walk(name, value, &mut |name, value| {
            if let Some(key) = template_key(name) {
                let flags = document.flags(name);
                pairs.insert(key, Pair { value, flags });
            }
        });
    }
    Ok(pairs)
}

/// Calls `found` for every value in `node`, which is called `name`. The parser bounds the
/// depth.
fn walk(name: &str, node: &Value, found: &mut dyn FnMut(&str, String)) {
    match node {
        Value::Object(members) => {
            for (part, member) in members {
                walk(&format!("{name}/{part}"), member, found);
            }
        }
        Value::Array(items) => {
            for (part, item) in items.iter().enumerate() {
                walk(&format!("{name}/{part}"), item, found);
            }
        }
        Value::String(text) => found(name, text.clone()),
        Value::Number(number) => found(name, number_text(number)),
        Value::Bool(truth) => found(name, truth.to_string()),
        // confd has no key for it.
        Value::Null => {}
    }
}

/// As confd prints numbers: without an exponent, and without a fraction where there is none.
fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float.to_string(),
        Some(_) | None => number.to_string(),
    }
}

//! What the file held when it was last read. A thousand tags ask each second, and the file seldom
//! changes: what the kernel says of it tells whether it has to be read again. What a key means is
//! found out once for each reading.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::document::Document;
use crate::backend::Key;
use crate::store::Entry;

/// File systems keep the time of a change in steps: of milliseconds, but of up to two seconds on some.
/// Within a step a second change does not show.
const STEP: Duration = Duration::from_secs(2);

/// The last reading.
#[derive(Debug, Default)]
pub(super) struct Known {
    last: Mutex<Option<Reading>>,
}

#[derive(Debug)]
struct Reading {
    stamp: Stamp,
    /// When the file was first seen to be like that.
    first_seen: Instant,
    /// When this reading began.
    began: Instant,
    contents: Arc<Contents>,
}

/// What one reading gave.
#[derive(Debug)]
pub(super) struct Contents {
    /// The file.
    pub(super) document: Document,
    /// The keys that were asked for since.
    entries: Mutex<HashMap<Key, Entry>>,
}

/// What differs whenever the file has changed, but for a change within a step.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Known {
    /// What the file at `path` holds: what it held before, where it is certain that it is the same, or
    /// what `read` gives.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn get(
        &self,
        path: &Path,
        read: impl FnOnce() -> Result<Document, String>,
    ) -> Result<Arc<Contents>, String> {
        let began = Instant::now();
        let Some(stamp) = stamp(path) else {
            return read().map(Contents::of);
        };
        if let Some(contents) = self.settled(&stamp) {
            return Ok(contents);
        }
        let contents = Contents::of(read()?);
        self.keep(stamp, began, &contents);
        Ok(contents)
    }

    fn settled(&self, stamp: &Stamp) -> Option<Arc<Contents>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.as_ref().filter(|last| last.stamp == *stamp)?;
        last.is_settled().then(|| Arc::clone(&last.contents))
    }

    fn keep(&self, stamp: Stamp, began: Instant, contents: &Arc<Contents>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let first_seen = match &*last {
            Some(last) if last.stamp == stamp => last.first_seen,
            Some(_) | None => began,
        };
        *last = Some(Reading {
            stamp,
            first_seen,
            began,
            contents: Arc::clone(contents),
        });
    }
}

impl Contents {
    fn of(document: Document) -> Arc<Contents> {
        Arc::new(Contents {
            document,
            entries: Mutex::default(),
        })
    }

    /// What `key` holds: what `understand` made of the document when it was asked first.
    ///
    /// # Errors
    /// Those of `understand`, which are not remembered.
    pub(super) fn entry<E>(
        &self,
        key: &Key,
        understand: impl FnOnce(&Document) -> Result<Entry, E>,
    ) -> Result<Entry, E> {
        let entries = || self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries().get(key) {
            return Ok(entry.clone());
        }
        let entry = understand(&self.document)?;
        entries().insert(key.clone(), entry.clone());
        Ok(entry)
    }
}

impl Reading {
    /// Whether any change after this reading is in a later step than those before it, so that it shows.
    fn is_settled(&self) -> bool {
        self.began.saturating_duration_since(self.first_seen) >= STEP
    }
}

/// `None` if there is nothing to be said of the file.
fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    Some(Stamp {
        file: (file.dev(), file.ino()),
        size: file.size(),
        modified: (file.mtime(), file.mtime_nsec()),
        changed: (file.ctime(), file.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::backend::Kind;

    struct Scene {
        known: Known,
        path: std::path::PathBuf,
        readings: Cell<u32>,
    }

    impl Scene {
        fn start(name: &str) -> Scene {
            let name = format!("confd_haproxy-known-{name}-{}", std::process::id());
            let scene = Scene {
                known: Known::default(),
                path: std::env::temp_dir().join(name),
                readings: Cell::new(0),
            };
            scene.put("{}");
            scene
        }

        fn put(&self, text: &str) {
            fs::write(&self.path, text).unwrap();
        }

        fn get(&self) -> Vec<u8> {
            let read = || {
                self.readings.set(self.readings.get() + 1);
                Document::parse(&fs::read(&self.path).unwrap()).map_err(|e| e.to_string())
            };
            self.known
                .get(&self.path, read)
                .unwrap()
                .document
                .to_bytes()
        }

        /// As if the file had been seen for the first time so much earlier.
        fn age(&self, by: Duration) {
            if let Some(reading) = &mut *self.known.last.lock().unwrap() {
                reading.first_seen = reading.first_seen.checked_sub(by).unwrap();
            }
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.path);
        }
    }

    #[test]
    fn a_file_that_may_change_within_the_same_moment_is_read_each_time() {
        let scene = Scene::start("young");
        for times in 1..4 {
            scene.get();
            assert_eq!(scene.readings.get(), times);
        }
    }

    #[test]
    fn a_file_that_had_been_the_same_for_a_while_when_it_was_read_is_not_read_again() {
        let scene = Scene::start("old");
        scene.get();
        scene.age(STEP);
        scene.get();
        scene.get();
        assert_eq!(scene.readings.get(), 1);
        scene.put("{\"a\": 1}");
        assert_eq!(
            String::from_utf8_lossy(&scene.get()).matches('1').count(),
            1
        );
        assert_eq!(scene.readings.get(), 2);
        scene.get();
        assert_eq!(scene.readings.get(), 3, "it is young again");
    }

    #[test]
    fn what_a_key_means_is_found_out_once_for_each_reading_and_an_error_each_time() {
        let scene = Scene::start("entries");
        let key = Key::new(Kind::Memcached, "slave".parse().unwrap());
        let (asked, fails) = (Cell::new(0), Cell::new(true));
        let entry = || {
            let read = || Ok(Document::default());
            let contents = scene.known.get(&scene.path, read).unwrap();
            contents.entry(&key, |_| {
                asked.set(asked.get() + 1);
                match fails.get() {
                    true => Err("no object"),
                    false => Ok(Entry::Absent),
                }
            })
        };
        let _ = entry();
        scene.age(STEP);
        for _ in 0..2 {
            assert_eq!(entry(), Err("no object"));
        }
        assert_eq!(asked.get(), 3);
        fails.set(false);
        for _ in 0..3 {
            assert_eq!(entry(), Ok(Entry::Absent));
        }
        assert_eq!(asked.get(), 4);
        scene.put("{\"a\": 1}");
        assert_eq!(entry(), Ok(Entry::Absent));
        assert_eq!(asked.get(), 5);
    }

    #[test]
    fn a_file_in_the_place_of_another_one_is_read() {
        let scene = Scene::start("replaced");
        scene.get();
        scene.age(STEP);
        let other = scene.path.with_extension("new");
        fs::write(&other, "[]").unwrap();
        fs::rename(&other, &scene.path).unwrap();
        let read = || Err("seen".to_owned());
        let told = scene.known.get(&scene.path, read);
        assert_eq!(told.err().as_deref(), Some("seen"));
    }

    #[test]
    fn a_file_that_is_gone_is_whatever_reading_it_gives() {
        let scene = Scene::start("gone");
        scene.get();
        scene.age(STEP);
        fs::remove_file(&scene.path).unwrap();
        let read = || Ok(Document::default());
        assert!(scene.known.get(&scene.path, read).is_ok());
        assert_eq!(scene.readings.get(), 1);
    }
}

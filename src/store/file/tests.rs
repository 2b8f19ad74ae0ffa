//! The store against files of every kind, and against itself in other threads and processes.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use super::*;
use crate::backend::Kind;

const VALUE: &str = r#"{"name":"slave3301", "host":"10.0.21.5", "port":3301, "proxyport":13351}"#;

/// A directory that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let name = format!("confd_haproxy-{}-file-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Dir(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("store.json")
    }

    fn store(&self) -> FileStore {
        FileStore::new(self.file()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn key() -> Key {
    Key::new(Kind::MysqlSlave, "slave3301".parse().unwrap())
}

fn backend(port: u16) -> Backend {
    let value = VALUE.replace(":3301,", &format!(":{port},"));
    Backend::parse(value.as_bytes()).unwrap()
}

fn put(store: &FileStore, port: u16, expected: Version) -> Result<Swap, StoreError> {
    store.write(&key(), &backend(port), Cause::Forced, expected)
}

fn present(store: &FileStore) -> (u16, Version) {
    match store.read(&key()) {
        Ok(Entry::Present {
            backend, version, ..
        }) => (backend.server.port.get(), version),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_created_read_and_swapped_and_confd_can_read_the_file() {
    let dir = Dir::new("created");
    let store = dir.store();
    assert_eq!(store.read(&key()), Ok(Entry::Absent));
    assert_eq!(put(&store, 3301, Version::ABSENT), Ok(Swap::Stored));
    let (port, version) = present(&store);
    assert_eq!(port, 3301);
    assert_eq!(put(&store, 3302, Version::ABSENT), Ok(Swap::Lost));
    assert_eq!(put(&store, 3302, Version(version.0 ^ 1)), Ok(Swap::Lost));
    assert_eq!(present(&store), (3301, version));
    let json: serde_json::Value = serde_json::from_slice(&fs::read(dir.file()).unwrap()).unwrap();
    assert_eq!(json["haproxy"]["mysqlslave"]["slave3301"], VALUE);
    assert_eq!(put(&store, 3302, version), Ok(Swap::Stored));
    assert_eq!(present(&store).0, 3302);
    assert_eq!(dir.names(), ["store.json", "store.json.lock"]);
    assert_eq!(store.name(), "file");
}

#[test]
fn the_cause_is_kept_and_is_part_of_the_version() {
    let dir = Dir::new("cause");
    let store = dir.store();
    for cause in [
        Cause::Unknown,
        Cause::Forced,
        Cause::Voluntary,
        Cause::Unknown,
    ] {
        let expected = match store.read(&key()).unwrap() {
            Entry::Present { version, .. } => version,
            Entry::Absent | Entry::Malformed { .. } => Version::ABSENT,
        };
        let swap = store.write(&key(), &backend(1), cause, expected);
        assert_eq!(swap, Ok(Swap::Stored));
        let read = store.read(&key()).unwrap();
        assert!(matches!(read, Entry::Present { cause: c, .. } if c == cause));
        let late = store.write(&key(), &backend(2), cause, Version::ABSENT);
        assert_eq!(late, Ok(Swap::Lost));
    }
}

#[test]
fn writing_what_is_there_already_touches_nothing() {
    let dir = Dir::new("same");
    let store = dir.store();
    put(&store, 1, Version::ABSENT).unwrap();
    let inode = fs::metadata(dir.file()).unwrap().ino();
    assert_eq!(put(&store, 1, present(&store).1), Ok(Swap::Stored));
    assert_eq!(fs::metadata(dir.file()).unwrap().ino(), inode);
}

#[test]
fn a_file_that_is_not_whole_is_an_error_with_its_line_and_is_never_overwritten() {
    let dir = Dir::new("torn");
    let store = dir.store();
    for (text, place) in [
        ("", "store.json:1:"),
        ("{\n\"haproxy\": {", "store.json:2:"),
        ("[]", "store.json:1:1: not a JSON object"),
        ("haproxy: {a: b}", "store.json:1:1: "),
        (
            "{\"haproxy\":[]}",
            "store.json: \"haproxy\" is not an object",
        ),
    ] {
        fs::write(dir.file(), text).unwrap();
        let read = store.read(&key()).unwrap_err().0;
        let write = put(&store, 1, Version::ABSENT).unwrap_err().0;
        assert!(read.starts_with("reading haproxy/mysqlslave/slave3301 from /"));
        assert!(write.starts_with("writing haproxy/mysqlslave/slave3301 to /"));
        for error in [read, write] {
            assert!(error.contains(place), "{error}");
            assert!(!error.contains('\n') && !error.ends_with('.'), "{error}");
        }
        assert_eq!(fs::read_to_string(dir.file()).unwrap(), text);
    }
}

#[test]
fn a_value_that_is_not_ours_is_malformed_and_can_be_replaced() {
    let dir = Dir::new("malformed");
    let store = dir.store();
    for value in ["\"\"", "\"x\\ny\"", "7", "null", VALUE] {
        let text = format!("{{\"haproxy\":{{\"mysqlslave\":{{\"slave3301\":{value}}}}}}}");
        fs::write(dir.file(), text).unwrap();
        let Ok(Entry::Malformed { problem, version }) = store.read(&key()) else {
            panic!("{value} was understood");
        };
        assert!(!problem.contains('\n'), "{problem}");
        assert_eq!(put(&store, 9, version), Ok(Swap::Stored));
        assert_eq!(present(&store).0, 9);
    }
}

#[test]
fn what_cannot_hold_a_file_is_refused_at_once_with_advice() {
    let dir = Dir::new("refused");
    let refused = |path: PathBuf| FileStore::new(path).unwrap_err();
    let missing = refused(dir.0.join("no/store.json"));
    assert!(
        missing.contains("/no: ") && missing.ends_with("create it"),
        "{missing}"
    );
    assert!(refused(dir.0.clone()).contains("not a regular file"));
    assert!(refused(PathBuf::from("/")).contains("not the name of a file"));
    assert!(refused(PathBuf::from("/proc/self/store.json")).contains("cannot be read and written"));
    symlink("turn", dir.0.join("round")).unwrap();
    symlink("round", dir.0.join("turn")).unwrap();
    assert!(refused(dir.0.join("turn")).contains("without an end"));
}

#[test]
fn a_directory_that_went_away_is_an_error_and_not_an_absent_key() {
    let dir = Dir::new("gone");
    let store = dir.store();
    fs::remove_dir(&dir.0).unwrap();
    let error = store.read(&key()).unwrap_err();
    assert!(error.0.contains("create it"), "{error}");
    assert!(put(&store, 1, Version::ABSENT).is_err());
}

#[test]
fn a_file_that_cannot_be_replaced_stays_and_nothing_is_left_behind() {
    let dir = Dir::new("stuck");
    let store = dir.store();
    put(&store, 1, Version::ABSENT).unwrap();
    let version = present(&store).1;
    fs::create_dir(dir.0.join(".store.json.new")).unwrap();
    let error = put(&store, 2, version).unwrap_err();
    assert!(error.0.ends_with("the file is as it was"), "{error}");
    assert_eq!(present(&store), (1, version));
    fs::remove_dir(dir.0.join(".store.json.new")).unwrap();
    // What a killed process left behind is in nobody's way.
    fs::write(dir.0.join(".store.json.new"), "{").unwrap();
    assert_eq!(put(&store, 2, version), Ok(Swap::Stored));
    assert_eq!(dir.names(), ["store.json", "store.json.lock"]);
}

#[test]
fn the_mode_is_kept_and_a_new_file_is_readable_by_all() {
    let dir = Dir::new("mode");
    let store = dir.store();
    let mode = || fs::metadata(dir.file()).unwrap().mode() & 0o7777;
    put(&store, 1, Version::ABSENT).unwrap();
    assert_eq!(mode(), 0o644);
    fs::set_permissions(dir.file(), fs::Permissions::from_mode(0o660)).unwrap();
    put(&store, 2, present(&store).1).unwrap();
    assert_eq!(mode(), 0o660);
}

#[test]
fn a_symbolic_link_stays_one_and_its_target_is_replaced() {
    let dir = Dir::new("link");
    fs::create_dir(dir.0.join("real")).unwrap();
    symlink("real/deep.json", dir.file()).unwrap();
    let store = dir.store();
    put(&store, 1, Version::ABSENT).unwrap();
    put(&store, 2, present(&store).1).unwrap();
    assert!(fs::symlink_metadata(dir.file()).unwrap().is_symlink());
    let direct = FileStore::new(dir.0.join("real/deep.json")).unwrap();
    assert_eq!(present(&direct).0, 2);
    assert!(dir.0.join("real/deep.json.lock").exists());
}

#[test]
fn a_pipe_or_an_endless_file_in_the_files_place_is_an_error_and_no_wait() {
    let dir = Dir::new("pipe");
    let store = dir.store();
    assert!(
        Command::new("mkfifo")
            .arg(dir.file())
            .status()
            .unwrap()
            .success()
    );
    let error = store.read(&key()).unwrap_err();
    assert!(error.0.contains("not a regular file"), "{error}");
    fs::remove_file(dir.file()).unwrap();
    let sparse = fs::File::create(dir.file()).unwrap();
    sparse.set_len(1 << 40).unwrap();
    let error = store.read(&key()).unwrap_err();
    assert!(error.0.contains("longer than"), "{error}");
}

#[test]
fn a_lock_that_somebody_keeps_costs_the_wait_and_then_is_an_error() {
    let dir = Dir::new("kept");
    let mut store = dir.store();
    store.lock_wait = Duration::from_millis(100);
    let kept = Lock::take(&dir.file(), Duration::ZERO).unwrap();
    let started = Instant::now();
    let error = put(&store, 1, Version::ABSENT).unwrap_err();
    assert!(
        error.0.contains("store.json.lock: another process"),
        "{error}"
    );
    assert!(started.elapsed() >= Duration::from_millis(100));
    assert_eq!(store.read(&key()), Ok(Entry::Absent));
    drop(kept);
    assert_eq!(put(&store, 1, Version::ABSENT), Ok(Swap::Stored));
}

/// Adds one to the port `times` times, as the checkers would: read, compare and swap, again if lost.
fn increment(path: &Path, times: usize) {
    let store = FileStore::new(path).unwrap();
    let mut done = 0;
    while done < times {
        let (port, version) = present(&store);
        match put(&store, port + 1, version) {
            Ok(Swap::Stored) => done += 1,
            Ok(Swap::Lost) => {}
            // A disk may take seconds to sync one file; nothing was written by this one.
            Err(error) => assert!(error.0.contains(".lock: another process"), "{error}"),
        }
    }
}

#[test]
fn of_many_writers_in_threads_and_processes_none_is_lost() {
    if let Some(path) = std::env::var_os("INCREMENT_IN_CHILD") {
        increment(Path::new(&path), 15);
        return;
    }
    let dir = Dir::new("many");
    put(&dir.store(), 1, Version::ABSENT).unwrap();
    let name = std::thread::current().name().unwrap().to_owned();
    let mut children: Vec<_> = (0..3)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args([&name, "--exact"])
                .env("INCREMENT_IN_CHILD", dir.file())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| increment(&dir.file(), 15));
        }
    });
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(present(&dir.store()).0, 1 + 7 * 15);
    assert_eq!(dir.names(), ["store.json", "store.json.lock"]);
}

#[test]
fn a_reader_never_sees_half_a_file() {
    let dir = Dir::new("whole");
    put(&dir.store(), 1, Version::ABSENT).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| increment(&dir.file(), 50));
        let store = dir.store();
        let mut last = 0;
        while !writer.is_finished() {
            let port = present(&store).0;
            assert!(port >= last);
            last = port;
        }
    });
}

//! The source against files as people and programs write them.

use std::fs;
use std::os::unix::fs::symlink;
use std::thread;
use std::time::Instant;

use super::*;
use crate::backend::{Backend, Cause, Key, Kind};
use crate::store::file::FileStore;
use crate::store::{Store, Version};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let name = format!("confd_haproxy-{}-source-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Dir(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn source(files: &[&Path], prefix: &str) -> FileSource {
    let files = files.iter().map(|&file| file.to_owned()).collect();
    FileSource::new(files, &[prefix.to_owned()]).unwrap()
}

fn read(source: &mut FileSource) -> Vec<(String, String)> {
    let pairs = source.read().unwrap().pairs.into_iter();
    pairs.map(|(key, pair)| (key, pair.value)).collect()
}

/// That `act` ends a wait that began before it, and at once.
fn assert_noticed(source: &mut FileSource, what: &str, act: impl FnOnce() + Send) {
    assert_eq!(source.wait(Duration::ZERO), Ok(false), "before {what}");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| (source.wait(LONG), Instant::now()));
        thread::sleep(Duration::from_millis(20));
        let acted = Instant::now();
        act();
        let (changed, noticed) = waiting.join().unwrap();
        assert_eq!(changed, Ok(true), "{what}");
        assert!(noticed.duration_since(acted) < LONG / 2, "{what}");
    });
    assert_eq!(
        source.wait(LONG),
        Ok(true),
        "{what} is true until it is read"
    );
}

#[test]
fn objects_and_lists_are_parts_of_names_and_values_are_printed_as_confd_does() {
    let dir = Dir::new("walk");
    let file = dir.write(
        "a.json",
        r#"{"a":{"s":"x\ny","t":true,"f":false,"n":null,"i":13351,"m":-7,"z":1.0,"h":0.25,
            "big":18446744073709551615,"e":1e21,"l":["p",{"q":"r"},[1]],"o":{},"b/c":"d",
            "":"no","..":"no","x\ty":"no"},"ab":"no"}"#,
    );
    let wanted = [
        ("/a/b/c", "d"),
        ("/a/big", "18446744073709551615"),
        ("/a/e", "1000000000000000000000"),
        ("/a/f", "false"),
        ("/a/h", "0.25"),
        ("/a/i", "13351"),
        ("/a/l/0", "p"),
        ("/a/l/1/q", "r"),
        ("/a/l/2/0", "1"),
        ("/a/m", "-7"),
        ("/a/s", "x\ny"),
        ("/a/t", "true"),
        ("/a/z", "1"),
    ];
    let found = read(&mut source(&[&file], "/a"));
    let found: Vec<(&str, &str)> = found.iter().map(|(k, v)| (&k[..], &v[..])).collect();
    assert_eq!(found, wanted);
}

#[test]
fn of_two_files_the_later_one_counts() {
    let dir = Dir::new("two");
    let one = dir.write("1.json", r#"{"a":"1","b":"1"}"#);
    let two = dir.write("2.json", r#"{"b":"2","c":"2"}"#);
    let found = read(&mut source(&[&one, &two], "/"));
    let values: Vec<&str> = found.iter().map(|(_, value)| &value[..]).collect();
    assert_eq!(values, ["1", "2", "2"]);
}

#[test]
fn what_the_file_store_wrote_comes_with_its_flags_and_without_its_own_object() {
    let dir = Dir::new("store");
    let path = dir.0.join("store.json");
    let mut source = source(&[&path], "/");
    let error = source.read().unwrap_err();
    assert!(
        error.0.ends_with("store.json: there is no such file"),
        "{error}"
    );
    let value = r#"{"name":"s", "host":"10.0.21.5", "port":3301, "proxyport":13351}"#;
    let backend = Backend::parse(value.as_bytes()).unwrap();
    let key = Key::new(Kind::MysqlSlave, "s".parse().unwrap());
    let store = FileStore::new(&path).unwrap();
    assert_noticed(&mut source, "the first write of the store", || {
        let swap = store.write(&key, &backend, Cause::Voluntary, Version::ABSENT);
        assert!(swap.is_ok());
    });
    let wanted = Pair {
        value: value.to_owned(),
        flags: 2,
    };
    let wanted = BTreeMap::from([("/haproxy/mysqlslave/s".to_owned(), wanted)]);
    assert_eq!(source.read().unwrap().pairs, wanted);
}

#[test]
fn what_is_not_json_is_an_error_that_says_so_with_its_place() {
    for name in ["a.yaml", "a.YML"] {
        let error = FileSource::new(vec![name.into()], &[]).unwrap_err();
        assert!(
            error.contains(name) && error.contains("only JSON is supported"),
            "{error}"
        );
    }
    let dir = Dir::new("bad");
    for (text, place) in [
        ("", "a.json:1:0: "),
        ("haproxy:\n  a: b\n", "a.json:1:1: "),
        ("{\n\"a\": 1,,", "a.json:2:8: "),
        ("[\"a\"]", "a.json:1:1: not a JSON object"),
    ] {
        let file = dir.write("a.json", text);
        let error = source(&[&file], "/").read().unwrap_err().0;
        assert!(
            error.starts_with("reading /") && error.contains(place),
            "{error}"
        );
        assert!(
            error.contains("only JSON is supported") && !error.contains('\n'),
            "{error}"
        );
    }
    let error = source(&[&dir.0], "/").read().unwrap_err();
    assert!(error.0.contains("not a regular file"), "{error}");
}

#[test]
fn every_way_to_change_a_file_ends_the_wait() {
    let dir = Dir::new("ways");
    let file = dir.write("a.json", r#"{"a":"1"}"#);
    let mut source = source(&[&file], "/");
    let replace = |text: &str| fs::rename(dir.write("new", text), &file).unwrap();
    let ways: [(&str, &(dyn Fn() + Sync)); 6] = [
        ("a rename into place", &|| replace(r#"{"a":"2"}"#)),
        ("a second rename", &|| replace(r#"{"a":"3"}"#)),
        ("a write in place", &|| {
            drop(dir.write("a.json", r#"{"a":"4"}"#))
        }),
        ("a removal", &|| fs::remove_file(&file).unwrap()),
        ("a new file", &|| drop(dir.write("a.json", r#"{"a":"5"}"#))),
        ("a move away", &|| {
            fs::rename(&file, dir.0.join("b")).unwrap()
        }),
    ];
    for (what, act) in ways {
        let _ = source.read();
        assert_noticed(&mut source, what, act);
    }
}

#[test]
fn other_files_in_the_directory_are_not_noticed() {
    let dir = Dir::new("others");
    let file = dir.write("a.json", "{}");
    let mut source = source(&[&file], "/");
    source.read().unwrap();
    for name in ["b.json", ".a.json.new", "a.json.lock"] {
        dir.write(name, "{}");
    }
    let started = Instant::now();
    assert_eq!(source.wait(SHORT), Ok(false));
    assert!(started.elapsed() >= SHORT);
}

#[test]
fn a_link_that_is_turned_elsewhere_is_noticed_and_so_is_its_target() {
    let dir = Dir::new("links");
    for (name, text) in [("one", r#"{"a":"1"}"#), ("two", r#"{"a":"2"}"#)] {
        fs::create_dir(dir.0.join(name)).unwrap();
        dir.write(&format!("{name}/a.json"), text);
    }
    let link = dir.0.join("a.json");
    symlink("one/a.json", &link).unwrap();
    let mut source = source(&[&link], "/");
    assert_eq!(read(&mut source)[0].1, "1");
    assert_noticed(&mut source, "a write to the target", || {
        dir.write("one/a.json", r#"{"a":"3"}"#);
    });
    assert_eq!(read(&mut source)[0].1, "3");
    assert_noticed(&mut source, "another target", || {
        symlink("two/a.json", dir.0.join("new")).unwrap();
        fs::rename(dir.0.join("new"), &link).unwrap();
    });
    assert_eq!(read(&mut source)[0].1, "2");
}

#[test]
fn a_change_between_reading_and_waiting_is_not_missed() {
    let dir = Dir::new("between");
    let file = dir.write("a.json", "{}");
    let mut source = source(&[&file], "/");
    // Nothing was read yet: what is there is news.
    assert_eq!(source.wait(LONG), Ok(true));
    for number in 0..20 {
        source.read().unwrap();
        dir.write("a.json", &format!(r#"{{"a":"{number:02}"}}"#));
        assert_eq!(source.wait(LONG), Ok(true));
    }
}

#[test]
fn a_directory_that_goes_away_is_news_and_then_an_error() {
    let dir = Dir::new("gone");
    fs::create_dir(dir.0.join("sub")).unwrap();
    let file = dir.write("sub/a.json", "{}");
    let mut source = source(&[&file], "/");
    source.read().unwrap();
    assert_noticed(&mut source, "the end of the directory", || {
        fs::remove_dir_all(dir.0.join("sub")).unwrap();
    });
    assert!(source.read().is_err());
    let error = source.wait(LONG).unwrap_err();
    assert!(error.0.contains("/sub: "), "{error}");
}

//! Where a renderer's keys come from: a real Consul that changes, dies, hangs and is restored; and
//! the file store on a disk that is full.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use confd_haproxy::backend::{Backend, Cause, Key, Kind};
use confd_haproxy::resolve::Resolver;
use confd_haproxy::source::Source;
use confd_haproxy::source::consul::ConsulSource;
use confd_haproxy::source::file::FileSource;
use confd_haproxy::store::consul::Settings;
use confd_haproxy::store::file::FileStore;
use confd_haproxy::store::{Entry, Store, Swap, Version};

use crate::support::consul::Consul;
use crate::support::disk::Disk;
use crate::support::scratch::Scratch;
use crate::support::{patience, seconds, wait_until};

const PREFIX: &str = "/haproxy/mysqlslave";
const KEY: &str = "haproxy/mysqlslave/slave3301";

fn source_at(address: &str) -> ConsulSource {
    let settings = Settings {
        addresses: vec![address.parse().unwrap()],
        tls: None,
        token: None,
        resolver: Resolver::system(),
        timeout: Settings::TIMEOUT,
    };
    ConsulSource::new(settings, vec![PREFIX.to_owned()]).unwrap()
}

/// A source that watches, and has read what is there.
fn watching(consul: &Consul) -> ConsulSource {
    let mut source = source_at(&consul.endpoint());
    source.read().unwrap();
    // The first query's answer comes at once and is what was read just now.
    assert_eq!(source.wait(Duration::from_millis(300)), Ok(false));
    source
}

fn values(source: &mut impl Source) -> Vec<(String, String)> {
    let pairs = source.read().unwrap().pairs.into_iter();
    pairs.map(|(key, pair)| (key, pair.value)).collect()
}

fn slave(value: &str) -> Vec<(String, String)> {
    vec![(format!("/{KEY}"), value.to_owned())]
}

/// Waits for news, through trouble too, until the values are these.
#[track_caller]
fn wait_for_values(source: &mut impl Source, wanted: &[(String, String)]) {
    let started = Instant::now();
    loop {
        match source.wait(seconds(1)) {
            Ok(true) if source.read().is_ok() && values(source) == wanted => return,
            _ => assert!(
                started.elapsed() < patience(seconds(40)),
                "{:?}",
                source.read()
            ),
        }
    }
}

#[test]
fn a_change_in_consul_reaches_the_waiting_source_in_milliseconds() {
    let consul = Consul::start();
    consul.put(KEY, "0");
    let mut source = watching(&consul);
    let mut times = Vec::new();
    for number in 1..=20 {
        let value = number.to_string();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| (source.wait(seconds(20)), Instant::now()));
            // Longer than it takes to refill the bucket.
            thread::sleep(Duration::from_millis(60));
            let put = Instant::now();
            consul.put_flags(KEY, &value, number);
            let (changed, noticed) = waiting.join().unwrap();
            assert_eq!(changed, Ok(true));
            times.push(noticed.saturating_duration_since(put));
        });
        let pairs = source.read().unwrap().pairs;
        let pair = &pairs[&format!("/{KEY}")];
        assert_eq!((pair.value.as_str(), pair.flags), (value.as_str(), number));
    }
    times.sort();
    println!(
        "from before the PUT: median {:?}, worst {:?}",
        times[10], times[19]
    );
    assert!(times[10] < patience(Duration::from_millis(50)), "{times:?}");
}

#[test]
fn a_prefix_does_not_bleed_and_odd_keys_are_left_out() {
    let consul = Consul::start();
    for key in [
        "haproxy/mysqlslave/",
        "haproxy/mysqlslave2/x",
        "haproxy/mysqlslave-x",
        "other",
    ] {
        consul.put(key, "no");
    }
    consul.put_bytes("haproxy/mysqlslave/empty", b"");
    consul.put_bytes("haproxy/mysqlslave/bytes", b"\xff");
    let mut source = watching(&consul);
    let found = |key: &str, value: &str| (format!("{PREFIX}/{key}"), value.to_owned());
    let wanted = [found("bytes", "\u{fffd}"), found("empty", "")];
    assert_eq!(values(&mut source), wanted);
    consul.put("haproxy/mysqlslave2/x", "other");
    assert_eq!(source.wait(Duration::from_millis(500)), Ok(false));
    consul.put("haproxy/mysqlslave", "itself");
    assert_eq!(source.wait(seconds(20)), Ok(true));
    assert_eq!(source.read().unwrap().pairs[PREFIX].value, "itself");
}

#[test]
fn deleting_the_newest_key_and_then_the_last_one_is_noticed() {
    let consul = Consul::start();
    consul.put(KEY, "1");
    consul.put(&format!("{KEY}-b"), "2");
    let mut source = watching(&consul);
    consul.delete(&format!("{KEY}-b"));
    wait_for_values(&mut source, &slave("1"));
    consul.put(KEY, "3");
    wait_for_values(&mut source, &slave("3"));
    consul.delete(KEY);
    wait_for_values(&mut source, &[]);
    consul.put(KEY, "4");
    wait_for_values(&mut source, &slave("4"));
}

#[test]
fn a_consul_that_is_killed_is_an_error_at_once_and_is_watched_again_with_a_lower_index() {
    let consul = Consul::start();
    for number in 0..50 {
        consul.put(KEY, &number.to_string());
    }
    let mut source = watching(&consul);
    consul.kill();
    let started = Instant::now();
    let error = source.wait(seconds(20)).unwrap_err();
    assert!(started.elapsed() < patience(seconds(5)));
    // A connection that is made while the kernel tears the listener down is reset, and only the
    // next ones are refused.
    assert!(
        error.0.contains("listing haproxy/mysqlslave in consul"),
        "{error}"
    );
    wait_until("it says what to do", seconds(20), || {
        let refused = "connection refused; is the agent running?";
        source.read().is_err_and(|error| error.0.contains(refused))
    });
    // In memory: everything is lost, and the index starts anew.
    consul.restart();
    consul.put(KEY, "new");
    let back = Instant::now();
    wait_for_values(&mut source, &slave("new"));
    println!("restarted to known: {:?}", back.elapsed());
    consul.put(KEY, "newer");
    assert_eq!(source.wait(seconds(20)), Ok(true));
    assert_eq!(values(&mut source), slave("newer"));
}

#[test]
fn a_consul_that_hangs_leaves_the_last_state_standing_and_goes_on_where_it_was() {
    let consul = Consul::start();
    consul.put(KEY, "1");
    let mut source = watching(&consul);
    consul.stop();
    assert_eq!(source.wait(seconds(2)), Ok(false));
    assert_eq!(values(&mut source), slave("1"));
    consul.cont();
    consul.put(KEY, "2");
    wait_for_values(&mut source, &slave("2"));
}

#[test]
fn a_restored_snapshot_with_an_older_index_is_noticed() {
    let consul = Consul::start_persistent();
    consul.put(KEY, "old");
    let snapshot = consul.request("GET", "/v1/snapshot", b"");
    assert_eq!(snapshot.status, 200, "{}", snapshot.text());
    for number in 0..20 {
        consul.put(KEY, &number.to_string());
    }
    let mut source = watching(&consul);
    let restored = consul.request("PUT", "/v1/snapshot", &snapshot.body);
    assert_eq!(restored.status, 200, "{}", restored.text());
    let started = Instant::now();
    wait_for_values(&mut source, &slave("old"));
    println!("restored to known: {:?}", started.elapsed());
    // Not only when the query's wait of 30 s is over.
    assert!(started.elapsed() < patience(seconds(15)));
    consul.put(KEY, "after");
    wait_for_values(&mut source, &slave("after"));
}

#[test]
fn a_source_over_a_unix_socket_ends_with_its_connections_closed() {
    let consul = Consul::start();
    consul.put(KEY, "1");
    let address = format!("unix://{}", consul.socket().display());
    let mut source = source_at(&address);
    source.read().unwrap();
    assert_eq!(source.wait(Duration::from_millis(300)), Ok(false));
    let threads = || {
        fs::read_dir("/proc/self/task")
            .unwrap()
            .filter(is_watch)
            .count()
    };
    let before = threads();
    assert!(before > 0);
    drop(source);
    let gone = || threads() < before;
    wait_until("the watching thread ends", seconds(5), gone);
}

fn is_watch(task: &std::io::Result<fs::DirEntry>) -> bool {
    let path = task.as_ref().unwrap().path().join("comm");
    fs::read_to_string(path).is_ok_and(|name| name.trim() == "watch")
}

#[test]
fn a_full_disk_is_an_error_the_old_keys_stay_and_nothing_is_left_behind() {
    let scratch = Scratch::new("full");
    let disk = Disk::mount(scratch.path(), 64);
    let path = scratch.join("store.json");
    let store = FileStore::new(&path).unwrap();
    let value = r#"{"name":"slave3301", "host":"10.0.21.5", "port":3301, "proxyport":13351}"#;
    let backend = Backend::parse(value.as_bytes()).unwrap();
    let key = Key::new(Kind::MysqlSlave, "slave3301".parse().unwrap());
    let put = |cause, version| store.write(&key, &backend, cause, version);
    assert_eq!(put(Cause::Forced, Version::ABSENT), Ok(Swap::Stored));
    let Ok(Entry::Present { version, .. }) = store.read(&key) else {
        panic!("{:?}", store.read(&key));
    };
    let old = fs::read(&path).unwrap();
    let fill = || fs::write(scratch.join("fill"), vec![0; 128 * 1024]);
    fill().unwrap_err();
    let error = put(Cause::Voluntary, version).unwrap_err();
    assert!(error.0.contains("No space left on device"), "{error}");
    assert!(error.0.ends_with("the file is as it was"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), old);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 3);
    fs::remove_file(scratch.join("fill")).unwrap();
    assert_eq!(put(Cause::Voluntary, version), Ok(Swap::Stored));
    let mut source = FileSource::new(vec![path], &["/".to_owned()]).unwrap();
    assert_eq!(values(&mut source), slave(value));
    drop(disk);
}

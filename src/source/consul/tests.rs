//! The source against scripted servers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use super::*;
use crate::resolve::Resolver;
use crate::secret::{Secret, TokenSource};
use crate::store::consul::script::{Act, Request, Server, answer_with};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

fn source(server: &Server, prefixes: &[&str]) -> ConsulSource {
    source_with(server, prefixes, LONG, LONG)
}

fn source_with(
    server: &Server,
    prefixes: &[&str],
    wait: Duration,
    margin: Duration,
) -> ConsulSource {
    let settings = Settings {
        addresses: vec![server.address().parse().unwrap()],
        tls: None,
        token: Some(TokenSource::Given(Secret::new("s3cret"))),
        resolver: Resolver::system(),
        timeout: LONG,
    };
    let prefixes: Vec<String> = prefixes.iter().map(|&p| p.to_owned()).collect();
    ConsulSource::with_wait(settings, &prefixes, wait, margin).unwrap()
}

/// Consul's answer with this index and one key "a/x", whose value is `value` in base64.
fn answer_of(index: u64, value: &str) -> String {
    let body = format!(
        r#"[{{"LockIndex":0,"Key":"a/x","Flags":1,"Value":"{value}","CreateIndex":1,"ModifyIndex":1}}]"#
    );
    answer_with(200, &format!("X-Consul-Index: {index}\r\n"), &body)
}

fn value(source: &mut ConsulSource) -> String {
    source.read().unwrap().pairs["/a/x"].value.clone()
}

/// The index that a request asks with.
fn index_of(request: &Request) -> Option<u64> {
    let (_, rest) = request.line().split_once("index=")?;
    rest.split('&').next()?.parse().ok()
}

/// A server whose answers the test sends one by one; every request waits for one.
fn played() -> (Sender<String>, Server) {
    let (sender, receiver): (_, Receiver<String>) = channel();
    let receiver = Mutex::new(receiver);
    let server = Server::start(move |_| match receiver.lock().unwrap().recv() {
        Ok(text) => Act::Send(text),
        Err(_) => Act::Silence,
    });
    (sender, server)
}

fn wait_for_requests(server: &Server, count: usize) -> Vec<Request> {
    let started = Instant::now();
    while server.requests().len() < count {
        assert!(started.elapsed() < LONG, "{:?}", server.requests());
        thread::sleep(Duration::from_millis(2));
    }
    server.requests()
}

#[test]
fn before_the_first_wait_each_read_asks_once_a_prefix() {
    let server = Server::start(|_| Act::Send(answer_of(7, "eA==")));
    let mut source = source(&server, &["/a", "b/", "/a/b"]);
    for _ in 0..2 {
        let pairs = source.read().unwrap().pairs;
        assert_eq!(
            pairs["/a/x"],
            Pair {
                value: "x".to_owned(),
                flags: 1
            }
        );
    }
    let lines: Vec<String> = server
        .requests()
        .iter()
        .map(|r| r.line().to_owned())
        .collect();
    let (a, b) = (
        "GET /v1/kv/a?recurse HTTP/1.1",
        "GET /v1/kv/b?recurse HTTP/1.1",
    );
    assert_eq!(lines, [a, b, a, b]);
    assert_eq!(source.name(), "consul");
}

#[test]
fn only_keys_under_the_prefix_with_sane_names_count() {
    let keys = [
        "a",
        "a/x",
        "a/",
        "a2",
        "a2/x",
        "a//y",
        "a/../b",
        "a/\\n",
        "a/\u{fffd}",
        "a/b/c",
    ];
    let pair = |key: &&str| format!(r#"{{"Key":"{key}","Flags":0,"Value":null,"ModifyIndex":1}}"#);
    let body = format!("[{}]", keys.iter().map(pair).collect::<Vec<_>>().join(","));
    let text = answer_with(200, "X-Consul-Index: 1\r\n", &body);
    let server = Server::start(move |_| Act::Send(text.clone()));
    let pairs = source(&server, &["/a/"]).read().unwrap().pairs;
    assert_eq!(pairs.keys().collect::<Vec<_>>(), ["/a", "/a/b/c", "/a/x"]);
}

#[test]
fn a_change_is_handed_on_at_once_and_the_index_follows_the_rules() {
    let (sender, server) = played();
    let mut source = source(&server, &["a"]);
    // 9 falls to 4, which starts over; an index of 0 counts as 1.
    let steps = [
        (5, "MA==", "0"),
        (9, "MQ==", "1"),
        (4, "Mg==", "2"),
        (4, "Mw==", "3"),
        (0, "NA==", "4"),
        (0, "NQ==", "5"),
    ];
    for (index, encoded, text) in steps {
        sender.send(answer_of(index, encoded)).unwrap();
        assert_eq!(source.wait(LONG), Ok(true));
        assert_eq!(value(&mut source), text);
    }
    let requests = wait_for_requests(&server, 7);
    let asked: Vec<Option<u64>> = requests.iter().map(index_of).collect();
    assert_eq!(asked, [0, 5, 9, 0, 4, 0, 1].map(Some));
    assert_eq!(server.connections(), 1);
    drop(sender);
}

#[test]
fn the_same_answer_is_no_news_and_what_was_read_before_the_wait_is_compared_with() {
    let (sender, server) = played();
    let mut source = source(&server, &["a"]);
    sender.send(answer_of(5, "MA==")).unwrap();
    assert_eq!(value(&mut source), "0");
    for _ in 0..3 {
        sender.send(answer_of(5, "MA==")).unwrap();
    }
    assert_eq!(source.wait(SHORT), Ok(false));
    sender.send(answer_of(6, "MQ==")).unwrap();
    assert_eq!(source.wait(LONG), Ok(true));
    assert_eq!(source.wait(LONG), Ok(true), "until it is read");
    assert_eq!(value(&mut source), "1");
    assert_eq!(source.wait(Duration::ZERO), Ok(false));
    drop(sender);
}

#[test]
fn a_change_between_the_read_and_the_first_wait_is_news() {
    let (sender, server) = played();
    let mut source = source(&server, &["a"]);
    sender.send(answer_of(5, "MA==")).unwrap();
    source.read().unwrap();
    sender.send(answer_of(6, "MQ==")).unwrap();
    assert_eq!(source.wait(LONG), Ok(true));
    assert_eq!(value(&mut source), "1");
    drop(sender);
}

#[test]
fn after_a_read_that_failed_the_first_good_answer_is_news() {
    let (sender, server) = played();
    let mut source = source(&server, &["a"]);
    sender.send(answer_of(5, "MA==")).unwrap();
    source.read().unwrap();
    sender.send(answer_with(500, "", "x")).unwrap();
    source.read().unwrap_err();
    sender.send(answer_of(5, "MA==")).unwrap();
    assert_eq!(source.wait(LONG), Ok(true));
    assert_eq!(value(&mut source), "0");
    drop(sender);
}

#[test]
fn every_bad_answer_is_an_error_until_a_good_one_comes_and_is_asked_again_from_index_0() {
    let cases = [
        (
            answer_with(403, "", "Permission denied"),
            "read permission on a is missing",
        ),
        (answer_with(404, "", ""), "not Consul's KV interface"),
        (answer_with(429, "", "slow down"), "429 slow down"),
        (
            answer_with(500, "", "No cluster leader"),
            "500 No cluster leader",
        ),
        (answer_with(503, "", "s3cret"), "503 *****"),
        (
            answer_with(200, "X-Consul-Index: 9\r\n", "No cluster leader"),
            "no list of keys",
        ),
        (answer_with(200, "", "[]"), "X-Consul-Index"),
    ];
    for (bad, wanted) in cases {
        let (sender, server) = played();
        let mut source = source(&server, &["a"]);
        sender.send(answer_of(5, "MA==")).unwrap();
        assert_eq!(source.wait(LONG), Ok(true));
        assert_eq!(value(&mut source), "0");
        sender.send(bad.clone()).unwrap();
        let error = source.wait(LONG).unwrap_err();
        assert!(
            error.0.contains(wanted) && error.0.starts_with("listing a in consul"),
            "{error}"
        );
        assert_eq!(source.read().unwrap_err(), error);
        let started = Instant::now();
        assert!(source.wait(Duration::from_millis(50)).is_err());
        assert!(started.elapsed() >= Duration::from_millis(50));
        sender.send(answer_of(5, "MA==")).unwrap();
        assert_eq!(source.wait(LONG), Ok(true), "the trouble is over: {wanted}");
        assert_eq!(value(&mut source), "0");
        let asked: Vec<_> = wait_for_requests(&server, 4).iter().map(index_of).collect();
        assert_eq!(asked, [0, 5, 0, 5].map(Some));
        drop(sender);
    }
}

#[test]
fn one_prefix_in_trouble_makes_every_read_an_error() {
    let server = Server::start(
        |r: &Request| match (r.line().contains("/kv/a?"), index_of(r)) {
            (false, _) => Act::Send(answer_with(500, "", "No cluster leader")),
            (true, None | Some(0)) => Act::Send(answer_of(5, "MA==")),
            (true, _) => Act::Silence,
        },
    );
    let mut source = source(&server, &["a", "b"]);
    let error = source.read().unwrap_err();
    assert!(error.0.contains("listing b"), "{error}");
    assert_eq!(source.wait(LONG), source.read().map(|_| true));
    assert!(source.read().unwrap_err().0.contains("listing b"));
}

#[test]
fn errors_are_asked_again_with_growing_pauses_and_a_flapping_key_at_most_twenty_times_a_second() {
    let count = Arc::new(AtomicUsize::new(0));
    let flapping = {
        let count = Arc::clone(&count);
        Server::start(move |_| {
            Act::Send(answer_of(
                count.fetch_add(1, Ordering::SeqCst) as u64,
                "MA==",
            ))
        })
    };
    let failing = Server::start(|_| Act::SendAndClose(String::new()));
    let mut sources = [source(&flapping, &["a"]), source(&failing, &["a"])];
    let started = Instant::now();
    for source in &mut sources {
        let _ = source.wait(Duration::ZERO);
    }
    thread::sleep(Duration::from_secs(1));
    let (flaps, failures) = (flapping.requests().len(), failing.requests().len());
    let most = 2 + started.elapsed().as_millis() / 50;
    assert!(
        (5..=most).contains(&(flaps as u128)),
        "{flaps} in {:?}",
        started.elapsed()
    );
    // At 0, 0.19 to 0.31 and 0.56 to 0.94 s, and each closed connection is tried twice.
    let most = 2 * (2 + started.elapsed().as_millis() / 500);
    assert!((2..=most).contains(&(failures as u128)), "{failures}");
}

#[test]
fn a_query_that_hangs_ends_by_its_timeout_and_is_asked_again() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Act::Send(answer_of(5, "MA==")),
        1 => Act::Silence,
        2 => Act::Send(answer_of(6, "MQ==")),
        _ => Act::Silence,
    });
    let mut source = source_with(&server, &["a"], SHORT, SHORT);
    assert_eq!(source.wait(LONG), Ok(true));
    assert_eq!(value(&mut source), "0");
    let error = source.wait(LONG).unwrap_err();
    assert!(error.0.contains("timed out after 0.61"), "{error}");
    assert_eq!(source.wait(LONG), Ok(true));
    assert_eq!(value(&mut source), "1");
}

#[test]
fn a_dropped_source_ends_its_threads_at_once_wherever_they_are() {
    for act in [|| Act::Silence, || Act::Send(answer_with(500, "", "x"))] {
        let server = Server::start(move |_| act());
        let mut source = source(&server, &["a", "b"]);
        let _ = source.wait(SHORT);
        wait_for_requests(&server, 2);
        let board = Arc::downgrade(&source.board);
        let started = Instant::now();
        drop(source);
        // Each thread has its share in the board.
        while board.strong_count() > 0 {
            assert!(started.elapsed() < LONG / 2);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn without_prefixes_there_is_nothing_and_nobody_is_asked() {
    let server = Server::start(|_| Act::Silence);
    let mut source = source(&server, &[]);
    assert_eq!(source.read(), Ok(Snapshot::default()));
    assert_eq!(source.wait(Duration::from_millis(10)), Ok(false));
    assert_eq!(server.connections(), 0);
}

#[test]
fn how_long_a_change_takes_from_the_thread_to_the_waiting_caller() {
    let board = Arc::new(Board::new(1));
    let mut best = Duration::MAX;
    for number in 0..50 {
        let seen = board.generation();
        let waiting = {
            let board = Arc::clone(&board);
            thread::spawn(move || (board.wait(seen, false, LONG), Instant::now()))
        };
        thread::sleep(Duration::from_millis(2));
        let posted = Instant::now();
        let pair = Pair {
            value: String::new(),
            flags: number,
        };
        board.post(0, Ok(BTreeMap::from([("/a".to_owned(), pair)])));
        let (news, noticed) = waiting.join().unwrap();
        assert_eq!(news, News::Changed);
        best = best.min(noticed.saturating_duration_since(posted));
    }
    println!("best {best:?}");
    assert!(best < Duration::from_millis(1), "{best:?}");
}

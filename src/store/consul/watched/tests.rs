//! The watched store against a scripted Consul, which has keys, holds questions, and can be made
//! to fail in every way.

mod orders;

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::Settings;
use super::super::script::{Act, Request, Server, answer_with};
use super::*;
use crate::resolve::Resolver;

/// Long enough for a busy machine, for tests that do not wait for it.
const LONG: Duration = Duration::from_secs(20);
/// For tests that do.
const SHORT: Times = Times {
    wait: Duration::from_millis(200),
    patience: Duration::from_millis(600),
};
const CALM: Times = Times {
    wait: LONG,
    patience: LONG,
};

/// How the scripted Consul behaves.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Well,
    /// Says nothing.
    Hung,
    /// Cuts each question.
    Cutting,
    /// Answers all with this.
    Says(u16, &'static str),
    /// The same, but only to questions that wait.
    SaysToWaiting(u16),
    /// Single keys only.
    DeniesLists,
    /// Lists are empty, single keys are refused.
    Hides,
    /// Answers a question that waits at once, with the same index.
    Hasty,
}

struct Kv {
    mood: Mood,
    index: u64,
    keys: BTreeMap<String, (String, u64)>,
}

struct Fake {
    server: Server,
    shared: Arc<(Mutex<Kv>, Condvar)>,
}

fn value(port: u16) -> String {
    format!(r#"{{"name":"a", "host":"10.0.0.1", "port":{port}, "proxyport":2}}"#)
}

fn key(tag: &str) -> Key {
    Key::new(Kind::MysqlSlave, tag.parse().unwrap())
}

fn backend(port: u16) -> Backend {
    Backend::parse(value(port).as_bytes()).unwrap()
}

impl Fake {
    fn start() -> Fake {
        let kv = Kv {
            mood: Mood::Well,
            index: 5,
            keys: BTreeMap::new(),
        };
        let shared = Arc::new((Mutex::new(kv), Condvar::new()));
        let script = Arc::clone(&shared);
        let server = Server::start(move |request| act(&script, request));
        Fake { server, shared }
    }

    fn holding(tag: &str, port: u16) -> Fake {
        let fake = Fake::start();
        fake.set(tag, port);
        fake
    }

    fn lock(&self) -> MutexGuard<'_, Kv> {
        self.shared.0.lock().unwrap()
    }

    /// Somebody writes a key.
    fn set(&self, tag: &str, port: u16) {
        let mut kv = self.lock();
        kv.index += 1;
        let index = kv.index;
        kv.keys.insert(key(tag).to_string(), (value(port), index));
        self.shared.1.notify_all();
    }

    /// All questions that wait are answered, and from now on it is like this.
    fn mood(&self, mood: Mood) {
        self.lock().mood = mood;
        self.shared.1.notify_all();
    }

    fn consul(&self, timeout: Duration) -> Consul {
        Consul::new(Settings {
            addresses: vec![self.server.address().parse().unwrap()],
            tls: None,
            token: None,
            resolver: Resolver::system(),
            timeout,
        })
        .unwrap()
    }

    fn watched(&self, tags: &[&str], times: Times) -> Watched {
        let keys: Vec<Key> = tags.iter().map(|tag| key(tag)).collect();
        Watched::with_times(self.consul(times.patience / 2), &keys, times).unwrap()
    }

    /// With a table that is good.
    fn settled(&self, tags: &[&str], times: Times) -> Watched {
        let watched = self.watched(tags, times);
        wait_until("the table is good", || is_good(&watched, tags[0]));
        watched
    }

    /// Questions for a single key that do not wait: what a read asks.
    fn direct(&self) -> usize {
        let lines = self.lines();
        lines.iter().filter(|l| !l.contains('?')).count()
    }

    fn lines(&self) -> Vec<String> {
        let requests = self.server.requests();
        requests.iter().map(|r| r.line().to_owned()).collect()
    }
}

impl Drop for Fake {
    /// Or the server would wait for those who hold a question.
    fn drop(&mut self) {
        self.mood(Mood::Hung);
    }
}

fn is_good(watched: &Watched, tag: &str) -> bool {
    let table = watched.table(&key(tag)).unwrap();
    let look = table.look(key(tag).tag(), Instant::now());
    matches!(look, Look::Entry(_) | Look::Missing { .. })
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LONG, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn parameter(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(name)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn act((kv, changed): &(Mutex<Kv>, Condvar), request: &Request) -> Act {
    let line = request.line();
    let mut kv = kv.lock().unwrap();
    let mood = kv.mood;
    if line.starts_with("PUT") && mood == Mood::Well {
        let expected = parameter(line, "cas=").unwrap();
        return Act::Send(answer_with(
            200,
            "",
            put(&mut kv, line, &request.body, expected),
        ));
    }
    if let (Some(index), Mood::Well | Mood::DeniesLists) = (parameter(line, "index="), mood) {
        let wait = Duration::from_millis(parameter(line, "wait=").unwrap());
        let same = |kv: &mut Kv| kv.index <= index && kv.mood == mood;
        kv = changed.wait_timeout_while(kv, wait, same).unwrap().0;
    }
    say(&kv, line)
}

fn put(kv: &mut Kv, line: &str, body: &str, expected: u64) -> &'static str {
    let name = line.split(['?', ' ']).nth(1).unwrap();
    let name = name.strip_prefix("/v1/kv/").unwrap();
    if kv.keys.get(name).map_or(0, |(_, index)| *index) != expected {
        return "false";
    }
    kv.index += 1;
    kv.keys.insert(name.to_owned(), (body.to_owned(), kv.index));
    "true"
}

fn say(kv: &Kv, line: &str) -> Act {
    let headers = format!("X-Consul-Index: {}\r\n", kv.index);
    let (is_list, waits) = (line.contains("recurse"), line.contains("index="));
    match kv.mood {
        Mood::Hung => return Act::Silence,
        Mood::Cutting => return Act::SendAndClose(String::new()),
        Mood::Says(status, text) => return Act::Send(answer_with(status, "", text)),
        Mood::SaysToWaiting(status) if waits => return Act::Send(answer_with(status, "", "no")),
        Mood::DeniesLists if is_list => return Act::Send(answer_with(403, "", "no")),
        Mood::Hides if is_list => return Act::Send(answer_with(404, &headers, "")),
        Mood::Hides => return Act::Send(answer_with(403, "", "Permission denied")),
        Mood::Well | Mood::SaysToWaiting(_) | Mood::DeniesLists | Mood::Hasty => {}
    }
    let asked = line.split(['?', ' ']).nth(1).unwrap().to_owned();
    let asked = asked.strip_prefix("/v1/kv/").unwrap();
    let pairs = kv.keys.iter().filter(|(name, _)| match is_list {
        true => name.starts_with(asked),
        false => name.as_str() == asked,
    });
    let pairs: Vec<String> = pairs
        .map(|(name, (text, index))| pair(name, text, *index))
        .collect();
    Act::Send(match pairs.is_empty() {
        true => answer_with(404, &headers, ""),
        false => answer_with(200, &headers, &format!("[{}]", pairs.join(","))),
    })
}

fn pair(name: &str, text: &str, index: u64) -> String {
    let text = STANDARD.encode(text);
    format!(r#"{{"Key":"{name}","Flags":1,"Value":"{text}","ModifyIndex":{index}}}"#)
}

/// The port in the key, and its version.
#[track_caller]
fn read(watched: &Watched, tag: &str) -> (u16, u64) {
    let entry = watched.read(&key(tag)).unwrap();
    let Entry::Present {
        backend, version, ..
    } = entry
    else {
        panic!("{entry:?}");
    };
    (backend.server.port.get(), version.0)
}

#[test]
fn one_key_is_watched_alone_and_several_by_what_they_begin_with() {
    for (tags, first, next) in [
        (&["a"][..], "a?", "a?index=6&"),
        (&["a", "b"], "?recurse&", "?recurse&index=6&"),
    ] {
        let fake = Fake::holding("a", 1);
        let _watched = fake.settled(tags, CALM);
        wait_until("two questions", || fake.lines().len() == 2);
        let lines = fake.lines();
        let begin = "GET /v1/kv/haproxy/mysqlslave/";
        assert_eq!(lines[0], format!("{begin}{first} HTTP/1.1"));
        assert_eq!(lines[1], format!("{begin}{next}wait=20000ms HTTP/1.1"));
    }
}

#[test]
fn a_thousand_reads_cost_consul_nothing_while_nothing_changes() {
    let fake = Fake::holding("a", 1);
    let watched = fake.settled(&["a", "b"], CALM);
    fake.set("b", 2);
    wait_until("b is known", || is_good(&watched, "b"));
    wait_until("the next question is under way", || fake.lines().len() == 3);
    for _ in 0..500 {
        assert_eq!(read(&watched, "a"), (1, 6));
        assert_eq!(read(&watched, "b"), (2, 7));
    }
    assert_eq!(fake.lines().len(), 3);
}

#[test]
fn before_the_first_answer_consul_is_asked_itself() {
    let fake = Fake::holding("a", 1);
    fake.mood(Mood::Hung);
    let watched = fake.watched(&["a", "b"], CALM);
    wait_until("the first question", || !fake.lines().is_empty());
    fake.mood(Mood::Well);
    assert_eq!(read(&watched, "a"), (1, 6));
    assert_eq!(fake.direct(), 1);
}

#[test]
fn a_key_that_nobody_watches_is_read_and_written_as_ever() {
    let fake = Fake::holding("a", 1);
    let watched = fake.settled(&["a"], CALM);
    let other = Key::new(Kind::Memcached, "a".parse().unwrap());
    for (expected, swap) in [(0, Swap::Stored), (0, Swap::Lost)] {
        let written = watched.write(&other, &backend(1), Cause::Forced, Version(expected));
        assert_eq!(written, Ok(swap));
    }
    assert!(matches!(watched.read(&other), Ok(Entry::Present { .. })));
    fake.set("z", 1);
    assert_eq!(read(&watched, "z"), (1, 8));
}

#[test]
fn a_change_by_somebody_else_is_in_the_table_at_once() {
    for tags in [&["a"][..], &["a", "b"]] {
        let fake = Fake::holding("a", 1);
        let watched = fake.settled(tags, CALM);
        for port in 2..5 {
            fake.set("a", port);
            wait_until("it is followed", || read(&watched, "a").0 == port);
        }
        assert_eq!(fake.direct(), 0);
    }
}

#[test]
fn a_key_that_is_not_there_is_watched_too() {
    let fake = Fake::start();
    let watched = fake.settled(&["a"], CALM);
    assert_eq!(watched.read(&key("a")), Ok(Entry::Absent));
    fake.set("a", 1);
    wait_until("it is there", || {
        watched.read(&key("a")) != Ok(Entry::Absent)
    });
    assert_eq!(read(&watched, "a"), (1, 6));
    assert_eq!(fake.direct(), 0);
}

#[test]
fn a_key_that_is_not_in_a_list_is_asked_for_once_a_list() {
    let fake = Fake::holding("a", 1);
    let watched = fake.settled(&["a", "b"], CALM);
    for port in 2..5 {
        fake.set("a", port);
        wait_until("the new list", || read(&watched, "a").0 == port);
        for _ in 0..10 {
            assert_eq!(watched.read(&key("b")), Ok(Entry::Absent));
        }
        assert_eq!(fake.direct(), usize::from(port) - 1);
    }
}

#[test]
fn a_key_that_the_token_may_not_read_is_never_absent_and_the_error_names_it() {
    let fake = Fake::holding("a", 1);
    let watched = fake.settled(&["a", "b"], CALM);
    fake.mood(Mood::Hides);
    fake.set("a", 2);
    let denied = "read permission on haproxy/mysqlslave/a is missing";
    wait_until("it is refused", || {
        watched.read(&key("a")).is_err_and(|e| e.0.contains(denied))
    });
    assert!(watched.read(&key("a")).unwrap_err().0.contains(denied));
}

#[test]
fn where_lists_are_denied_each_key_is_asked_for() {
    let fake = Fake::holding("a", 1);
    fake.mood(Mood::DeniesLists);
    let watched = fake.watched(&["a", "b"], CALM);
    wait_until("the list is refused", || fake.lines().len() == 1);
    for count in 1..10 {
        assert_eq!(read(&watched, "a"), (1, 6));
        assert_eq!(fake.direct(), count);
    }
}

#[test]
fn a_hung_consul_is_noticed_by_the_readers_clock_and_its_return_too() {
    let fake = Fake::holding("a", 1);
    let watched = fake.settled(&["a"], SHORT);
    let started = Instant::now();
    fake.mood(Mood::Hung);
    wait_until("it is noticed", || watched.read(&key("a")).is_err());
    let took = started.elapsed();
    assert!(took < SHORT.patience * 3, "{took:?}");
    for _ in 0..3 {
        let error = watched.read(&key("a")).unwrap_err();
        let agent = fake.server.address();
        let wanted = format!("reading haproxy/mysqlslave/a from consul http://{agent}: timed out");
        assert!(error.0.starts_with(&wanted), "{error}");
        thread::sleep(SHORT.wait);
    }
    fake.mood(Mood::Well);
    fake.set("a", 2);
    wait_until("it is well again", || watched.read(&key("a")).is_ok());
    assert_eq!(read(&watched, "a").0, 2);
}

#[test]
fn a_lost_connection_is_no_trouble_if_consul_is_well() {
    let fake = Fake::holding("a", 1);
    let watched = fake.settled(&["a"], CALM);
    for round in 1..4 {
        fake.mood(Mood::Cutting);
        wait_until("it was cut", || fake.lines().len() > round * 2);
        fake.mood(Mood::Well);
        wait_until("it is well", || is_good(&watched, "a"));
        assert_eq!(read(&watched, "a"), (1, 6));
    }
}

#[test]
fn trouble_is_told_with_the_key_and_the_agent_and_is_over_for_the_next_who_reads() {
    let fake = Fake::holding("a", 1);
    let watched = fake.settled(&["a", "b"], CALM);
    let agent = fake.server.address();
    for (mood, said) in [
        (
            Mood::Says(500, "No cluster leader"),
            "500 No cluster leader",
        ),
        (Mood::Says(429, "too many"), "429 too many"),
        (
            Mood::Says(404, "Not found"),
            "404 Not found; this is not Consul's",
        ),
        (
            Mood::Says(200, "garbage"),
            "the answer is no list of keys: garbage",
        ),
        (
            Mood::Cutting,
            "the connection was closed before the answer was complete",
        ),
    ] {
        fake.mood(mood);
        let wanted = format!("reading haproxy/mysqlslave/a from consul http://{agent}: {said}");
        let mut last = String::new();
        wait_until(said, || match watched.read(&key("a")) {
            Ok(_) => false,
            Err(error) => {
                last = error.0;
                last.starts_with(&wanted)
            }
        });
        fake.mood(Mood::Well);
        thread::sleep(Duration::from_millis(250));
        assert_eq!(read(&watched, "a"), (1, 6), "{last}");
    }
}

#[test]
fn after_an_own_write_the_old_value_does_not_come_back() {
    let fake = Fake::holding("a", 1);
    let watched = fake.settled(&["a"], CALM);
    for port in 2..30 {
        let (_, version) = read(&watched, "a");
        let swap = watched.write(&key("a"), &backend(port), Cause::Forced, Version(version));
        assert_eq!(swap, Ok(Swap::Stored));
        assert_eq!(read(&watched, "a").0, port);
    }
}

#[test]
fn after_a_lost_race_and_an_uncertain_write_consul_is_asked_itself() {
    let fake = Fake::holding("a", 1);
    let watched = fake.settled(&["a"], CALM);
    wait_until("the next question is under way", || fake.lines().len() == 2);
    let write = |version| watched.write(&key("a"), &backend(9), Cause::Forced, Version(version));
    // Nothing changes, so that the question under way is not answered.
    assert_eq!(write(1), Ok(Swap::Lost));
    assert_eq!(read(&watched, "a"), (1, 6));
    assert_eq!(fake.direct(), 1);
    // One who writes behind the back of the watcher, whose question stays as it is.
    {
        let mut kv = fake.lock();
        kv.keys.insert(key("a").to_string(), (value(7), 7));
    }
    assert_eq!(read(&watched, "a"), (7, 7));
    assert_eq!(fake.direct(), 2);
}

#[test]
fn a_write_that_is_not_answered_makes_the_table_void_for_its_key_alone() {
    let fake = Fake::holding("a", 1);
    fake.set("b", 2);
    let keys = ["a", "b"].map(key);
    let watched = Watched::with_times(fake.consul(SHORT.wait), &keys, CALM).unwrap();
    wait_until("the next question is under way", || fake.lines().len() == 2);
    fake.lock().mood = Mood::Hung;
    let written = watched.write(&key("a"), &backend(9), Cause::Forced, Version(6));
    assert!(written.is_err());
    let table = watched.table(&key("a")).unwrap();
    assert_eq!(table.look(key("a").tag(), Instant::now()), Look::Ask);
    assert_eq!(read(&watched, "b"), (2, 7));
}

#[test]
fn an_index_that_falls_starts_over_and_the_older_value_counts() {
    let fake = Fake::holding("a", 1);
    let watched = fake.settled(&["a"], SHORT);
    {
        let mut kv = fake.lock();
        kv.index = 3;
        kv.keys.insert(key("a").to_string(), (value(7), 3));
    }
    wait_until("it is followed", || read(&watched, "a") == (7, 3));
    wait_until("the new index is used", || {
        fake.lines().iter().any(|line| line.contains("index=3&"))
    });
    for index in [0, 1] {
        fake.lock().index = index;
        let count = fake.lines().len();
        wait_until("1 stands for 0", || {
            fake.lines()[count..]
                .iter()
                .any(|line| line.contains("index=1&"))
        });
    }
}

/// Questions in a second in this mood.
fn questions_in_a_second(mood: Mood) -> usize {
    let fake = Fake::holding("a", 1);
    let watched = fake.settled(&["a", "b"], CALM);
    fake.mood(mood);
    let before = fake.lines().len();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        if mood == Mood::Well {
            fake.set("c", 1);
        }
        thread::sleep(Duration::from_millis(1));
    }
    drop(watched);
    fake.lines().len() - before
}

#[test]
fn nothing_makes_a_busy_loop() {
    let most = [
        // Of a prefix where all changes all the time.
        (Mood::Well, 24),
        (Mood::Hasty, 24),
        // At 0, 0.25, 0.75 s; before, the one under way is asked anew at once. A cut one is sent
        // twice.
        (Mood::Says(500, "x"), 8),
        (Mood::Says(403, "x"), 8),
        (Mood::Cutting, 14),
        (Mood::SaysToWaiting(400), 12),
    ];
    thread::scope(|scope| {
        for (mood, most) in most {
            scope.spawn(move || {
                let count = questions_in_a_second(mood);
                assert!((1..=most).contains(&count), "{count}, {most} at most");
            });
        }
    });
}

#[test]
fn a_dropped_store_ends_its_threads_wherever_they_are() {
    for mood in [Mood::Well, Mood::Hung, Mood::Says(500, "x")] {
        let fake = Fake::holding("a", 1);
        let watched = fake.settled(&["a", "b"], CALM);
        fake.mood(mood);
        thread::sleep(Duration::from_millis(20));
        let table = Arc::downgrade(&watched.tables[0].1);
        let started = Instant::now();
        drop(watched);
        // Each thread has its share in the table.
        wait_until("the threads end", || table.strong_count() == 0);
        assert!(started.elapsed() < LONG / 2);
    }
}

//! `confd_haproxy pin|unpin|exclude|include|move`, with Consul and with a file for a store: what they
//! say, and that checkers obey. A move of a MySQL tag is in `operate_mysql`.

use std::path::Path;

use crate::listed::{QUICK, wait_for_more};
use crate::scene::{endpoint_of, value};
use crate::support::checker::{Checker, CheckerBuilder, Finished};
use crate::support::consul::Consul;
use crate::support::memcached::{self, Memcached};
use crate::support::redis::{self, Redis};
use crate::support::scratch::Scratch;
use crate::support::{free_port, seconds, wait_until};

const TAG: &str = "mem11211";
const KEY: &str = "haproxy/memcached/mem11211";
const ORDERS: &str = "haproxy/overrides/memcached/mem11211";

/// What an operator has in front of him: a conf file, and the options that say where the keys are.
pub struct Desk {
    conf: String,
    place: Vec<String>,
}

impl Desk {
    pub fn new(conf: &str, place: &[&str]) -> Desk {
        Desk {
            conf: conf.to_owned(),
            place: place.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    pub fn builder(&self, words: &[&str]) -> CheckerBuilder {
        CheckerBuilder::new(words[0])
            .args(&words[1..])
            .conf(&self.conf)
            .args(&self.place)
    }

    pub fn ask(&self, words: &[&str]) -> Finished {
        self.builder(words).run_to_end(seconds(30))
    }

    /// It does it, and says so in these words among others.
    #[track_caller]
    pub fn does(&self, words: &[&str], said: &str) {
        let finished = self.ask(words);
        assert_eq!(finished.code, Some(0), "{words:?}: {finished:?}");
        assert!(finished.stdout.contains(said), "{words:?}: {finished:?}");
        assert_eq!(finished.stderr, "", "{words:?}");
    }

    /// It does not, with this exit code and one line that has all these words.
    #[track_caller]
    pub fn refuses(&self, words: &[&str], code: i32, said: &[&str]) {
        let finished = self.ask(words);
        assert_eq!(finished.code, Some(code), "{words:?}: {finished:?}");
        let text = finished.stdout.clone() + &finished.stderr;
        assert_eq!(text.lines().count(), 1, "{words:?}: {text}");
        for word in said {
            assert!(text.contains(word), "{words:?}: {text}");
        }
    }

    /// What `status` says, as one line.
    pub fn status(&self) -> (Option<i32>, String) {
        let builder = self.builder(&["status", "--confdir", "/nonexistent"]);
        let finished = builder.run_to_end(seconds(30));
        let said = finished.stdout.split_whitespace().collect::<Vec<_>>();
        (finished.code, said.join(" "))
    }
}

/// Two memcached servers of one tag, a store, and a desk.
struct Site {
    caches: [Memcached; 2],
    desk: Desk,
    consul: Option<Consul>,
    dir: Scratch,
}

impl Site {
    fn conf(caches: &[Memcached; 2]) -> String {
        let port = free_port();
        let servers = memcached::list(caches);
        format!("[{TAG}]\ntype=memcached\nserver={servers}\nproxyport={port}\n")
    }

    fn on_consul(consul: Consul) -> Site {
        let caches = [Memcached::start(), Memcached::start()];
        Site {
            desk: Desk::new(&Site::conf(&caches), &["--consul", &consul.endpoint()]),
            caches,
            consul: Some(consul),
            dir: Scratch::new("operate"),
        }
    }

    fn on_file() -> Site {
        let caches = [Memcached::start(), Memcached::start()];
        let dir = Scratch::new("operate");
        let file = dir.join("keys.json").display().to_string();
        Site {
            desk: Desk::new(&Site::conf(&caches), &["--store", &file]),
            caches,
            consul: None,
            dir,
        }
    }

    /// A checker that has said twice that all is well.
    fn checker(&self) -> Checker {
        let checker = self
            .desk
            .builder(&["run", "--confdir", "/nonexistent"])
            .args(QUICK)
            .start();
        self.wait_until_at(0);
        wait_for_more(&checker, " ok: ", 2);
        checker
    }

    fn servers(&self) -> [String; 2] {
        self.caches.each_ref().map(Memcached::endpoint)
    }

    /// The server that the key names.
    fn current(&self) -> String {
        let value = match &self.consul {
            Some(consul) => consul.get(KEY).map(|kv| kv.value),
            None => in_file(&self.dir.join("keys.json"), &["memcached", TAG]),
        };
        value.map(|value| endpoint_of(&value)).unwrap_or_default()
    }

    #[track_caller]
    fn wait_until_at(&self, index: usize) {
        let wanted = self.caches[index].endpoint();
        let what = format!("the key names {wanted}");
        wait_until(&what, seconds(30), || self.current() == wanted);
    }
}

/// A value in the file of keys.
fn in_file(file: &Path, path: &[&str]) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut value: serde_json::Value = serde_json::from_str(&text).ok()?;
    value = value["haproxy"].take();
    for word in path {
        value = value[*word].take();
    }
    let text = value["value"].as_str().or(value.as_str());
    text.map(str::to_owned)
}

fn a_pin_holds_a_dead_server(site: &Site) {
    let [used, other] = site.servers();
    let checker = site.checker();
    site.desk.does(
        &["pin", TAG, "--why", "reindexing"],
        &format!("{TAG} is pinned to {used}: no checker moves it"),
    );
    checker.wait_for_log(&format!("new orders for {TAG}: it is pinned to {used}"));
    let moves = checker.count("set new");
    site.caches[0].kill();
    let stays = format!("{TAG} is pinned to {used} and does not move, although {used} is down: ");
    checker.wait_for_count(&stays, 3);
    let line = checker.lines().into_iter().find(|l| l.contains(&stays));
    let line = line.unwrap();
    for word in [
        "connection refused",
        ": reindexing",
        "confd_haproxy unpin mem11211 lets it go",
    ] {
        assert!(line.contains(word), "{line}");
    }
    assert_eq!(site.current(), used);
    assert_eq!(checker.count("set new"), moves, "{}", checker.log());
    let (code, said) = site.desk.status();
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains(&format!("! no checker moves it: pinned to {used} by ")),
        "{said}"
    );
    assert!(
        said.contains("do: confd_haproxy unpin mem11211 lets"),
        "{said}"
    );
    site.desk.refuses(
        &["move", TAG, &other],
        1,
        &[&format!("not moved: {TAG} is pinned to {used} by ")],
    );

    site.desk.does(
        &["move", TAG, &other, "--force"],
        &format!("the pin still names {used}: confd_haproxy pin {TAG} renews it"),
    );
    site.desk
        .does(&["move", TAG, &used, "--force"], "checkers may move it on");
    checker.wait_for_count(&stays, checker.count(&stays) + 1);

    site.desk.does(&["unpin", TAG], "may move again");
    site.wait_until_at(1);
    site.desk
        .refuses(&["unpin", TAG], 1, &[&format!("{TAG} was not pinned")]);
}

#[test]
fn a_pinned_tag_stays_though_its_server_dies_and_moves_once_it_is_unpinned() {
    a_pin_holds_a_dead_server(&Site::on_consul(Consul::start()));
}

#[test]
fn with_a_file_for_a_store_a_pinned_tag_stays_too() {
    a_pin_holds_a_dead_server(&Site::on_file());
}

fn an_excluded_server_is_not_used(site: &Site) {
    let [first, second] = site.servers();
    let checker = site.checker();
    site.desk.does(
        &["exclude", TAG, &first, "--why", "new disk"],
        &format!("{TAG}: excluded are {first}; a server in use is left"),
    );
    site.wait_until_at(1);
    let (code, said) = site.desk.status();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("excluded: {first} by ")), "{said}");
    assert!(said.contains(": new disk"), "{said}");
    assert!(
        said.contains(&format!("nobody can take over when {second} fails")),
        "{said}"
    );
    site.desk.refuses(
        &["move", TAG, &first],
        1,
        &["not moved: ", &first, "excluded", "--force"],
    );
    site.desk.does(
        &["exclude", TAG, &first, "cache9"],
        "none of its servers goes by cache9 now: status shows",
    );
    site.desk
        .does(&["include", TAG, "cache9"], "cache9 may be used again");
    site.caches[1].kill();
    checker.wait_for_log("there is no alive server!");
    assert_eq!(site.current(), second);
    site.desk.does(
        &["include", TAG, &first],
        &format!("{TAG}: {first} may be used again"),
    );
    site.wait_until_at(0);
    site.desk.refuses(
        &["include", TAG],
        1,
        &["nothing is changed: nobody is excluded by an order"],
    );
}

#[test]
fn an_excluded_server_is_left_and_never_elected_until_it_is_included_again() {
    an_excluded_server_is_not_used(&Site::on_consul(Consul::start()));
}

#[test]
fn with_a_file_for_a_store_an_excluded_server_is_left_too() {
    an_excluded_server_is_not_used(&Site::on_file());
}

#[test]
fn a_pin_until_a_time_ends_by_itself() {
    let site = Site::on_file();
    let [used, _] = site.servers();
    let checker = site.checker();
    site.desk
        .does(&["pin", TAG, "--until", "4s"], &format!("to {used} until "));
    site.caches[0].kill();
    checker.wait_for_log("and does not move, although ");
    assert_eq!(site.current(), used);
    site.wait_until_at(1);
}

#[test]
fn a_pin_to_another_server_moves_the_tag_there_first() {
    let site = Site::on_consul(Consul::start());
    let [from, to] = site.servers();
    let checker = site.checker();
    let finished = site.desk.ask(&["pin", TAG, &to]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert!(
        lines[0].starts_with(&format!("{TAG} moved from {from} to {to}, which is up")),
        "{finished:?}"
    );
    assert!(
        lines[1].starts_with(&format!("{TAG} is pinned to {to}: ")),
        "{finished:?}"
    );
    checker.wait_for_log(&format!("current {to} is ok"));
    site.desk.refuses(&["pin", TAG, "nonsense"], 2, &[]);
}

#[test]
fn a_move_that_somebody_else_was_quicker_with_is_not_made_and_says_so() {
    let site = Site::on_consul(Consul::start());
    let consul = site.consul.as_ref().unwrap();
    let put = |server: &Memcached, proxy_port: &str| {
        let value = value(TAG, "127.0.0.1", server.port());
        consul.put(KEY, &value.replace("13351", proxy_port));
    };
    put(&site.caches[0], "16211");
    // A look at a server that hangs takes as long as it may.
    site.caches[1].stop();
    let [used, hung] = site.servers();
    let moving = site
        .desk
        .builder(&["move", TAG, &hung, "--force", "--timeout", "3"])
        .start();
    std::thread::sleep(seconds(1));
    put(&site.caches[0], "16212");
    assert_eq!(moving.wait_for_end(), Some(1), "{}", moving.log());
    let said = format!("not moved: somebody else has moved {TAG} meanwhile");
    assert_eq!(moving.count(&said), 1, "{}", moving.log());
    site.caches[1].cont();
    assert_eq!(site.current(), used);
    let there = format!("{TAG} is on {used} already");
    site.desk.does(&["move", TAG, &used], &there);
}

#[test]
fn malformed_orders_leave_the_last_good_ones_in_force_and_unpin_removes_them() {
    let site = Site::on_consul(Consul::start());
    let consul = site.consul.as_ref().unwrap();
    let [used, other] = site.servers();
    let checker = site.checker();
    site.desk.does(&["pin", TAG], "is pinned to");
    checker.wait_for_log("new orders for mem11211");
    consul.put(ORDERS, r#"{"pin":7}"#);
    let line =
        format!("{ORDERS} is malformed: \"pin\" names no server; the last good orders stand");
    checker.wait_for_log(&line);
    site.caches[0].kill();
    checker.wait_for_count("and does not move, although ", 2);
    assert_eq!(site.current(), used);
    assert_eq!(checker.count(&line), 1, "{}", checker.log());
    let (_, said) = site.desk.status();
    let wanted = format!("! the orders in {ORDERS} are malformed: \"pin\" names no server");
    assert!(said.contains(&wanted), "{said}");
    site.desk.refuses(
        &["move", TAG, &other],
        1,
        &["not moved: ", ORDERS, "\"pin\" names no server", "--force"],
    );
    site.desk.does(
        &["unpin", TAG],
        "its orders were malformed (\"pin\" names no server) and are removed",
    );
    site.wait_until_at(1);
}

#[test]
fn without_consul_it_says_so_in_one_line_and_checkers_stay_as_they_were_ordered() {
    let site = Site::on_consul(Consul::start());
    let consul = site.consul.as_ref().unwrap();
    let [used, other] = site.servers();
    let checker = site.checker();
    site.desk.does(&["pin", TAG], "is pinned to");
    checker.wait_for_log("new orders for mem11211");
    consul.kill();
    checker.wait_for_log("connection refused; is the agent running?");
    for words in [
        &["pin", TAG][..],
        &["unpin", TAG],
        &["exclude", TAG, &other],
        &["include", TAG],
        &["move", TAG, &other],
    ] {
        let said = ["reading haproxy/", "connection refused; is the agent"];
        site.desk.refuses(words, 3, &said);
    }
    assert_eq!(checker.count("no orders are obeyed"), 0);
    assert!(checker.log().contains(&format!("{TAG} stays on {used}")));
}

#[test]
fn what_is_typed_wrong_is_refused_before_anything_is_asked() {
    let site = Site::on_file();
    for (words, said) in [
        (&["move", TAG][..], "move TAG HOST:PORT"),
        (&["unpin", TAG, "x:1"], "unpin TAG"),
        (&["exclude", TAG], "exclude TAG HOST[:PORT]..."),
        (&["pin", "mem11212"], "did you mean 'mem11211'?"),
        (&["move", TAG, "10.0.0.1"], "10.0.0.1"),
        (&["pin", TAG, "--until", "soon"], "90s, 30m, 2h or 1d"),
        (&["pin", TAG, "--untill", "1h"], "did you mean --until?"),
    ] {
        let finished = site.desk.ask(words);
        assert_eq!(finished.code, Some(2), "{words:?}: {finished:?}");
        assert!(finished.stderr.contains(said), "{words:?}: {finished:?}");
    }
}

#[test]
fn a_redis_that_is_no_master_is_refused_and_the_master_is_not() {
    let (consul, group) = (Consul::start(), Redis::group(1));
    let conf = format!(
        "[redis6379]\ntype=redismaster\nserver={}\nproxyport={}\n",
        redis::list(&group),
        free_port()
    );
    let desk = Desk::new(&conf, &["--consul", &consul.endpoint()]);
    let [master, replica] = [&group[0], &group[1]].map(Redis::endpoint);
    let said = format!("not moved: {replica} is down: not the master: a replica of {master}");
    desk.refuses(&["move", "redis6379", &replica], 1, &[&said]);
    assert!(consul.get("haproxy/redismaster/redis6379").is_none());
    let said = format!("redis6379 moved from nowhere to {master}, which is up");
    desk.does(&["move", "redis6379", &master], &said);
    let key = consul.value("haproxy/redismaster/redis6379");
    assert_eq!(endpoint_of(&key), master);
}

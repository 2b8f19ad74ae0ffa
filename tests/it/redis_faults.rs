//! checkredismaster and servers that load, are full, deny, or are no Redis at all.

use crate::listed::{Listed, leaves_nothing_behind, wait_for_more, wait_for_more_ok};
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::consul::Consul;
use crate::support::mariadb::MariaDb;
use crate::support::memcached::Memcached;
use crate::support::misbehave::{Misbehaving, Mode};
use crate::support::redis::{Options, Redis, list};
use crate::support::resp::Session;
use crate::support::seconds;

/// The key names an ill server, and a master with a replica is in the list: the ill one is left
/// with these words, and not elected.
#[track_caller]
fn is_left(ill: &str, words: &str) {
    let group = Redis::group(1);
    let listed = Listed::redis(&format!("{ill},{}", list(&group)));
    listed.point_at(ill);
    let checker = listed.checker(&[]);
    checker.wait_for_log(&format!("{ill} is down: {words}"));
    listed.wait_until_at(&group[0].endpoint());
    assert_eq!(listed.kv().flags, 1, "not a forced move");
    let index = listed.index();
    group[0].kill();
    wait_for_more(&checker, "nobody can take over", 2);
    assert_eq!(listed.index(), index, "{}", checker.log());
}

#[test]
fn a_redis_that_closes_or_resets_is_left() {
    for mode in [Mode::Close, Mode::Reset] {
        is_left(
            &Misbehaving::start(mode).endpoint(),
            "connection closed by the server",
        );
    }
}

#[test]
fn a_redis_that_accepts_and_says_nothing_or_drops_packets_is_left() {
    for mode in [Mode::Silent, Mode::Full] {
        is_left(&Misbehaving::start(mode).endpoint(), "no answer in 1 s");
    }
}

#[test]
fn a_real_memcached_is_no_redis() {
    is_left(
        &Memcached::start().endpoint(),
        "does not speak the protocol",
    );
}

#[test]
fn a_real_mariadb_is_no_redis() {
    is_left(&MariaDb::start().endpoint(), "does not speak the protocol");
}

#[test]
fn a_real_web_server_is_no_redis() {
    is_left(&Consul::start().endpoint(), "does not speak the protocol");
}

#[test]
fn garbage_is_no_redis() {
    let server = Misbehaving::start(Mode::garbage());
    is_left(&server.endpoint(), "does not speak the protocol");
}

#[test]
fn a_master_that_loads_its_file_is_not_serving_until_it_has_loaded_it() {
    let options = [Options::default().slow_to_load(), Options::default()];
    let group = Redis::group_with(options);
    group[0].save(40_000);
    let listed = Listed::redis(&list(&group));
    let checker = listed.settled(&[]);
    let index = listed.index();
    group[0].restart();
    let line = format!("{} is down: not serving: ", group[0].endpoint());
    checker.wait_for_log(&line);
    checker.wait_for_log("LOADING");
    checker.wait_for_log("nobody can take over");
    // Counted, and not conclusive, for who did not see it refuse connections before.
    let other = listed.checker(&[]);
    other.wait_for_log("LOADING");
    other.wait_for_log("(1 of 2)");
    drop(other);
    group[0].finish_loading();
    wait_for_more_ok(&checker, 3);
    assert_eq!(listed.index(), index, "{}", checker.log());
}

#[test]
fn a_master_that_takes_no_more_clients_is_down() {
    let full = Redis::with(Options::default().line("maxclients 4"));
    let listed = Listed::redis(&full.endpoint());
    listed.point_at(&full.endpoint());
    let address = full.endpoint().parse().unwrap();
    let mut crowd: Vec<Session> = (0..4)
        .map(|_| Session::tcp(address, seconds(5)).unwrap())
        .collect();
    for session in &mut crowd {
        assert_eq!(session.ask(&["PING"]).unwrap().text(), "PONG");
    }
    let checker = listed.checker(&[]);
    checker.wait_for_log(&format!(
        "{} is down: too many connections",
        full.endpoint()
    ));
    checker.wait_for_log("nobody can take over");
    drop(crowd);
    wait_for_more_ok(&checker, 2);
}

const MONITOR: &str = "user monitor on >s3cret +ping +role +info";

/// A master with accounts and a replica of it, and a tag whose key is there.
fn with_accounts() -> (Vec<Redis>, Listed) {
    let options = |line| Options::default().password("admin").line(line);
    let lame = "user lame on >s3cret +ping";
    let group = Redis::group_with((0..2).map(|_| options(MONITOR).line(lame)));
    let listed = Listed::redis(&list(&group));
    (group, listed)
}

#[test]
fn a_user_and_a_password_from_the_environment_let_the_checker_in() {
    let (group, listed) = with_accounts();
    let builder = listed.builder(&["--user", "monitor"]);
    let checker = builder.env("REDISCLI_AUTH", "s3cret").start();
    wait_for_more_ok(&checker, 2);
    assert_eq!(listed.current(), group[0].endpoint());
    assert!(
        !checker.log().contains("s3cret"),
        "the password is in the log"
    );
    drop(checker);
    // Without a user, the password is the one of requirepass.
    let builder = listed.builder(&["--once"]).env("REDISCLI_AUTH", "admin");
    assert_eq!(builder.run_to_end(seconds(30)).code, Some(0));
}

#[test]
fn a_user_and_a_password_from_the_conf_file_let_the_checker_in() {
    let (group, listed) = with_accounts();
    let conf = format!(
        "[redis6379]\ntype=redismaster\nserver={}\nuser=monitor\npassword=s3cret\n\
         timeout=1\ninterval=0.3\n",
        list(&group)
    );
    let checker = CheckerBuilder::new("checkredismaster")
        .conf(&conf)
        .args(["--tag", "redis6379", "--consul", &listed.consul.endpoint()])
        .start();
    wait_for_more_ok(&checker, 2);
    let value = listed.value(&group[0].endpoint(), group[0].port() + 5000);
    assert_eq!(listed.kv().value, value);
}

#[test]
fn an_account_that_is_missing_wrong_or_weak_is_our_own_trouble_and_moves_nothing() {
    let (group, listed) = with_accounts();
    // No election with it, and no move.
    let (code, said) = listed.once(&[]);
    assert_ne!(code, 0, "{said}");
    assert!(listed.consul.get(&listed.key).is_none(), "{said}");
    listed.point_at(&group[1].endpoint());
    let index = listed.index();
    let cases = [
        (None, "", "NOAUTH"),
        (None, "wrong", "WRONGPASS"),
        (Some("monitor"), "wrong", "WRONGPASS"),
        (Some("lame"), "s3cret", "NOPERM"),
    ];
    for (user, password, word) in cases {
        let mut builder = listed.builder(&[]);
        if let Some(user) = user {
            builder = builder.args(["--user", user]);
        }
        if !password.is_empty() {
            builder = builder.env("REDISCLI_AUTH", password);
        }
        let checker: Checker = builder.start();
        let line = format!("{}, whose health is unknown: ", group[1].endpoint());
        checker.wait_for_count(&line, 3);
        assert!(checker.log().contains(word), "{word}: {}", checker.log());
        assert_eq!(listed.index(), index, "{}", checker.log());
        assert!(password.is_empty() || !checker.log().contains(password));
    }
    let (code, said) = listed.once(&[]);
    assert_eq!(code, 3, "{said}");
}

/// One that is stopped, and one that is stopped with a queue for one connection.
#[test]
fn a_thousand_checks_of_hung_redis_servers_leave_no_thread_and_no_descriptor_behind() {
    let servers = [
        Redis::start(),
        Redis::with(Options::default().line("tcp-backlog 1")),
    ];
    let endpoints = servers.each_ref().map(Redis::endpoint);
    let words = ["checkredismaster", "--debug"];
    leaves_nothing_behind(words, "redismaster", &endpoints, |hang| {
        for server in &servers {
            if hang {
                server.stop();
            } else {
                server.cont();
            }
        }
    });
}

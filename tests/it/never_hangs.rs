//! A check ends in time, whatever the server does, and leaves nothing behind.

use std::time::{Duration, Instant};

use confd_haproxy::checker::mysql::{MysqlChecker, Settings};
use confd_haproxy::checker::{Checker, Fault, Health};
use confd_haproxy::endpoint::Endpoint;
use confd_haproxy::resolve::Resolver;
use confd_haproxy::secret::Secret;

use crate::support::checker::CheckerBuilder;
use crate::support::consul::Consul;
use crate::support::misbehave::{Misbehaving, Mode};
use crate::support::{free_port, seconds, wait_until};

const TIMEOUT: Duration = Duration::from_millis(400);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(300);

/// A checker of one server, which is also its primary.
fn checker_of(server: &Endpoint, timeout: Duration) -> MysqlChecker {
    MysqlChecker::new(Settings {
        tag: "t".parse().unwrap(),
        primary: server.clone(),
        user: "monitor".to_owned(),
        password: Secret::new("s3cret"),
        tls: None,
        get_public_key: false,
        timeout,
        max_lag: 30,
        fallback: true,
        replicas: Vec::new(),
        resolver: Resolver::system(),
        connect_level: log::Level::Debug,
    })
}

/// Checks twice: the second one meets what the first left behind.
fn health_of(mode: Mode) -> Health {
    let listener = Misbehaving::start(mode.clone());
    let server: Endpoint = listener.endpoint().parse().unwrap();
    let mut checker = checker_of(&server, TIMEOUT);
    let mut healths = Vec::new();
    for _ in 0..2 {
        let started = Instant::now();
        healths.push(checker.check(&server));
        let took = started.elapsed();
        assert!(
            took < TIMEOUT * 2 + SLACK,
            "{mode:?}: a check took {took:?}"
        );
    }
    assert_eq!(healths[0], healths[1], "{mode:?}");
    healths.remove(0)
}

fn is_down(mode: Mode) -> Fault {
    match health_of(mode.clone()) {
        Health::Down(fault) => fault,
        other => panic!("{mode:?}: {other}"),
    }
}

#[test]
fn a_refusing_server_is_down_at_once() {
    let server: Endpoint = format!("127.0.0.1:{}", free_port()).parse().unwrap();
    let started = Instant::now();
    let health = checker_of(&server, TIMEOUT).check(&server);
    assert_eq!(health, Health::Down(Fault::Refused));
    assert!(started.elapsed() < TIMEOUT);
}

#[test]
fn a_server_that_drops_packets_times_out() {
    assert_eq!(is_down(Mode::Full), Fault::TimedOut(TIMEOUT));
}

#[test]
fn a_server_that_accepts_and_says_nothing_times_out() {
    assert_eq!(is_down(Mode::Silent), Fault::TimedOut(TIMEOUT));
}

#[test]
fn a_server_that_closes_or_resets_at_once_is_reset() {
    assert_eq!(is_down(Mode::Close), Fault::Reset);
    assert_eq!(is_down(Mode::Reset), Fault::Reset);
}

#[test]
fn a_server_that_stalls_in_the_middle_of_a_packet_times_out() {
    assert_eq!(is_down(Mode::HalfGreeting), Fault::TimedOut(TIMEOUT));
    assert_eq!(is_down(Mode::StallInResult), Fault::TimedOut(TIMEOUT));
}

#[test]
fn a_server_that_sends_one_byte_every_half_second_times_out() {
    assert_eq!(is_down(Mode::drip()), Fault::TimedOut(TIMEOUT));
    // Faster than any read timeout: only the checker's own clock ends this.
    assert_eq!(
        is_down(Mode::DripGreeting(TIMEOUT / 8)),
        Fault::TimedOut(TIMEOUT)
    );
}

#[test]
fn a_server_that_sends_garbage_does_not_speak_the_protocol() {
    assert!(matches!(is_down(Mode::garbage()), Fault::Protocol(_)));
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    assert!(matches!(
        is_down(Mode::Say(http)),
        Fault::Protocol(_) | Fault::TimedOut(_)
    ));
}

#[test]
fn a_server_that_answers_the_login_with_nothing_does_not_speak_the_protocol() {
    match is_down(Mode::EmptyPacketAfterLogin) {
        Fault::Protocol(text) => assert_eq!(text, "its answer to the login is none"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_login_error_tells_the_account_from_the_server() {
    let refuse = |code| health_of(Mode::RefuseLogin(code, "no".to_owned()));
    assert_eq!(refuse(1040), Health::Down(Fault::TooManyConnections));
    assert!(matches!(refuse(1045), Health::Unknown(_)));
}

/// One tag for each kind of illness in one process: after well over a thousand checks it has the
/// threads and descriptors that it had at the start, or a few for checks under way.
#[test]
fn a_thousand_checks_of_ill_servers_leave_no_thread_and_no_descriptor_behind() {
    let modes = [
        Mode::Full,
        Mode::Silent,
        Mode::Close,
        Mode::Reset,
        Mode::HalfGreeting,
        Mode::drip(),
        Mode::garbage(),
        Mode::EmptyPacketAfterLogin,
        Mode::StallInResult,
    ];
    let consul = Consul::start();
    let listeners: Vec<Misbehaving> = modes.iter().cloned().map(Misbehaving::start).collect();
    let mut conf = String::new();
    for (number, listener) in listeners.iter().enumerate() {
        let port = listener.port();
        conf += &format!(
            "[t{number}]\nhost=127.0.0.1\nport={port}\nuser=m\npassword=p\nproxyport={}\n",
            number + 1
        );
        let value = format!(
            r#"{{"name":"t{number}", "host":"127.0.0.1", "port":{port}, "proxyport":{}}}"#,
            number + 1
        );
        consul.put(&format!("haproxy/mysqlslave/t{number}"), &value);
    }
    let checker = CheckerBuilder::new("checkmysqlslave")
        .conf(&conf)
        .args([
            "--consul",
            &consul.endpoint(),
            "--timeout",
            "0.01",
            "--interval",
            "0.05",
        ])
        .start();
    let connections = || {
        listeners
            .iter()
            .map(Misbehaving::connections)
            .sum::<usize>()
    };
    let pid = checker.daemon().pid();
    wait_until("the first checks", seconds(30), || connections() > 100);
    wait_until("a thousand checks more", seconds(120), || {
        connections() > 1100
    });
    let tags = modes.len();
    // The main thread, a thread for each tag, and for each tag one or two probes under way.
    wait_until("few threads", seconds(10), || {
        count(pid, "task") <= 1 + 3 * tags
    });
    wait_until("few descriptors", seconds(10), || {
        count(pid, "fd") <= 10 + 4 * tags
    });
    for number in 0..tags {
        let value = consul.value(&format!("haproxy/mysqlslave/t{number}"));
        assert!(value.contains("127.0.0.1"), "{value}");
    }
}

fn count(pid: u32, what: &str) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/{what}"))
        .unwrap()
        .count()
}

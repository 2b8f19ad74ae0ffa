//! `--listen`: metrics and health by HTTP, for collectors, for HAProxy's own check, and for clients that
//! behave badly.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::listed::{Listed, wait_for_more_ok};
use crate::metrics::sample;
use crate::support::checker::CheckerBuilder;
use crate::support::haproxy::HaProxy;
use crate::support::http::{Address, Response, request};
use crate::support::memcached::{self, Memcached};
use crate::support::{free_port, patience, seconds, wait_until};

/// An address of this host that is free.
fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

fn get(from: SocketAddr, path: &str) -> Response {
    let limit = patience(seconds(5));
    request(&Address::Tcp(from), "GET", path, b"", limit).expect("an answer")
}

#[test]
fn metrics_and_health_follow_a_cache_that_is_killed() {
    let caches = [Memcached::start(), Memcached::start()];
    let listed = Listed::memcached(&memcached::list(&caches));
    let at = address();
    let _checker = listed.settled(&["--listen", &at.to_string()]);
    let health = get(at, "/health/mem11211");
    let wanted = format!("mem11211: {}, up\n", caches[0].endpoint());
    assert_eq!((health.status, health.text()), (200, wanted));
    assert_eq!(get(at, "/health/other").status, 404);
    caches[0].kill();
    listed.wait_until_at(&caches[1].endpoint());
    wait_until("the other cache is well", seconds(10), || {
        get(at, "/health/mem11211").text() == format!("mem11211: {}, up\n", caches[1].endpoint())
    });
    let page = get(at, "/metrics");
    let kind = page.header("content-type").unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let moves = "confd_haproxy_moves_total{tag=\"mem11211\",reason=\"down\"}";
    assert_eq!(sample(&page.text(), moves), Some(1.0));
    caches[1].kill();
    wait_until("nobody serves", seconds(10), || {
        get(at, "/health/mem11211").status == 503
    });
}

#[test]
fn a_consul_that_is_down_makes_no_tag_sick_whose_server_serves() {
    let cache = Memcached::start();
    let listed = Listed::memcached(&cache.endpoint());
    let at = address();
    let checker = listed.settled(&["--listen", &at.to_string()]);
    listed.consul.kill();
    checker.wait_for_log("stays on");
    let health = get(at, "/health/mem11211");
    assert_eq!(health.status, 200, "{}", health.text());
    assert!(health.text().ends_with("; the store cannot be used\n"));
    cache.kill();
    wait_until("it is sick", seconds(10), || {
        get(at, "/health/mem11211").status == 503
    });
}

#[test]
fn a_real_haproxy_takes_a_host_whose_tag_is_sick_out_of_use() {
    let cache = Memcached::start();
    let listed = Listed::memcached(&cache.endpoint());
    let at = address();
    let _checker = listed.settled(&["--listen", &at.to_string()]);
    let haproxy = HaProxy::start(&format!(
        "listen mem\n    bind 127.0.0.1:{}\n    option httpchk GET /health/mem11211\n    \
         server host1 {} check port {} inter 200ms fall 2 rise 1\n",
        free_port(),
        cache.endpoint(),
        at.port()
    ));
    let is = |state: &str| {
        let table = haproxy.ask("show stat");
        let line = table.lines().find(|line| line.starts_with("mem,host1,"));
        line.is_some_and(|line| line.split(',').nth(17) == Some(state))
    };
    wait_until("haproxy finds it up", seconds(10), || is("UP"));
    cache.stop();
    wait_until("haproxy finds it down", seconds(20), || is("DOWN"));
    cache.cont();
    wait_until("haproxy finds it up again", seconds(20), || is("UP"));
}

#[test]
fn slow_and_silent_clients_hold_up_neither_checks_nor_others() {
    let cache = Memcached::start();
    let listed = Listed::memcached(&cache.endpoint());
    let at = address();
    let checker = listed.settled(&["--listen", &at.to_string()]);
    let mut clients: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(at).unwrap()).collect();
    for client in clients.iter_mut().skip(100) {
        // Half a request; some of the clients have had to go already.
        let _ = client.write_all(b"GET /metrics HTT");
    }
    let started = Instant::now();
    assert_eq!(get(at, "/metrics").status, 200);
    assert!(
        started.elapsed() < patience(seconds(1)),
        "{:?}",
        started.elapsed()
    );
    wait_for_more_ok(&checker, 3);
    // Whoever is slow is cut off.
    let last = clients.last_mut().unwrap();
    last.set_read_timeout(Some(patience(seconds(10)))).unwrap();
    assert!(matches!(last.read(&mut [0; 1]), Ok(0) | Err(_)));
    let open = std::fs::read_dir(format!("/proc/{}/fd", checker.daemon().pid()));
    assert!(open.unwrap().count() < 40, "connections are left open");
}

#[test]
fn garbage_is_refused_and_nothing_else_happens() {
    let cache = Memcached::start();
    let listed = Listed::memcached(&cache.endpoint());
    let at = address();
    let checker = listed.settled(&["--listen", &at.to_string()]);
    let say = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(at).unwrap();
        stream
            .set_read_timeout(Some(patience(seconds(10))))
            .unwrap();
        // It may have seen enough before all is sent.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert!(say(b"\x16\x03\x01\x00\xa5\x01\x00").starts_with("HTTP/1.1 400 "));
    assert!(say(b"DELETE /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
    assert!(say(b"GET /health/../../etc/passwd HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    say(&vec![b'x'; 1 << 20]);
    say(&[0; 100]);
    assert_eq!(get(at, "/metrics").status, 200);
    wait_for_more_ok(&checker, 2);
    assert!(!checker.log().contains("panicked"), "{}", checker.log());
}

#[test]
fn an_address_that_is_taken_ends_the_start_with_a_line_that_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let finished = CheckerBuilder::new("checkmemcached")
        .args(["--server", "127.0.0.1:1", "--tag", "mem11211"])
        .args(["--listen", &at.to_string()])
        .run_to_end(Duration::from_secs(10));
    assert_eq!(finished.code, Some(1));
    let wanted = format!("cannot listen on {at}: another program does; choose another port\n");
    assert_eq!(finished.stderr, wanted);
}

#[test]
fn without_the_options_nobody_listens_and_no_thread_is_there_for_it() {
    let cache = Memcached::start();
    let listed = Listed::memcached(&cache.endpoint());
    let names = |options: &[&str]| -> Vec<String> {
        let checker = listed.settled(options);
        let tasks = std::fs::read_dir(format!("/proc/{}/task", checker.daemon().pid())).unwrap();
        let name = |task: std::fs::DirEntry| {
            let name = std::fs::read_to_string(task.path().join("comm"));
            name.unwrap_or_default().trim().to_owned()
        };
        tasks.flatten().map(name).collect()
    };
    let has = |names: &[String]| names.iter().any(|name| name == "listen");
    assert!(!has(&names(&[])));
    assert!(has(&names(&["--listen", &address().to_string()])));
}

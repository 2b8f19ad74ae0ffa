//! Servers of a running HAProxy move through its Runtime API, and whatever is at the other end,
//! the answer comes in time.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use confd_haproxy::haproxy::diff::{Difference, ServerChange, compare};
use confd_haproxy::haproxy::error::{Fault, RuntimeError};
use confd_haproxy::haproxy::runtime::{Runtime, Sessions};

use crate::support::haproxy::{Client, HaProxy};
use crate::support::misbehave::{Misbehaving, Mode};
use crate::support::scratch::Scratch;
use crate::support::{free_port, patience, seconds, wait_until};

/// Long enough for a session to be cut, and for a proxy to be called silent.
const MOMENT: Duration = Duration::from_millis(300);
/// What one exchange may take, and what a busy machine may add.
const IN_TIME: Duration = Duration::from_millis(1500);

/// A server that says its name to everybody who connects.
fn server(name: &str) -> Misbehaving {
    Misbehaving::start(Mode::Say(name.as_bytes().to_vec()))
}

/// A proxy with one server.
fn listen(name: &str, port: u16, address: &str, options: &str) -> String {
    format!("listen {name}\n    bind 127.0.0.1:{port}\n    server s {address} {options}\n")
}

fn change(proxy: &str, address: &str) -> ServerChange {
    let (ip, port) = address.rsplit_once(':').unwrap();
    ServerChange {
        proxy: proxy.to_owned(),
        server: "s".to_owned(),
        from: "10.0.0.1:1".to_owned(),
        to_ip: ip.parse().unwrap(),
        to_port: port.parse().unwrap(),
    }
}

fn runtime(haproxy: &HaProxy) -> Runtime {
    Runtime::parse(&haproxy.socket()).unwrap()
}

fn address_of(haproxy: &HaProxy, proxy: &str) -> (IpAddr, u16) {
    let addresses = runtime(haproxy).addresses().unwrap();
    addresses[&(proxy.to_owned(), "s".to_owned())]
}

/// The error of a switch, which must come in time.
#[track_caller]
fn error_of(runtime: &Runtime, changes: &[(ServerChange, Sessions)]) -> RuntimeError {
    let started = Instant::now();
    let error = runtime.switch(changes).unwrap_err();
    assert!(started.elapsed() < patience(IN_TIME), "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
    error
}

#[track_caller]
fn error_at(socket: &str) -> RuntimeError {
    let runtime = Runtime::parse(socket).unwrap();
    error_of(&runtime, &[(change("a", "127.0.0.1:1"), Sessions::Cut)])
}

#[test]
fn a_switch_moves_new_connections_in_milliseconds() {
    let (one, two, port) = (server("one"), server("two"), free_port());
    let haproxy = HaProxy::start(&listen("a", port, &one.endpoint(), "check"));
    let runtime = runtime(&haproxy);
    let mut times = Vec::new();
    for round in 0..20 {
        let (name, target) = [("two", &two), ("one", &one)][round % 2];
        let started = Instant::now();
        runtime
            .switch(&[(change("a", &target.endpoint()), Sessions::Cut)])
            .unwrap();
        assert_eq!(Client::connect(port).greeting, name);
        times.push(started.elapsed());
    }
    times.sort();
    println!(
        "switch and first greeting: {:?} to {:?}",
        times[0], times[19]
    );
    assert!(times[10] < patience(Duration::from_millis(50)), "{times:?}");
}

#[test]
fn the_changes_that_a_diff_finds_are_those_that_the_switch_takes() {
    let (one, two, port) = (server("one"), server("two"), free_port());
    let haproxy = HaProxy::start(&listen("a", port, &one.endpoint(), "check"));
    let running = haproxy.config();
    haproxy.write(&listen("a", port, &two.endpoint(), "check"));
    let Difference::Addresses(changes) = compare(&running, &haproxy.config()) else {
        panic!("not a change of addresses");
    };
    let changes: Vec<_> = changes.into_iter().map(|c| (c, Sessions::Keep)).collect();
    runtime(&haproxy).switch(&changes).unwrap();
    assert_eq!(Client::connect(port).greeting, "two");
    haproxy.reload();
    assert_eq!(Client::connect(port).greeting, "two");
}

#[test]
fn cut_ends_open_sessions_with_and_without_on_marked_down() {
    for options in ["", "check", "check on-marked-down shutdown-sessions"] {
        let (one, two, port) = (server("one"), server("two"), free_port());
        let haproxy = HaProxy::start(&listen("a", port, &one.endpoint(), options));
        let old = Client::connect(port);
        runtime(&haproxy)
            .switch(&[(change("a", &two.endpoint()), Sessions::Cut)])
            .unwrap();
        assert!(old.ends_within(patience(seconds(5))), "{options}");
        assert_eq!(Client::connect(port).greeting, "two");
    }
}

#[test]
fn keep_leaves_open_sessions_on_the_old_server() {
    for options in ["", "check", "check on-marked-down shutdown-sessions"] {
        let (one, two, port) = (server("one"), server("two"), free_port());
        let haproxy = HaProxy::start(&listen("a", port, &one.endpoint(), options));
        let old = Client::connect(port);
        runtime(&haproxy)
            .switch(&[(change("a", &two.endpoint()), Sessions::Keep)])
            .unwrap();
        assert_eq!(Client::connect(port).greeting, "two");
        assert!(!old.ends_within(MOMENT), "{options}");
    }
}

#[test]
fn a_repeated_switch_does_not_cut_the_sessions_of_the_first() {
    let (one, two, port) = (server("one"), server("two"), free_port());
    let haproxy = HaProxy::start(&listen("a", port, &one.endpoint(), "check"));
    let changes = [(change("a", &two.endpoint()), Sessions::Cut)];
    runtime(&haproxy).switch(&changes).unwrap();
    let client = Client::connect(port);
    runtime(&haproxy).switch(&changes).unwrap();
    assert!(!client.ends_within(MOMENT));
}

/// The clients of a hung server come back at once, as pools do; each must find the new server at
/// its first try. With `state maint` before the address some would be turned away.
#[test]
fn clients_that_are_cut_and_come_back_at_once_are_served() {
    let (one, two, port) = (server("one"), server("two"), free_port());
    let options = "check on-marked-down shutdown-sessions";
    let haproxy = HaProxy::start(&listen("a", port, &one.endpoint(), options));
    let clients: Vec<Client> = (0..50).map(|_| Client::connect(port)).collect();
    let come_back = |client: Client| {
        assert!(client.ends_within(seconds(20)));
        Client::connect(port)
    };
    let back: Vec<Client> = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_iter()
            .map(|client| scope.spawn(move || come_back(client)))
            .collect();
        runtime(&haproxy)
            .switch(&[(change("a", &two.endpoint()), Sessions::Cut)])
            .unwrap();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let served = back.iter().filter(|c| c.greeting == "two").count();
    assert_eq!(served, back.len());
}

#[test]
fn a_client_that_waits_in_the_queue_gets_the_new_server() {
    let (one, two, port) = (server("one"), server("two"), free_port());
    let haproxy = HaProxy::start(&listen("a", port, &one.endpoint(), "check maxconn 1"));
    let first = Client::connect(port);
    let second = thread::spawn(move || Client::connect(port));
    wait_until("a client waits in the queue", seconds(10), || {
        let lines = haproxy.ask("show stat");
        let row = lines.lines().find(|line| line.starts_with("a,BACKEND,"));
        row.is_some_and(|row| row.split(',').nth(2) == Some("1"))
    });
    runtime(&haproxy)
        .switch(&[(change("a", &two.endpoint()), Sessions::Cut)])
        .unwrap();
    assert!(first.ends_within(patience(seconds(5))));
    assert_eq!(second.join().unwrap().greeting, "two");
}

#[test]
fn a_server_that_was_down_is_usable_at_once() {
    for sessions in [Sessions::Keep, Sessions::Cut] {
        let (two, port) = (server("two"), free_port());
        let dead = format!("127.0.0.1:{}", free_port());
        let haproxy = HaProxy::start(&listen("a", port, &dead, "check inter 100ms"));
        wait_until("haproxy sees that it is down", seconds(10), || {
            haproxy.ask("show stat").contains("DOWN")
        });
        assert_eq!(Client::connect(port).greeting, "");
        let started = Instant::now();
        runtime(&haproxy)
            .switch(&[(change("a", &two.endpoint()), sessions)])
            .unwrap();
        assert_eq!(Client::connect(port).greeting, "two");
        println!("{sessions:?}, from DOWN: {:?}", started.elapsed());
    }
}

#[test]
fn a_server_in_an_operators_maintenance_moves_and_stays_there() {
    let (one, two, port) = (server("one"), server("two"), free_port());
    let haproxy = HaProxy::start(&listen("a", port, &one.endpoint(), "check"));
    for state in ["maint", "drain"] {
        haproxy.ask(&format!("set server a/s state {state}"));
        for target in [&two, &one] {
            runtime(&haproxy)
                .switch(&[(change("a", &target.endpoint()), Sessions::Cut)])
                .unwrap();
            assert_eq!(address_of(&haproxy, "a").1, target.port());
            assert_eq!(Client::connect(port).greeting, "", "{state}");
        }
    }
    haproxy.ask("set server a/s state ready");
    assert_eq!(Client::connect(port).greeting, "one");
}

#[test]
fn servers_move_between_ipv4_and_ipv6() {
    let (one, port) = (server("one"), free_port());
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let six = format!("::1:{}", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = (&stream).write_all(b"six");
        }
    });
    let haproxy = HaProxy::start(&listen("a", port, &one.endpoint(), "check"));
    for (name, address) in [("six", six), ("one", one.endpoint())] {
        runtime(&haproxy)
            .switch(&[(change("a", &address), Sessions::Cut)])
            .unwrap();
        assert_eq!(Client::connect(port).greeting, name);
    }
}

#[test]
fn three_hundred_servers_move_in_one_switch() {
    let (one, two) = (server("one"), server("two"));
    let ports: Vec<u16> = (0..300).map(|_| free_port()).collect();
    let sections: String = ports
        .iter()
        .map(|port| {
            listen(
                &format!("quite-a-long-tag-{port}"),
                *port,
                &one.endpoint(),
                "",
            )
        })
        .collect();
    let haproxy = HaProxy::start(&sections);
    let changes: Vec<_> = ports
        .iter()
        .map(|port| change(&format!("quite-a-long-tag-{port}"), &two.endpoint()))
        .map(|change| (change, Sessions::Cut))
        .collect();
    let started = Instant::now();
    runtime(&haproxy).switch(&changes).unwrap();
    println!("300 servers: {:?}", started.elapsed());
    let addresses = runtime(&haproxy).addresses().unwrap();
    assert_eq!(addresses.len(), 300);
    assert!(addresses.values().all(|address| address.1 == two.port()));
}

#[test]
fn the_version_is_that_of_the_program() {
    let haproxy = HaProxy::start(&listen("a", free_port(), "127.0.0.1:1", ""));
    let version = runtime(&haproxy).version().unwrap();
    assert!(
        version.starts_with(|c: char| c.is_ascii_digit()),
        "{version}"
    );
}

#[test]
fn no_changes_ask_nobody() {
    let runtime = Runtime::parse("/nowhere/h.sock").unwrap();
    runtime.switch(&[]).unwrap();
}

#[test]
fn an_unknown_server_stops_the_switch_before_it_begins() {
    let (one, two, port) = (server("one"), server("two"), free_port());
    let haproxy = HaProxy::start(&listen("a", port, &one.endpoint(), ""));
    for (proxy, name) in [("nope", "s"), ("a", "nope")] {
        let mut unknown = change(proxy, "127.0.0.1:1");
        unknown.server = name.to_owned();
        let changes = [change("a", &two.endpoint()), unknown].map(|c| (c, Sessions::Cut));
        let error = error_of(&runtime(&haproxy), &changes);
        assert_eq!(error.fault, Fault::NoServer(format!("{proxy}/{name}")));
        assert!(!error.begun);
    }
    assert_eq!(address_of(&haproxy, "a").1, one.port());
}

#[test]
fn a_server_whose_name_did_not_resolve_cannot_be_moved_and_is_left_alone() {
    let port = free_port();
    let haproxy = HaProxy::start(&listen("a", port, "db1.invalid:1", "check"));
    let changes = [(change("a", "127.0.0.1:1"), Sessions::Cut)];
    let error = error_of(&runtime(&haproxy), &changes);
    assert_eq!(error.fault, Fault::NoAddress("a/s".to_owned()));
    assert!(!error.begun);
    assert!(runtime(&haproxy).addresses().unwrap().is_empty());
}

#[test]
fn a_socket_of_level_operator_is_denied_with_the_line_to_write() {
    let (one, two) = (server("one"), server("two"));
    for level in ["operator", "user"] {
        let sections = listen("a", free_port(), &one.endpoint(), "");
        let haproxy = HaProxy::start_with_level(level, &sections);
        let changes = [(change("a", &two.endpoint()), Sessions::Cut)];
        let error = error_of(&runtime(&haproxy), &changes);
        assert_eq!(error.fault, Fault::Denied);
        assert!(
            !error.begun && error.to_string().contains("level admin"),
            "{error}"
        );
        assert_eq!(address_of(&haproxy, "a").1, one.port());
    }
}

#[test]
fn a_missing_socket_is_named_with_the_line_to_write() {
    let error = error_at("/nowhere/h.sock");
    assert_eq!(error.fault, Fault::Missing);
    assert!(
        error.to_string().contains("stats socket /nowhere/h.sock"),
        "{error}"
    );
}

#[test]
fn a_socket_that_a_killed_haproxy_left_refuses() {
    let haproxy = HaProxy::start(&listen("a", free_port(), "127.0.0.1:1", ""));
    haproxy.kill();
    assert_eq!(error_at(&haproxy.socket()).fault, Fault::Refused);
    assert_eq!(
        error_at(&format!("127.0.0.1:{}", free_port())).fault,
        Fault::Refused
    );
}

#[test]
fn a_hung_haproxy_costs_a_second_and_not_more() {
    let one = server("one");
    let haproxy = HaProxy::start(&listen("a", free_port(), &one.endpoint(), ""));
    haproxy.stop();
    let error = error_at(&haproxy.socket());
    assert_eq!((error.fault, error.begun), (Fault::TimedOut, false));
    haproxy.cont();
    assert_eq!(address_of(&haproxy, "a").1, one.port());
}

#[test]
fn a_unix_socket_whose_queue_is_full_costs_a_second_and_not_more() {
    let dir = Scratch::new("full");
    let path = dir.join("h.sock");
    let listener = UnixListener::bind(&path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    assert_eq!(error_at(path.to_str().unwrap()).fault, Fault::TimedOut);
}

#[test]
fn a_peer_that_is_silent_or_trickles_costs_a_second_and_not_more() {
    let modes = [
        Mode::Silent,
        Mode::Full,
        Mode::DripGreeting(Duration::from_millis(50)),
        Mode::garbage(),
    ];
    for mode in modes {
        let peer = Misbehaving::start(mode.clone());
        let error = error_at(&peer.endpoint());
        assert_eq!(error.fault, Fault::TimedOut, "{mode:?}");
    }
}

#[test]
fn a_peer_that_closes_or_resets_is_an_error() {
    for mode in [Mode::Close, Mode::Reset] {
        let peer = Misbehaving::start(mode.clone());
        let fault = error_at(&peer.endpoint()).fault;
        let expected = matches!(fault, Fault::Broken(_) | Fault::NotHaproxy(_));
        assert!(expected, "{mode:?}: {fault:?}");
    }
}

#[test]
fn another_protocol_on_the_socket_is_named_with_what_it_says() {
    let peer = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n", 1);
    let error = error_at(&peer);
    assert_eq!(
        error.fault,
        Fault::NotHaproxy("HTTP/1.1 400 Bad Request".to_owned())
    );
}

#[test]
fn an_answer_without_end_is_given_up() {
    let fault = error_at(&answering(&[b'x'; 1 << 16], usize::MAX)).fault;
    assert!(
        matches!(fault, Fault::TooLong | Fault::TimedOut),
        "{fault:?}"
    );
}

#[test]
fn an_haproxy_without_the_commands_is_told_from_a_stranger() {
    let peer = answering(b"Unknown command. Please enter one of the following\n", 1);
    assert_eq!(error_at(&peer).fault, Fault::TooOld);
}

#[test]
fn a_stopping_haproxy_is_not_switched() {
    let peer = answering(b"Name: HAProxy\nStopping: 1\n\n1\n# be_id be_name\n", 1);
    assert_eq!(error_at(&peer).fault, Fault::Stopping);
}

/// HAProxy says yes and does nothing: the caller must hear of it.
#[test]
fn a_server_that_did_not_move_is_named_and_a_reload_is_asked_for() {
    let state = b"1\n# be_id be_name srv_name srv_addr srv_op_state srv_admin_state srv_port\n\
                  2 a s 127.0.0.1 2 0 7\n\n";
    let error = error_at(&answering(state, 1));
    assert!(error.begun);
    let text = error.to_string();
    for part in ["a/s", "port 1 ", "port 7", "reload haproxy"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

/// The address of one who answers every line with these bytes, so many times over, and closes.
fn answering(bytes: &[u8], times: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let bytes = bytes.to_vec();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 8192]);
            let _ = (0..times).try_for_each(|_| stream.write_all(&bytes));
        }
    });
    address
}

//! Connections that are refused, cut, slow, stale or shared.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::*;
use crate::store::consul::script::Request;

#[test]
fn requests_share_one_connection_after_any_complete_answer() {
    let server = Server::start(|r: &Request| match r.line().starts_with("GET") {
        true => Act::Send(answer(404, "")),
        false => Act::Send(answer(403, "Permission denied")),
    });
    let store = store(&server, LONG);
    for _ in 0..20 {
        assert_eq!(store.read(&key()), Ok(Entry::Absent));
        assert!(put(&store, 0).is_err());
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn many_threads_open_a_bounded_number_of_connections() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(2));
        Act::Send(answer(404, ""))
    });
    let store = store(&server, LONG);
    std::thread::scope(|scope| {
        for _ in 0..150 {
            scope.spawn(|| assert_eq!(store.read(&key()), Ok(Entry::Absent)));
        }
    });
    assert!(server.connections() <= 32, "{}", server.connections());
    assert_eq!(server.requests().len(), 150);
}

#[test]
fn refused_says_so_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let store = Consul::new(settings(&address.to_string(), None, LONG)).unwrap();
    let what = "connection refused; is the agent running?";
    assert_eq!(
        store.read(&key()).unwrap_err().0,
        format!("reading {KEY} from consul http://{address}: {what}")
    );
    assert_eq!(
        put(&store, 1).unwrap_err().0,
        format!("writing {KEY} to consul http://{address}: {what}")
    );
}

#[test]
fn a_slow_server_costs_the_timeout_and_is_not_asked_twice() {
    let pause = Duration::from_millis(20);
    let acts: [fn(Duration) -> Act; 4] = [
        |_| Act::Silence,
        |pause| Act::Trickle(answer(200, &"x".repeat(10_000)), pause),
        |_| Act::Send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntrue".to_owned()),
        |_| Act::Send("HTTP/1.1 404 Not".to_owned()),
    ];
    for act in acts {
        let server = Server::start(move |_| act(pause));
        let store = store(&server, SHORT);
        for what in ["reading", "writing"] {
            let started = Instant::now();
            let error = match what {
                "reading" => store.read(&key()).unwrap_err(),
                _ => put(&store, 1).unwrap_err(),
            };
            assert!(started.elapsed() >= SHORT, "{error}");
            assert!(
                started.elapsed() < SHORT + Duration::from_secs(5),
                "{error}"
            );
            assert!(error.0.ends_with(": timed out after 0.3 s"), "{error}");
        }
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn a_server_that_takes_no_connection_costs_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let store = Consul::new(settings(&address, None, SHORT)).unwrap();
    let error = store.read(&key()).unwrap_err();
    assert!(error.0.ends_with("timed out after 0.3 s"), "{error}");
}

#[test]
fn endless_answers_are_cut_off() {
    let length = 3 * 1024 * 1024;
    let body = answer(200, &"x".repeat(length));
    let unsized_body = format!("HTTP/1.0 200 OK\r\n\r\n{}", "x".repeat(length));
    let header = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(length));
    for text in [body, unsized_body, header] {
        let server = Server::start(move |_| Act::SendAndClose(text.clone()));
        let error = store(&server, LONG).read(&key()).unwrap_err();
        assert_one_line(&error);
    }
}

#[test]
fn the_largest_value_that_consul_stores_is_read() {
    let body = pair(&base64_json(&vec![b' '; 512 * 1024]));
    assert!(matches!(read_of(200, &body), Ok(Entry::Malformed { .. })));
}

#[test]
fn what_is_not_http_is_an_error() {
    for text in ["SSH-2.0-OpenSSH\r\n", "\0\0\0\0\r\n\r\n", "HTTP/1.1 200\r"] {
        let server = Server::start(move |_| Act::SendAndClose(text.to_owned()));
        let error = store(&server, LONG).read(&key()).unwrap_err();
        assert_one_line(&error);
    }
}

#[test]
fn a_server_that_closes_at_once_is_asked_twice_and_is_an_error() {
    let server = Server::start(|_| Act::SendAndClose(String::new()));
    let store = store(&server, LONG);
    let error = store.read(&key()).unwrap_err();
    assert!(error.0.contains("closed before the answer"), "{error}");
    assert_eq!(server.requests().len(), 2);
    assert!(put(&store, 1).is_err());
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_server_that_resets_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let store = Consul::new(settings(&address, None, LONG)).unwrap();
    std::thread::scope(|scope| {
        // Closing with the request unread sends a reset.
        scope.spawn(|| {
            for _ in 0..2 {
                let (stream, _) = listener.accept().unwrap();
                stream.peek(&mut [0]).unwrap();
            }
        });
        let error = store.read(&key()).unwrap_err();
        assert!(error.0.to_lowercase().contains("reset"), "{error}");
        assert_one_line(&error);
    });
}

/// Answers the first request of the first connection, closes that connection on the second one,
/// and answers `later` on every further connection.
fn stale_first_connection(later: &'static str) -> Server {
    let seen = AtomicUsize::new(0);
    Server::start(move |r: &Request| {
        let nth = seen.fetch_add(1, Ordering::SeqCst);
        match (r.connection, nth) {
            (0, 0) => Act::Send(answer(404, "")),
            (0, _) => Act::SendAndClose(String::new()),
            _ if r.line().starts_with("GET") => {
                Act::Send(answer(200, &pair(&base64_json(later.as_bytes()))))
            }
            _ => Act::Send(answer(200, later)),
        }
    })
}

#[test]
fn a_write_on_a_stale_connection_is_repeated_once_on_a_new_one() {
    let server = stale_first_connection("true");
    let store = store(&server, LONG);
    store.read(&key()).unwrap();
    assert_eq!(put(&store, 17), Ok(Swap::Stored));
    let requests = server.requests();
    let on: Vec<usize> = requests.iter().map(|r| r.connection).collect();
    assert_eq!(on, [0, 0, 1]);
    assert_eq!(requests[1].line(), requests[2].line());
    assert_eq!(requests[1].body, requests[2].body);
}

#[test]
fn a_read_on_a_stale_connection_is_repeated_too() {
    let server = stale_first_connection(VALUE);
    let store = store(&server, LONG);
    store.read(&key()).unwrap();
    assert!(matches!(store.read(&key()), Ok(Entry::Present { .. })));
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn an_idle_connection_that_was_closed_costs_no_repetition() {
    let server = Server::start(|_| Act::SendAndClose(answer(404, "")));
    let store = store(&server, LONG);
    for _ in 0..3 {
        assert_eq!(store.read(&key()), Ok(Entry::Absent));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_repeated_write_that_is_refused_was_ours_if_the_key_holds_it() {
    let other = VALUE.replace("10.0.21.5", "10.0.21.6");
    for (value, flags, swap) in [
        (VALUE.to_owned(), 1, Swap::Stored),
        (VALUE.to_owned(), 2, Swap::Lost),
        (other, 1, Swap::Lost),
    ] {
        let body = pair(&base64_json(value.as_bytes()))
            .replace("\"Flags\":2", &format!("\"Flags\":{flags}"));
        let server = Server::start(move |r: &Request| match r.connection {
            0 => Act::SendAndClose(String::new()),
            _ if r.line().starts_with("GET") => Act::Send(answer(200, &body)),
            _ => Act::Send(answer(200, "false")),
        });
        assert_eq!(put(&store(&server, LONG), 16), Ok(swap));
    }
}

#[test]
fn it_speaks_over_a_unix_socket_and_keeps_the_connection() {
    let socket = Socket::new("speaks");
    let server = Server::start_unix(&socket.0, |r: &Request| match r.line() {
        line if line.starts_with("PUT") => Act::Send(answer(200, "true")),
        _ => Act::Send(answer(200, &pair(&base64_json(VALUE.as_bytes())))),
    });
    let store = store(&server, LONG);
    assert!(matches!(store.read(&key()), Ok(Entry::Present { .. })));
    assert_eq!(put(&store, 17), Ok(Swap::Stored));
    assert_eq!(server.connections(), 1);
    assert!(server.requests()[0].head.contains("host: localhost\r\n"));
}

#[test]
fn a_unix_socket_is_bounded_like_a_tcp_connection() {
    let socket = Socket::new("bounded");
    let error = |text: &str| {
        let store = Consul::new(settings(text, None, SHORT)).unwrap();
        store.read(&key()).unwrap_err()
    };
    let address = format!("unix://{}", socket.0.display());
    assert!(error(&address).0.contains("no such socket"));
    {
        let server = Server::start_unix(&socket.0, |_| Act::Silence);
        assert!(
            error(&server.address())
                .0
                .ends_with("timed out after 0.3 s")
        );
    }
    assert!(error(&address).0.contains("connection refused"));
    std::fs::remove_file(&socket.0).unwrap();
    {
        let server = Server::start_unix(&socket.0, |_| Act::SendAndClose(String::new()));
        assert!(error(&server.address()).0.contains("closed before"));
    }
}

#[test]
fn a_unix_listener_with_a_full_queue_costs_the_timeout() {
    let socket = Socket::new("full");
    let listener = full_listener(&socket.0);
    let store = Consul::new(settings(
        &format!("unix://{}", socket.0.display()),
        None,
        SHORT,
    ))
    .unwrap();
    let started = Instant::now();
    let error = store.read(&key()).unwrap_err();
    assert!(error.0.contains("timed out"), "{error}");
    assert!(started.elapsed() >= SHORT && started.elapsed() < LONG);
    drop(listener);
}

#[test]
fn a_name_that_does_not_resolve_says_so() {
    let store = Consul::new(settings("no-such-host.invalid", None, LONG)).unwrap();
    let error = store.read(&key()).unwrap_err();
    assert!(error.0.contains("no-such-host.invalid"), "{error}");
    assert_one_line(&error);
}

#[test]
fn a_name_is_resolved_for_a_new_connection() {
    let server = Server::start(|_| Act::Send(answer(404, "")));
    let address = server.address().replace("127.0.0.1", "localhost");
    let store = Consul::new(settings(&address, None, LONG)).unwrap();
    assert_eq!(store.read(&key()), Ok(Entry::Absent));
    let head = server.requests()[0].head.clone();
    assert!(head.contains(&format!("host: {address}\r\n")), "{head}");
}

/// The standard library numbers its threads as it starts them, so two numbers in a process that
/// runs this test alone tell how many were started in between.
#[test]
fn no_request_starts_a_thread() {
    if std::env::var_os("ALONE").is_none() {
        let name = std::thread::current().name().unwrap().to_owned();
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([&name, "--exact", "--test-threads=1"])
            .env("ALONE", "1")
            .output()
            .unwrap();
        let mut shown = std::io::stdout();
        shown.write_all(&output.stdout).unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
        return;
    }
    let thread_number = || -> u64 {
        let id = std::thread::spawn(|| std::thread::current().id());
        let text = format!("{:?}", id.join().unwrap());
        let digits = text.trim_start_matches("ThreadId(").trim_end_matches(')');
        digits.parse().unwrap()
    };
    let server = Server::start(|_| Act::Send(answer(404, "")));
    let store = store(&server, LONG);
    store.read(&key()).unwrap();
    let before = thread_number();
    for _ in 0..50 {
        store.read(&key()).unwrap();
    }
    assert_eq!(thread_number(), before + 1);
    assert_eq!(server.connections(), 1);
}

#[test]
fn one_store_serves_many_threads() {
    let server = Server::start(|r: &Request| match r.line().starts_with("GET") {
        true => Act::Send(answer(404, "")),
        false => Act::Send(answer(200, "true")),
    });
    let store: Arc<dyn Store> = Arc::new(store(&server, LONG));
    assert_eq!(store.name(), "consul");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || {
                for _ in 0..20 {
                    assert_eq!(store.read(&key()), Ok(Entry::Absent));
                    let swap = store.write(&key(), &backend(), Cause::Forced, Version::ABSENT);
                    assert_eq!(swap, Ok(Swap::Stored));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A path for a socket, removed at the end.
struct Socket(std::path::PathBuf);

impl Socket {
    fn new(name: &str) -> Socket {
        let name = format!("confd_haproxy-{}-{name}.sock", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        Socket(path)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A listener with room for one connection, which is taken.
fn full_listener(path: &std::path::Path) -> impl Sized {
    use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketType};
    let socket = net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    net::bind(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    net::listen(&socket, 0).unwrap();
    let first = std::os::unix::net::UnixStream::connect(path).unwrap();
    (socket, first)
}

#[test]
fn of_several_addresses_the_first_that_serves_is_used_and_stays_in_use() {
    let lonely = Server::start(|_| Act::Send(answer(500, "No known Consul servers")));
    let (one, two) = (
        Server::start(|_| Act::Send(answer(404, ""))),
        Server::start(|_| Act::Send(answer(404, ""))),
    );
    let addresses = [&lonely, &one, &two].map(|s| s.address().parse().unwrap());
    let store = Consul::new(Settings {
        addresses: addresses.to_vec(),
        ..settings(&lonely.address(), None, LONG)
    })
    .unwrap();
    for _ in 0..3 {
        assert_eq!(store.read(&key()), Ok(Entry::Absent));
    }
    assert_eq!(lonely.requests().len(), 1);
    assert_eq!((one.requests().len(), two.requests().len()), (3, 0));
    let gone = one.address();
    drop(one);
    for _ in 0..3 {
        assert_eq!(store.read(&key()), Ok(Entry::Absent));
    }
    assert_eq!(two.requests().len(), 3);
    drop(two);
    let error = store.read(&key()).unwrap_err().0;
    assert!(error.contains("500 No known Consul servers"), "{error}");
    assert!(
        error.contains(&format!("{gone}: connection refused")),
        "{error}"
    );
}

#[test]
fn a_silent_agent_costs_its_share_of_the_time_and_a_write_that_it_may_have_made_is_looked_up() {
    let silent = Server::start(|_| Act::Silence);
    let written = answer(200, &pair(&base64_json(VALUE.as_bytes())));
    let other = Server::start(move |r: &Request| match r.line().starts_with("GET") {
        true => Act::Send(written.clone()),
        false => Act::Send(answer(200, "false")),
    });
    let addresses = [&silent, &other].map(|s| s.address().parse().unwrap());
    let store = Consul::new(Settings {
        addresses: addresses.to_vec(),
        ..settings(&silent.address(), None, Duration::from_secs(2))
    })
    .unwrap();
    let started = Instant::now();
    let swap = store.write(&key(), &backend(), Cause::Voluntary, Version(1));
    assert_eq!(swap, Ok(Swap::Stored));
    assert!(started.elapsed() < Duration::from_secs(10));
}

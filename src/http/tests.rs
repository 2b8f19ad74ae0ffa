//! The server with real connections: clients that behave, and every way of not behaving.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;

const SHORT: Duration = Duration::from_millis(300);

/// A server with a page of `size` bytes at `/page`, whose clients may take `limit`.
fn start(size: usize, limit: Duration) -> SocketAddr {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let body = Arc::new("x".repeat(size));
    let pages = move |path: &str| match path {
        "/panic" => panic!("a page that cannot be made"),
        path => Answer {
            status: if path == "/page" { 200 } else { 404 },
            kind: "text/plain",
            body: Arc::clone(&body),
        },
    };
    let mut server = Server {
        listener,
        pages: Box::new(pages),
        clients: Vec::new(),
        limit,
    };
    thread::spawn(move || {
        loop {
            let turned = panic::catch_unwind(AssertUnwindSafe(|| server.turn()));
            if turned.is_err() {
                server.clients.clear();
            }
        }
    });
    address
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    stream
}

/// What the server says to this, to the end of the connection.
fn ask(to: SocketAddr, request: &str) -> String {
    let mut stream = connect(to);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Waits until the server closes the connection.
fn is_closed(mut stream: &TcpStream) -> bool {
    let mut rest = Vec::new();
    // A reset will do as well.
    let _ = stream.read_to_end(&mut rest);
    rest.is_empty()
}

#[test]
fn a_page_has_its_length_and_the_connection_ends_with_it() {
    let address = start(3, LIMIT);
    let answer = ask(address, "GET /page?a HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nContent-Length: 3\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nxxx"), "{answer}");
    let head = ask(address, "HEAD /page HTTP/1.1\r\n\r\n");
    assert!(head.contains("\r\nContent-Length: 3\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    assert!(ask(address, "GET /x HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 404 "));
}

#[test]
fn garbage_is_refused_and_what_is_too_long_too() {
    let address = start(3, LIMIT);
    assert!(ask(address, "\x16\x03\x01\x02\x00\x01").starts_with("HTTP/1.1 400 "));
    assert!(ask(address, "PUT /page HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
    let endless = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000));
    assert!(ask(address, &endless).starts_with("HTTP/1.1 431 "));
}

#[test]
fn a_request_may_come_letter_by_letter() {
    let address = start(3, LIMIT);
    let mut stream = connect(address);
    for byte in b"GET /page HTTP/1.0\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nxxx"), "{answer}");
}

#[test]
fn slow_clients_hold_up_nobody_and_are_cut_off() {
    // More than the sockets' buffers hold: whoever does not read keeps the server from sending.
    let address = start(20 << 20, SHORT);
    let silent: Vec<TcpStream> = (0..10).map(|_| connect(address)).collect();
    let mut deaf: Vec<TcpStream> = (0..10).map(|_| connect(address)).collect();
    for stream in &mut deaf {
        stream.write_all(b"GET /page HTTP/1.0\r\n\r\n").unwrap();
    }
    let started = Instant::now();
    assert!(ask(address, "HEAD /page HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200 "));
    assert!(started.elapsed() < SHORT, "{:?}", started.elapsed());
    assert!(silent.iter().all(is_closed));
}

#[test]
fn a_crowd_does_not_keep_a_newcomer_out() {
    let address = start(3, Duration::from_secs(600));
    let crowd: Vec<TcpStream> = (0..MOST + 5).map(|_| connect(address)).collect();
    assert!(ask(address, "GET /page HTTP/1.0\r\n\r\n").ends_with("xxx"));
    assert!(
        crowd.first().is_some_and(is_closed),
        "who came first goes first"
    );
}

#[test]
fn a_page_that_cannot_be_made_ends_no_more_than_its_connections() {
    let address = start(3, LIMIT);
    assert_eq!(ask(address, "GET /panic HTTP/1.0\r\n\r\n"), "");
    assert!(ask(address, "GET /page HTTP/1.0\r\n\r\n").ends_with("xxx"));
}

#[test]
fn an_address_that_is_taken_is_said_to_be() {
    let taken = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = taken.local_addr().unwrap();
    let problem = bind(address).unwrap_err();
    assert_eq!(
        problem,
        format!("cannot listen on {address}: another program does; choose another port")
    );
    let foreign = bind("192.0.2.1:9".parse().unwrap()).unwrap_err();
    assert!(
        foreign.starts_with("cannot listen on 192.0.2.1:9: "),
        "{foreign}"
    );
}

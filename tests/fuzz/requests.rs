//! Requests to `--listen`, mutated: each gets an answer or the end of its connection, and the next good one
//! its page.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use confd_haproxy::http;
use confd_haproxy::metrics::{Metrics, Pages};

use crate::cases::run;

const REQUESTS: &[&[u8]] = &[
    b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9633\r\nUser-Agent: Prometheus/2.45\r\n\r\n",
    b"OPTIONS /health/slave3301 HTTP/1.0\r\n\r\n",
    b"HEAD /health/a.b-c_D?x=%00 HTTP/1.1\r\nAccept: */*\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
];

/// All that is said to these bytes.
fn ask(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    let limit = Duration::from_secs(20);
    stream.set_read_timeout(Some(limit)).unwrap();
    stream.set_write_timeout(Some(limit)).unwrap();
    // It may have heard enough before all is said, and reset the connection.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    answer
}

#[test]
fn any_request_is_answered_or_dropped_and_the_next_one_is_served() {
    let listener = http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let mut pages = Pages::new(Arc::new(Metrics::default()));
    http::serve(listener, Box::new(move |path| pages.answer(path))).unwrap();
    let inputs: Vec<Vec<u8>> = REQUESTS.iter().map(|request| request.to_vec()).collect();
    run("requests", |random| {
        let answer = ask(address, &random.mutated(&inputs));
        let good = answer.is_empty() || answer.starts_with(b"HTTP/1.1 ");
        assert!(good, "{}", String::from_utf8_lossy(&answer));
        let page = ask(address, REQUESTS[0]);
        assert!(page.starts_with(b"HTTP/1.1 200 OK\r\n"));
    });
}

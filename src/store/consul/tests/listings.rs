//! Whole prefixes: what Consul says of them, and what is no list.

use super::*;

fn reader(server: &Server, token: Option<&str>) -> PrefixReader {
    PrefixReader::new(
        settings(&server.address(), token, LONG),
        "haproxy/mysqlslave",
    )
    .unwrap()
}

fn list_of(status: u16, headers: &'static str, body: &str) -> Result<Listing, StoreError> {
    let text = answer_with(status, headers, body);
    let server = Server::start(move |_| Act::Send(text.clone()));
    reader(&server, None).list()
}

const INDEX: &str = "X-Consul-Index: 99\r\n";
const HIDDEN: &str = "X-Consul-Index: 9\r\nX-Consul-Results-Filtered-By-ACLs: true\r\n";

#[test]
fn a_listing_has_keys_values_flags_and_the_index() {
    let body = format!(
        "[{},{},{}]",
        r#"{"Key":"haproxy/mysqlslave/a","Flags":7,"Value":"eA==","ModifyIndex":5}"#,
        r#"{"Key":"haproxy/mysqlslave2/b","Flags":18446744073709551615,"Value":null,"ModifyIndex":5}"#,
        r#"{"Key":"c","Flags":0,"Value":"/w==","ModifyIndex":5}"#,
    );
    let listing = list_of(200, INDEX, &body).unwrap();
    let listed = |key: &str, value: &str, flags| Listed {
        key: key.to_owned(),
        value: value.to_owned(),
        flags,
    };
    let wanted = [
        listed("haproxy/mysqlslave/a", "x", 7),
        listed("haproxy/mysqlslave2/b", "", u64::MAX),
        listed("c", "\u{fffd}", 0),
    ];
    assert_eq!((listing.index, listing.pairs.as_slice()), (99, &wanted[..]));
}

#[test]
fn an_empty_404_with_an_index_is_an_empty_listing() {
    let wanted = Listing {
        index: 99,
        pairs: Vec::new(),
    };
    assert_eq!(list_of(404, INDEX, ""), Ok(wanted));
}

#[test]
fn whatever_is_not_certain_is_an_error_in_one_line() {
    let good = pair("null");
    let cases: [(u16, &str, &str, &str); 15] = [
        (404, "", "", "not Consul's KV interface"),
        (404, INDEX, "no such page", "not Consul's KV interface"),
        (404, HIDDEN, "", "may not read"),
        (200, HIDDEN, "[]", "may not read"),
        (200, "", &good, "X-Consul-Index"),
        (200, "X-Consul-Index: -1\r\n", &good, "X-Consul-Index"),
        (200, INDEX, "", "no list of keys"),
        (200, INDEX, "No cluster leader", "No cluster leader"),
        (200, INDEX, "{}", "no list of keys"),
        (200, INDEX, &good.replace("null", "\"***\""), "base64"),
        (200, INDEX, &good.replace("null", "{}"), "no string"),
        (403, "", "Permission denied", "enable_key_list_policy"),
        (429, "", "too many", "429 too many"),
        (500, "", "No cluster leader", "500 No cluster leader"),
        (503, "", "\n\u{7}later\n", "503  later"),
    ];
    for (status, headers, body, wanted) in cases {
        let headers: &'static str = headers.to_owned().leak();
        let error = list_of(status, headers, body).unwrap_err();
        assert!(error.0.contains(wanted), "{error}");
        assert!(
            error
                .0
                .starts_with("listing haproxy/mysqlslave in consul http://")
        );
        assert_one_line(&error);
    }
}

#[test]
fn a_listing_of_many_megabytes_is_read_and_an_endless_one_is_not() {
    let value = base64_json(&vec![b'x'; 512 * 1024]);
    let list = |count: usize| {
        let element = pair(&value);
        let element = element.trim_matches(['[', ']']);
        format!("[{}]", vec![element; count].join(","))
    };
    let text = answer_with(200, INDEX, &list(20));
    let server = Server::start(move |_| Act::Send(text.clone()));
    assert_eq!(reader(&server, None).list().unwrap().pairs.len(), 20);
    let text = answer_with(200, INDEX, &list(30));
    let server = Server::start(move |_| Act::SendAndClose(text.clone()));
    let error = reader(&server, None).list().unwrap_err();
    assert!(error.0.contains("longer than 16777216 bytes"), "{error}");
}

#[test]
fn the_request_names_prefix_index_and_wait_and_carries_the_token() {
    let server = Server::start(|_| Act::Send(answer(404, "")));
    let settings = settings(&server.address(), Some(TOKEN), LONG);
    let reader = PrefixReader::new(settings, "a b/%ü?x").unwrap();
    reader.list().unwrap();
    reader.list_after(7, Duration::from_secs(30), LONG).unwrap();
    let requests = server.requests();
    // Each empty answer is followed by a question whether that may be seen.
    assert_eq!(
        requests[1].line(),
        "GET /v1/kv/a%20b/%25%C3%BC%3Fx/ HTTP/1.1"
    );
    assert_eq!(
        requests[0].line(),
        "GET /v1/kv/a%20b/%25%C3%BC%3Fx?recurse HTTP/1.1"
    );
    assert!(
        requests[2]
            .line()
            .contains("?recurse&index=7&wait=30000ms ")
    );
    assert!(requests[2].head.contains(TOKEN));
    assert!(!format!("{reader:?}").contains(TOKEN));
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_hung_agent_costs_the_timeout_and_stop_ends_a_request_at_once() {
    let path = std::env::temp_dir().join(format!("confd_haproxy-{}-stop", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let servers = [
        Server::start(|_| Act::Silence),
        Server::start_unix(&path, |_| Act::Silence),
    ];
    for server in servers {
        let reader = reader(&server, None);
        let error = reader.list_after(1, LONG, SHORT).unwrap_err();
        assert!(error.0.ends_with("timed out after 0.3 s"), "{error}");
        let started = std::time::Instant::now();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| reader.list_after(1, LONG, LONG));
            while server.requests().len() < 2 {
                std::thread::sleep(Duration::from_millis(5));
            }
            reader.stop();
            assert!(waiting.join().unwrap().is_err());
        });
        assert!(started.elapsed() < LONG / 2);
        assert!(reader.list().is_err());
        assert_eq!(server.requests().len(), 2);
    }
    let _ = std::fs::remove_file(&path);
}

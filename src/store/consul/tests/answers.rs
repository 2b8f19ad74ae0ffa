//! Every answer that Consul gives, and many that it does not.

use super::*;

#[test]
fn an_empty_404_is_absent() {
    assert_eq!(read_of(404, ""), Ok(Entry::Absent));
    assert_eq!(read_of(404, "\n"), Ok(Entry::Absent));
}

#[test]
fn a_404_that_says_something_is_not_consuls() {
    let error = read_of(404, "404 page not found\n").unwrap_err();
    assert!(error.0.contains("not Consul's KV interface"), "{error}");
}

#[test]
fn an_empty_404_without_an_index_is_some_other_servers() {
    for headers in ["", "X-Consul-Index: x\r\n", "X-Consul-Index:\r\n"] {
        let text = answer_with(404, headers, "");
        let server = Server::start(move |_| Act::Send(text.clone()));
        let error = store(&server, LONG).read(&key()).unwrap_err();
        assert!(error.0.contains("not Consul's KV interface"), "{error}");
    }
}

#[test]
fn a_404_that_is_cut_short_is_not_absent() {
    let server = Server::start(|_| {
        Act::SendAndClose("HTTP/1.1 404 Not Found\r\nContent-Length: 19\r\n\r\n".to_owned())
    });
    assert!(store(&server, LONG).read(&key()).is_err());
}

#[test]
fn a_value_comes_with_its_cause_and_version() {
    let entry = read_of(200, &pair(&base64_json(VALUE.as_bytes()))).unwrap();
    let wanted = Entry::Present {
        backend: backend(),
        cause: Cause::Voluntary,
        version: Version(17),
    };
    assert_eq!(entry, wanted);
}

#[test]
fn a_value_that_is_not_ours_is_malformed_and_keeps_its_version() {
    let long = format!(r#"{{"name":"{}"}}"#, "x\\u001b".repeat(500));
    let cases: [(&[u8], &str); 7] = [
        (b"x", "not a JSON object"),
        (b"\xff\xfe\x00", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b"{}", "\"name\""),
        (long.as_bytes(), "name"),
        (
            br#"{"name":"a","host":"h\n","port":1,"proxyport":2}"#,
            "host",
        ),
        (
            br#"{"name":"a","host":"h","port":99999,"proxyport":2}"#,
            "port",
        ),
    ];
    for (value, wanted) in cases {
        let Entry::Malformed { problem, version } =
            read_of(200, &pair(&base64_json(value))).unwrap()
        else {
            panic!("{value:?} was understood");
        };
        assert!(problem.contains(wanted), "{problem}");
        assert!(!problem.chars().any(char::is_control), "{problem:?}");
        assert!(problem.chars().count() <= 200, "{problem}");
        assert_eq!(version, Version(17));
    }
}

#[test]
fn an_empty_value_is_malformed() {
    for value in ["null", "\"\""] {
        let wanted = Entry::Malformed {
            problem: "empty value".to_owned(),
            version: Version(17),
        };
        assert_eq!(read_of(200, &pair(value)), Ok(wanted), "{value}");
    }
}

#[test]
fn a_200_that_is_not_consuls_answer_is_an_error() {
    let good = pair(&base64_json(VALUE.as_bytes()));
    let one = good.trim_start_matches('[').trim_end_matches(']');
    let cases = [
        String::new(),
        "No cluster leader".to_owned(),
        "<html>\r\nlogin".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        one.to_owned(),
        format!("[{one},{one}]"),
        format!("[{one}"),
        format!("{good}x"),
        good.replace("slave3301\"", "slave3302\""),
        good.replace("\"ModifyIndex\":17", "\"ModifyIndex\":0"),
        good.replace("\"ModifyIndex\":17", "\"ModifyIndex\":-1"),
        good.replace("\"ModifyIndex\":17", "\"X\":1"),
        good.replace("\"Flags\":2", "\"Flags\":\"2\""),
        good.replace("\"Value\"", "\"X\""),
        pair("7"),
        pair("\"***\""),
        pair("\"YQ\""),
    ];
    for body in cases {
        let error = read_of(200, &body).expect_err(&body);
        assert!(error.0.starts_with("reading haproxy/"), "{error}");
        assert_one_line(&error);
    }
    let error = read_of(200, "No cluster leader").unwrap_err();
    assert!(error.0.ends_with(": No cluster leader"), "{error}");
}

#[test]
fn other_statuses_are_errors_that_repeat_what_was_said() {
    let cases = [
        (400, "Conflicting flags: a"),
        (301, "Moved"),
        (429, "Your IP is issuing too many concurrent connections"),
        (500, "No cluster leader"),
        (500, "rpc error making call: EOF"),
        (503, ""),
        (204, ""),
    ];
    for (status, said) in cases {
        for error in [
            read_of(status, said).unwrap_err(),
            write_of(status, said).unwrap_err(),
        ] {
            assert!(error.0.contains(&format!(": {status} ")), "{error}");
            assert!(error.0.contains(said), "{error}");
        }
    }
    let noise = "\n\n \u{1b}[31mbad\u{7} gateway\nsecond line";
    let error = read_of(502, noise).unwrap_err();
    assert!(error.0.ends_with("502  [31mbad  gateway"), "{error}");
    assert_one_line(&read_of(500, &"x".repeat(100_000)).unwrap_err());
}

#[test]
fn a_403_says_which_permission_is_missing_and_what_to_do() {
    let said = answer(403, "rpc error making call: Permission denied\n");
    let server = Server::start(move |_| Act::Send(said.clone()));
    let without = store(&server, LONG);
    let with = Consul::new(settings(&server.address(), Some(TOKEN), LONG)).unwrap();

    let read = without.read(&key()).unwrap_err();
    assert_eq!(
        read.0,
        format!(
            "reading {KEY} from consul http://{}: 403 rpc error making call: Permission denied: \
             read permission on {KEY} is missing; no token was given: use --token or \
             CONSUL_HTTP_TOKEN, with a token whose policy has \
             key_prefix \"haproxy/\" {{ policy = \"write\" }}",
            server.address()
        )
    );
    let write = put(&with, 1).unwrap_err();
    assert!(write.0.contains("write permission"), "{write}");
    assert!(write.0.contains("check the token"), "{write}");
    assert!(write.0.contains("policy = \"write\""), "{write}");
}

#[test]
fn a_write_sends_the_original_byte_form_with_cas_and_flags() {
    let server = Server::start(|_| Act::Send(answer(200, "true\n")));
    assert_eq!(put(&store(&server, LONG), 17), Ok(Swap::Stored));
    let requests = server.requests();
    let [request] = requests.as_slice() else {
        panic!("{requests:?}");
    };
    let line = format!("PUT /v1/kv/{KEY}?cas=17&flags=1 HTTP/1.1");
    assert_eq!(request.line(), line);
    assert_eq!(request.body, VALUE);
    let agent = format!(
        "user-agent: confd_haproxy/{}\r\n",
        env!("CARGO_PKG_VERSION")
    );
    assert!(request.head.contains(&agent), "{}", request.head);
}

#[test]
fn a_key_that_is_absent_is_created_with_cas_0() {
    let server = Server::start(|_| Act::Send(answer(200, "false")));
    let store = store(&server, LONG);
    let swap = store.write(&key(), &backend(), Cause::Unknown, Version::ABSENT);
    assert_eq!(swap, Ok(Swap::Lost));
    let line = server.requests()[0].line().to_owned();
    assert!(line.contains("?cas=0&flags=0 "), "{line}");
}

#[test]
fn a_write_is_stored_or_lost_only_by_consuls_word() {
    for (body, swap) in [
        ("true", Swap::Stored),
        ("true\n", Swap::Stored),
        (" false\r\n", Swap::Lost),
    ] {
        assert_eq!(write_of(200, body), Ok(swap));
    }
    for body in ["", "True", "truefalse", "null", "1", "No cluster leader"] {
        let error = write_of(200, body).unwrap_err();
        assert!(error.0.starts_with("writing haproxy/"), "{error}");
    }
    assert!(write_of(404, "").is_err());
    assert!(write_of(413, "Request body(9 bytes) too large").is_err());
}

#[test]
fn the_token_is_in_its_header_and_nowhere_else() {
    let server = Server::start(|_| Act::Send(answer(500, &format!("you sent {TOKEN}"))));
    let consul = Consul::new(settings(&server.address(), Some(TOKEN), LONG)).unwrap();
    for error in [
        consul.read(&key()).unwrap_err(),
        put(&consul, 1).unwrap_err(),
    ] {
        assert!(error.0.contains("you sent *****"), "{error}");
    }
    assert!(!format!("{consul:?}").contains(TOKEN));
    for request in server.requests() {
        let header = format!("x-consul-token: {TOKEN}\r\n");
        assert!(request.head.contains(&header), "{}", request.head);
        assert!(!request.line().contains(TOKEN));
    }
}

#[test]
fn without_a_token_there_is_no_header() {
    for token in [None, Some("")] {
        let server = Server::start(|_| Act::Send(answer(404, "")));
        let consul = Consul::new(settings(&server.address(), token, LONG)).unwrap();
        consul.read(&key()).unwrap();
        assert!(!server.requests()[0].head.to_lowercase().contains("token"));
    }
}

#[test]
fn a_token_that_cannot_be_sent_is_refused_without_showing_it() {
    for token in ["s3cret\n", "s3cret x", "s3crét", "s3cret\0", "s3cret\t"] {
        let error = Consul::new(settings("localhost", Some(token), LONG)).unwrap_err();
        assert!(error.contains("--token"), "{error}");
        assert!(!error.contains("s3cr"), "{error}");
    }
}

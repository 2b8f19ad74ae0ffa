//! Every kind of difference, and that only addresses make a switch.

use super::*;

const SAMPLE: &str = include_str!("../../../etc/haproxy.sample.cfg");

const TWO: &str = "\
global
    maxconn 4000
defaults
    mode tcp
listen a
    bind 0.0.0.0:1
    server mysql 10.0.0.1:3301 check maxconn 1000
backend b
    tcp-check send PING\\r\\n
    server redis db1.example:6379 check
    server spare [2001:db8::1]:6379 backup
";

fn moves(running: &str, wanted: &str) -> Vec<ServerChange> {
    let difference = compare(running, wanted);
    let Difference::Addresses(changes) = difference else {
        panic!("{difference:?}");
    };
    changes
}

/// The reason for a reload when `from` becomes `to` in the file.
#[track_caller]
fn reason(from: &str, to: &str) -> String {
    assert!(TWO.contains(from), "{from}");
    let difference = compare(TWO, &TWO.replace(from, to));
    let Difference::Structure(reason) = difference else {
        panic!("{from:?} to {to:?}: {difference:?}");
    };
    assert!(!reason.is_empty() && !reason.contains('\n'), "{reason}");
    reason
}

#[test]
fn a_file_is_as_itself() {
    for text in ["", "\n", TWO, SAMPLE, "\u{0}#'\"\\", "server", "listen"] {
        assert_eq!(compare(text, text), Difference::None, "{text:?}");
    }
}

#[test]
fn comments_empty_lines_and_white_space_make_no_difference() {
    let other = TWO
        .replace("    ", "\t")
        .replace("check maxconn", "check   maxconn")
        .replace("listen a\n", "\n# a\nlisten a # really\n\n");
    assert_eq!(compare(TWO, &other), Difference::None);
    assert_eq!(compare(TWO, TWO.trim_end()), Difference::None);
    assert_eq!(compare(TWO, &TWO.replace('\n', "\r\n")), Difference::None);
}

#[test]
fn a_new_address_is_a_move_of_that_server() {
    let wanted = TWO.replace("10.0.0.1:3301", "10.0.0.2:3302");
    let change = ServerChange {
        proxy: "a".to_owned(),
        server: "mysql".to_owned(),
        from: "10.0.0.1:3301".to_owned(),
        to_ip: "10.0.0.2".parse().unwrap(),
        to_port: 3302.try_into().unwrap(),
    };
    assert_eq!(moves(TWO, &wanted), [change]);
}

#[test]
fn several_servers_move_together_and_in_the_order_of_the_file() {
    let wanted = TWO
        .replace("10.0.0.1:3301", "10.0.0.2:3301")
        .replace("db1.example:6379", "10.0.0.3:6379")
        .replace("[2001:db8::1]:6379", "2001:db8::2:6379");
    let names: Vec<String> = moves(TWO, &wanted)
        .iter()
        .map(|m| {
            format!(
                "{}/{} {} {} {}",
                m.proxy, m.server, m.from, m.to_ip, m.to_port
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            "a/mysql 10.0.0.1:3301 10.0.0.2 3301",
            "b/redis db1.example:6379 10.0.0.3 6379",
            "b/spare [2001:db8::1]:6379 2001:db8::2 6379",
        ]
    );
}

#[test]
fn the_same_address_in_another_form_is_no_move() {
    let wanted = TWO.replace("[2001:db8::1]:6379", "2001:DB8:0::1:6379");
    assert_eq!(compare(TWO, &wanted), Difference::None);
}

#[test]
fn a_new_address_that_is_no_ip_address_and_port_needs_a_reload() {
    for address in [
        "db2.example:3301",
        "10.0.0.2",
        "10.0.0.2:",
        "10.0.0.2:0",
        "10.0.0.2:65536",
        "10.0.0.2:+1",
        "10.0.0.2:3301-3302",
        "0.0.0.0:3301",
        "[::]:3301",
        "[10.0.0.2]:3301",
        "ipv4@10.0.0.2:3301",
        "/run/mysql.sock",
        "\"10.0.0.2:3301\"",
        "$HOST:3301",
        "10.0.0.2\\:3301",
        ":::3301",
    ] {
        let text = reason("10.0.0.1:3301", address);
        assert!(text.contains("a/mysql"), "{text}");
    }
}

#[test]
fn an_old_address_that_is_no_host_and_port_needs_a_reload() {
    for address in [
        "/run/a.sock",
        "10.0.0.1",
        "10.0.0.1:+1",
        "0.0.0.0:1",
        "\"${H}:1\"",
        "abns@x:1",
    ] {
        let running = TWO.replace("10.0.0.1:3301", address);
        let Difference::Structure(text) = compare(&running, TWO) else {
            panic!("{address}");
        };
        assert!(text.contains("was at"), "{text}");
    }
}

#[test]
fn anything_else_on_the_servers_line_needs_a_reload() {
    reason("server mysql 10.0.0.1:3301", "server other 10.0.0.2:3301");
    reason("check maxconn 1000", "check maxconn 1001");
    reason("check maxconn 1000", "check maxconn 1000 disabled");
    reason("check maxconn 1000", "check");
    reason("check maxconn", "\"check\" maxconn");
    reason("check maxconn", "maxconn check");
    reason("server mysql 10.0.0.1:3301", "server mysql");
    reason("server mysql", "default-server");
    reason("server mysql", "server-template mysql 1-3");
    reason("server mysql", "\"server\" mysql");
    reason("server mysql", "no server mysql");
}

#[test]
fn a_change_of_address_with_any_other_change_needs_a_reload() {
    let moved = TWO.replace("10.0.0.1:3301", "10.0.0.2:3301");
    for (from, to) in [
        ("maxconn 4000", "maxconn 4001"),
        ("bind 0.0.0.0:1", "bind 0.0.0.0:2"),
        ("listen a", "listen c"),
        ("listen a", "backend a"),
        ("PING\\r\\n", "PONG\\r\\n"),
        ("backend b\n", ""),
        ("    server spare [2001:db8::1]:6379 backup\n", ""),
    ] {
        let wanted = moved.replace(from, to);
        assert!(
            matches!(compare(TWO, &wanted), Difference::Structure(_)),
            "{from}"
        );
        assert!(
            matches!(compare(&wanted, TWO), Difference::Structure(_)),
            "{from}"
        );
    }
}

#[test]
fn servers_that_change_places_need_a_reload() {
    let redis = "    server redis db1.example:6379 check\n";
    let spare = "    server spare [2001:db8::1]:6379 backup\n";
    let wanted = TWO.replace(&format!("{redis}{spare}"), &format!("{spare}{redis}"));
    assert!(matches!(compare(TWO, &wanted), Difference::Structure(_)));
}

#[test]
fn a_server_outside_a_listen_or_a_backend_needs_a_reload() {
    for section in [
        "peers a",
        "ring a",
        "frontend a",
        "global",
        "log-forward a",
        "listen \"a\"",
    ] {
        let running = TWO.replace("listen a", section);
        let wanted = running.replace("10.0.0.1", "10.0.0.2");
        let difference = compare(&running, &wanted);
        assert!(
            matches!(difference, Difference::Structure(_)),
            "{section}: {difference:?}"
        );
    }
}

#[test]
fn a_name_that_means_two_things_needs_a_reload() {
    let bad = [
        "frontend a\n",
        "backend a\n",
        "listen b\n",
        "listen c\n server s 1.1.1.1:1\n server s 1.1.1.2:1\n",
        ".if defined(X)\n.endif\n",
        "\"listen\" c\n",
    ];
    for more in bad {
        let running = format!("{TWO}{more}");
        let wanted = running.replace("10.0.0.1", "10.0.0.2");
        let difference = compare(&running, &wanted);
        assert!(
            matches!(difference, Difference::Structure(_)),
            "{more}: {difference:?}"
        );
        assert_eq!(compare(&running, &running), Difference::None);
    }
}

#[test]
fn a_name_that_haproxy_resolves_again_and_again_needs_a_reload() {
    let running = TWO.replace("6379 check", "6379 check resolvers dns");
    let named = running.replace("db1.example", "10.0.0.3");
    assert!(matches!(
        compare(&running, &named),
        Difference::Structure(_)
    ));
    let literal = running.replace("10.0.0.1", "10.0.0.2");
    assert_eq!(moves(&running, &literal).len(), 1);
}

#[test]
fn a_reason_shows_no_more_than_two_words_of_a_line() {
    let text = reason("PING\\r\\n", "AUTH\\ s3cret\\r\\n");
    assert_eq!(
        text,
        "line 9 ('tcp-check send') is not as in the running file"
    );
}

/// Every line changed in every simple way: never a switch, and never nothing.
#[test]
fn no_other_change_of_any_line_of_the_sample_is_taken_for_a_move() {
    let lines: Vec<&str> = SAMPLE.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        if line.trim().is_empty() || line.trim().starts_with('#') {
            continue;
        }
        let with = |new: &[&str]| {
            [&lines[..number], new, &lines[number + 1..]]
                .concat()
                .join("\n")
        };
        let longer = format!("{line} more");
        let renamed = line.replacen(line.trim(), "other", 1);
        for wanted in [
            with(&[]),
            with(&[line, line]),
            with(&[&longer]),
            with(&[&renamed]),
        ] {
            let difference = compare(SAMPLE, &wanted);
            assert!(
                matches!(difference, Difference::Structure(_)),
                "{line}: {difference:?}"
            );
        }
    }
}

#[test]
fn the_servers_of_a_file_are_listed_by_proxy_and_name() {
    let text = format!("{TWO}peers p\n server x 10.0.0.9:1\nlisten \"q\"\n server y 10.0.0.9:2\n");
    let list: Vec<String> = servers(&text)
        .iter()
        .map(|((proxy, server), address)| format!("{proxy}/{server} {address}"))
        .collect();
    assert_eq!(
        list,
        [
            "a/mysql 10.0.0.1:3301",
            "b/redis db1.example:6379",
            "b/spare [2001:db8::1]:6379"
        ]
    );
}

//! Texts, mutated: the conf file, keys and values, TOML, templates, and rows of a status.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use confd_haproxy::backend::{Backend, Kind};
use confd_haproxy::checker::mysql::discovery;
use confd_haproxy::checker::mysql::status::{Channel, Row};
use confd_haproxy::config::{ConfFile, Settings};
use confd_haproxy::haproxy::diff;
use confd_haproxy::render::entries::Entries;
use confd_haproxy::resource::Resource;
use confd_haproxy::source::{Pair, Snapshot};
use confd_haproxy::tables::{Findings, Table};
use confd_haproxy::template::Template;

use crate::cases::{is_one_line, run};
use crate::mutate::Random;

/// A file of the tree.
pub fn shipped(path: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn inputs(paths: &[&str]) -> Vec<Vec<u8>> {
    paths
        .iter()
        .map(|path| shipped(path).into_bytes())
        .collect()
}

pub const VALUES: &[&[u8]] = &[
    br#"{"name":"slave", "host":"10.0.21.7", "port":3301, "proxyport":13351}"#,
    br#"{"proxyport":"13352","port":"3301","host":"db8.example","name":"a.b-c_D"}"#,
    br#"{"name":"slave","host":"2001:db8::7","port":3301,"proxyport":13353,"more":[{"a":null}]}"#,
    br#"{"name":"sl\u0061ve","host":"10.0.21.7\n    server evil 127.0.0.1:1","port":1,"proxyport":2}"#,
];

pub const KEYS: &[&[u8]] = &[
    b"/haproxy/mysqlslave/slave",
    b"/haproxy/memcached/mem11211",
    b"/haproxy/redismaster/a.b-c_D",
];

/// A value that was taken is one that cannot do harm in any file.
#[track_caller]
pub fn is_clean(backend: &Backend) {
    let text = backend.to_string();
    is_one_line(&text);
    let host = backend.server.host.to_string();
    let good = |c: char| c.is_ascii_alphanumeric() || ".-_:%[]".contains(c);
    assert!(!host.is_empty() && host.chars().all(good), "{host:?}");
    assert_eq!(Backend::parse(text.as_bytes()).as_ref(), Ok(backend));
}

/// The shipped template makes of any keys a file with the ports of good ones, and nothing else.
#[track_caller]
pub fn renders_cleanly(template: &Template, entries: &mut Entries, snapshot: &Snapshot) {
    let checked = entries.check(snapshot);
    for problem in &checked.problems {
        // What a key is called stands in it as it is: the logger makes one line of it.
        assert!(problem.len() < 8192 || snapshot.pairs.keys().any(|key| key.len() > 2048));
    }
    let mut ours = 0;
    for (key, value) in &checked.pairs {
        if Kind::ALL
            .iter()
            .any(|kind| key.starts_with(&format!("/haproxy/{kind}/")))
        {
            is_clean(&Backend::parse(value.as_bytes()).unwrap());
            ours += 1;
        }
    }
    let Ok(text) = template.render(&checked.pairs) else {
        return;
    };
    let empty = template.render(&BTreeMap::new()).unwrap();
    let known = |line: &str| empty.lines().any(|other| other == line);
    let added: Vec<&str> = text.lines().filter(|line| !known(line)).collect();
    for line in &added {
        assert!(is_expected(line), "{line:?} in\n{text}");
    }
    let listens = added
        .iter()
        .filter(|line| line.starts_with("listen "))
        .count();
    assert_eq!(listens, ours, "{text}");
    assert_eq!(diff::servers(&text).len(), ours, "{text}");
}

/// A line of the template's loops, with nothing but names, addresses and ports put in.
fn is_expected(line: &str) -> bool {
    const FIXED: &[&str] = &[
        "    option tcp-check",
        r"    tcp-check send version\r\n",
        "    tcp-check expect string VERSION",
        "    # Only a master gets through; of one with a password it is known only that it lives.",
        r"    tcp-check send PING\r\n",
        "    tcp-check expect rstring (PONG|NOAUTH)",
        r"    tcp-check send INFO\ replication\r\n",
        "    tcp-check expect rstring (role:master|NOAUTH)",
        "",
    ];
    const END: &str = " check maxconn 1000 on-marked-down shutdown-sessions";
    let good = |text: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        !text.is_empty() && text.chars().all(fits)
    };
    let server = |kind: &str| line.strip_prefix(&format!("    server {kind} "));
    FIXED.contains(&line)
        || line.strip_prefix("listen ").is_some_and(good)
        || line.strip_prefix("    bind 0.0.0.0:").is_some_and(good)
        || ["mysql", "memcached", "redis"]
            .into_iter()
            .filter_map(server)
            .any(|rest| rest.strip_suffix(END).is_some_and(good))
}

#[test]
fn a_conf_file_of_any_bytes_is_tags_or_errors() {
    let inputs = inputs(&["etc/db.conf"]);
    run("conf", |random| {
        let bytes = random.mutated(&inputs);
        let file = match ConfFile::parse("db.conf", &bytes) {
            Ok(file) => file,
            Err(error) => return assert!(!error.to_string().is_empty()),
        };
        for kind in Kind::ALL {
            match file.tags(&[kind], &[], &Settings::default()) {
                Ok(tags) => {
                    for tag in &tags.tags {
                        is_one_line(tag.common.name.as_str());
                    }
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    });
}

#[test]
fn a_value_of_any_bytes_is_a_clean_backend_or_an_error() {
    let inputs: Vec<Vec<u8>> = VALUES.iter().map(|value| value.to_vec()).collect();
    run("value", |random| {
        for _ in 0..200 {
            match Backend::parse(&random.mutated(&inputs)) {
                Ok(backend) => is_clean(&backend),
                Err(problem) => is_one_line(&problem),
            }
        }
    });
}

#[test]
fn keys_and_values_of_any_bytes_put_no_line_into_a_file() {
    let values: Vec<Vec<u8>> = VALUES.iter().map(|value| value.to_vec()).collect();
    let keys: Vec<Vec<u8>> = KEYS.iter().map(|key| key.to_vec()).collect();
    let text = shipped("confd/templates/haproxy.cfg.tmpl");
    let template = Template::parse("haproxy.cfg.tmpl", &text).unwrap();
    let mut entries = Entries::default();
    run("keys", |random| {
        let mut snapshot = Snapshot::default();
        for _ in 0..random.below(6) {
            let key = text_of(random.mutated(&keys));
            // Most keys would be turned away for a name that is not in the value.
            let mut value = text_of(random.mutated(&values));
            if let Some(tag) = key.rsplit('/').next()
                && random.one_in(2)
            {
                value = value.replace("slave", tag);
            }
            let flags = random.next();
            snapshot.pairs.insert(key, Pair { value, flags });
        }
        renders_cleanly(&template, &mut entries, &snapshot);
    });
}

#[test]
fn toml_of_any_bytes_is_a_resource_or_problems() {
    let inputs = inputs(&[
        "confd/conf.d/haproxy.toml",
        "confd/conf.d.single/haproxy_mysql.toml",
    ]);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", std::process::id()));
    fs::create_dir_all(dir.join("conf.d")).unwrap();
    fs::create_dir_all(dir.join("templates")).unwrap();
    fs::write(dir.join("templates/haproxy.cfg.tmpl"), "x").unwrap();
    run("toml", |random| {
        let bytes = random.mutated(&inputs);
        fs::write(dir.join("conf.d/haproxy.toml"), &bytes).unwrap();
        let (resources, problems) = Resource::load_all(&dir, "");
        assert!(resources.len() <= 1);
        for problem in problems {
            assert!(!problem.to_string().is_empty());
        }
        if let Ok(text) = std::str::from_utf8(&bytes) {
            Table::parse(text, &mut Findings::of(Path::new("confd.toml")));
        }
    });
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_template_of_any_text_ends_with_a_text_or_an_error() {
    let mut inputs = inputs(&[
        "confd/templates/haproxy.cfg.tmpl",
        "confd/templates/memcached.conf.tmpl",
        "confd/templates/slaveproxy.cnf.tmpl",
    ]);
    // Whatever looks a name up or reads the environment stays out.
    for name in ["control", "define", "glob", "json", "lists", "numbers"] {
        inputs.push(shipped(&format!("tests/templates/{name}.tmpl")).into_bytes());
    }
    inputs.retain(|text| !text_of(text.clone()).contains("lookup"));
    let pairs =
        [(KEYS[0], VALUES[0])].map(|(key, value)| (text_of(key.to_vec()), text_of(value.to_vec())));
    let pairs = BTreeMap::from(pairs);
    run("template", |random| {
        let text = text_of(random.mutated(&inputs));
        match Template::parse("t.tmpl", &text) {
            Ok(template) => drop(template.render(&pairs)),
            Err(error) => is_one_line(&error.to_string()),
        }
    });
}

#[test]
fn rows_of_any_texts_are_channels_and_replicas_or_errors() {
    const COLUMNS: &[&str] = &[
        "Master_Host",
        "Master_Port",
        "Slave_IO_Running",
        "Slave_SQL_Running",
        "Last_IO_Error",
        "Last_SQL_Error",
        "Seconds_Behind_Master",
        "Master_Server_Id",
        "Connection_name",
        "Source_Host",
        "Source_Port",
        "Replica_IO_Running",
        "Replica_SQL_Running",
        "Seconds_Behind_Source",
        "Source_Server_Id",
        "Channel_Name",
        "Host",
        "Port",
        "Command",
        "User",
        "Server_id",
    ];
    let values: Vec<Vec<u8>> = [
        "",
        "Yes",
        "No",
        "Connecting",
        "0",
        "7",
        "3301",
        "10.0.21.7",
        "db8.example:41234",
        "2001:db8::7:41234",
        "Binlog Dump",
        "monitor",
        "GRANT PROCESS ON *.* TO `m`@`%`",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    let source = "10.0.21.5:3301".parse().unwrap();
    run("rows", |random| {
        for _ in 0..100 {
            let rows: Vec<Row> = (0..random.below(4))
                .map(|_| row(random, COLUMNS, &values))
                .collect();
            for row in &rows {
                if let Ok(channel) = Channel::from_row(row) {
                    let _ = (channel.trouble(), channel.to_string());
                }
            }
            let found = discovery::registered(&rows, &source);
            for server in found.iter().chain(&discovery::dumping(&rows, &source)) {
                is_one_line(&server.to_string());
            }
            discovery::somebody_dumps(&rows);
            discovery::shows_others(&rows, "monitor");
            discovery::grants_process(&rows);
        }
    });
}

fn row(random: &mut Random, columns: &[&str], values: &[Vec<u8>]) -> Row {
    let mut fields = Vec::new();
    for column in columns {
        if random.one_in(8) {
            continue;
        }
        let value = (!random.one_in(8)).then(|| text_of(random.mutated(values)));
        fields.push(((*column).to_owned(), value));
    }
    fields.into_iter().collect()
}

pub fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

//! A MariaDB primary and its replicas, as far as a checker asks: the greeting, a login that always
//! succeeds, and the statements about replication, in the text protocol.

use std::collections::HashMap;

use crate::hosts::{Hosts, Who, port};
use crate::responder::{Memory, Service};
use crate::support::mysql_wire::{error, ok, packet};

/// The host of all primaries; the others have replicas.
pub const PRIMARY: usize = 0;

const QUIT: u8 = 1;
const QUERY: u8 = 3;

/// The columns of a replica's status, with their values, as a MariaDB 10.11 gave them.
const STATUS: &str = include_str!("../rows/mariadb-10.11.txt");

pub struct Mysql {
    hosts: Hosts,
    greeting: Vec<u8>,
    answers: HashMap<(Who, String), Vec<u8>>,
}

impl Mysql {
    pub fn new(hosts: &Hosts) -> Mysql {
        Mysql {
            hosts: hosts.clone(),
            greeting: greeting(),
            answers: HashMap::new(),
        }
    }

    /// The conf file for so many tags, with these lines in each section.
    pub fn conf(hosts: &Hosts, more: &str) -> String {
        let section = |tag| {
            format!(
                "[t{tag:04}]\nhost={}\nport={}\nuser=monitor\npassword=s3cret\nproxyport={}\n{more}\n",
                hosts.ip(PRIMARY),
                port(tag),
                port(tag) + 4000,
            )
        };
        (0..hosts.tags).map(section).collect()
    }

    fn query(&mut self, who: Who, statement: &str) -> &[u8] {
        let hosts = &self.hosts;
        self.answers
            .entry((who, statement.to_owned()))
            .or_insert_with(|| answer(hosts, who, statement))
    }
}

impl Service for Mysql {
    fn greet(&mut self, _: Who, said: &mut Vec<u8>) {
        said.extend_from_slice(&self.greeting);
    }

    fn answer(&mut self, who: Who, memory: &mut Memory, heard: &mut Vec<u8>, said: &mut Vec<u8>) {
        while let Some((payload, length)) = whole_packet(heard) {
            if !memory.logged_in {
                memory.logged_in = true;
                said.extend(ok(2));
            } else if payload.first() == Some(&QUERY) {
                let statement = String::from_utf8_lossy(&payload[1..]).into_owned();
                said.extend_from_slice(self.query(who, &statement));
            } else if payload.first() != Some(&QUIT) {
                said.extend(ok(1));
            }
            heard.drain(..length);
        }
    }
}

/// The payload of the first packet, and how long it is in all.
fn whole_packet(heard: &[u8]) -> Option<(Vec<u8>, usize)> {
    let header = heard.get(..4)?;
    let length = 4 + u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
    Some((heard.get(4..length)?.to_vec(), length))
}

/// LONG_PASSWORD, FOUND_ROWS, LONG_FLAG, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS,
/// SECURE_CONNECTION, PLUGIN_AUTH.
const CAPABILITIES: u32 = 0x0008_a20f;

fn greeting() -> Vec<u8> {
    let [low_1, low_2, high_1, high_2] = CAPABILITIES.to_le_bytes();
    let mut payload = b"\x0a5.5.5-10.11.14-MariaDB\0\x07\0\0\0abcdefgh\0".to_vec();
    payload.extend_from_slice(&[low_1, low_2, 33, 2, 0, high_1, high_2, 21]);
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
    packet(0, &payload)
}

type Column = (String, Option<String>);

fn answer(hosts: &Hosts, who: Who, statement: &str) -> Vec<u8> {
    let is_primary = who.host == PRIMARY;
    match statement {
        "SHOW ALL SLAVES STATUS" if is_primary => result(&[status(hosts, who)], 0),
        "SHOW ALL SLAVES STATUS" => result(&[status(hosts, who)], 1),
        "SELECT @@server_id AS id" => {
            let id = (who.host + 1).to_string();
            result(&[columns(&[("id", &id)])], 1)
        }
        "SHOW SLAVE HOSTS" => {
            let replicas: Vec<_> = replicas(hosts, who)
                .map(|(id, ip)| {
                    columns(&[
                        ("Server_id", &id),
                        ("Host", &ip),
                        ("Port", &port(who.tag).to_string()),
                        ("Master_id", "1"),
                    ])
                })
                .collect();
            let count = if is_primary { replicas.len() } else { 0 };
            result(&replicas, count)
        }
        "SHOW PROCESSLIST" => {
            let process = |user: &str, host: &str, command: &str| {
                columns(&[
                    ("Id", "7"),
                    ("User", user),
                    ("Host", host),
                    ("db", ""),
                    ("Command", command),
                    ("Time", "1"),
                    ("State", ""),
                    ("Info", ""),
                    ("Progress", "0.000"),
                ])
            };
            let dump =
                |(_, ip): (String, String)| process("repl", &format!("{ip}:41234"), "Binlog Dump");
            let mut rows = vec![process("monitor", "127.0.0.1:41235", "Query")];
            rows.push(process("system user", "", "Daemon"));
            if is_primary {
                rows.extend(replicas(hosts, who).map(dump));
            }
            result(&rows, rows.len())
        }
        "SHOW GRANTS" => {
            let grant = "GRANT PROCESS, SLAVE MONITOR ON *.* TO `monitor`@`%`";
            result(&[columns(&[("Grants for monitor@%", grant)])], 1)
        }
        _ => error(1, 1064, "You have an error in your SQL syntax"),
    }
}

/// The ids and addresses of a tag's replicas.
fn replicas(hosts: &Hosts, _: Who) -> impl Iterator<Item = (String, String)> {
    (PRIMARY + 1..hosts.count).map(|host| ((host + 1).to_string(), hosts.ip(host).to_string()))
}

fn columns(columns: &[(&str, &str)]) -> Vec<Column> {
    let column = |(name, value): &(&str, &str)| ((*name).to_owned(), Some((*value).to_owned()));
    columns.iter().map(column).collect()
}

fn status(hosts: &Hosts, who: Who) -> Vec<Column> {
    let healthy = STATUS.split("\n\n").next().unwrap();
    let lines = healthy.lines().filter_map(|line| line.split_once(" ="));
    let column = |(name, value): (&str, &str)| {
        let value = match (name, value.trim()) {
            ("Master_Host", _) => Some(hosts.ip(PRIMARY).to_string()),
            ("Master_Port", _) => Some(port(who.tag).to_string()),
            (_, "NULL") => None,
            (_, value) => Some(value.to_owned()),
        };
        (name.to_owned(), value)
    };
    lines.map(column).collect()
}

/// A result of the first `count` rows; their columns are those of the first.
fn result(rows: &[Vec<Column>], count: usize) -> Vec<u8> {
    let names: Vec<&str> = rows[0].iter().map(|(name, _)| name.as_str()).collect();
    let mut sequence = 0;
    let mut all = Vec::new();
    let mut put = |payload: &[u8]| {
        sequence = if sequence == u8::MAX { 0 } else { sequence + 1 };
        all.extend(packet(sequence, payload));
    };
    put(&[u8::try_from(names.len()).unwrap()]);
    for name in names {
        let mut column = Vec::new();
        for text in ["def", "", "", "", name, ""] {
            put_text(&mut column, text);
        }
        // Twelve bytes follow: utf8, the width, a VAR_STRING without flags or decimals.
        column.extend_from_slice(&[12, 33, 0, 0, 4, 0, 0, 253, 0, 0, 0, 0, 0]);
        put(&column);
    }
    let end = [0xfe, 0, 0, 2, 0];
    put(&end);
    for row in rows.iter().take(count) {
        let mut bytes = Vec::new();
        for (_, value) in row {
            match value {
                Some(text) => put_text(&mut bytes, text),
                None => bytes.push(0xfb),
            }
        }
        put(&bytes);
    }
    put(&end);
    all
}

/// Texts shorter than 251 bytes.
fn put_text(to: &mut Vec<u8>, text: &str) {
    to.push(u8::try_from(text.len()).unwrap());
    to.extend_from_slice(text.as_bytes());
}

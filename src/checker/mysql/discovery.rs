//! Who replicates from a server, as that server tells it. Pure.
//!
//! Two sources complete each other: the registered replicas (`SHOW REPLICAS`, older `SHOW SLAVE
//! HOSTS`) give real ports, but only where `report_host` is set; the process list gives the
//! address of every replica that is connected, but no port, so that the source's port is taken.

use std::collections::BTreeSet;

use crate::checker::mysql::status::Row;
use crate::endpoint::{Endpoint, Host, parse_port};

/// What a server tells about its replicas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Addresses where a replica may be, the source itself not among them.
    pub replicas: BTreeSet<Endpoint>,
    /// What the monitor user may not see, in one line with the grant that it lacks. As long as
    /// this is there, "no replicas" must not be concluded.
    pub hidden: Option<String>,
}

/// The endpoints of registered replicas. `source` is the server that was asked.
pub fn registered(rows: &[Row], source: &Endpoint) -> BTreeSet<Endpoint> {
    let endpoint = |row: &Row| {
        let host: Host = row.text(&["Host"]).parse().ok()?;
        let port = parse_port(&row.text(&["Port"])).ok()?;
        Some(Endpoint::new(as_seen_from_here(host, source), port))
    };
    rows.iter()
        .filter_map(endpoint)
        .filter(|e| e != source)
        .collect()
}

/// The endpoints behind the process list's `Binlog Dump` and `Binlog Dump GTID` threads.
pub fn dumping(process_list: &[Row], source: &Endpoint) -> BTreeSet<Endpoint> {
    process_list
        .iter()
        .filter(|row| is_dump(row))
        .filter_map(|row| peer_host(&row.text(&["Host"])))
        .map(|host| Endpoint::new(as_seen_from_here(host, source), source.port))
        .filter(|e| e != source)
        .collect()
}

/// Whether anybody replicates from this server at all.
pub fn somebody_dumps(process_list: &[Row]) -> bool {
    process_list.iter().any(is_dump)
}

/// Whether a process list shows threads of others than `user`, which takes the PROCESS privilege.
pub fn shows_others(process_list: &[Row], user: &str) -> bool {
    process_list.iter().any(|row| row.text(&["User"]) != user)
}

/// Whether `SHOW GRANTS` lists the PROCESS privilege on everything.
pub fn grants_process(grants: &[Row]) -> bool {
    grants
        .iter()
        .flat_map(Row::texts)
        .any(|line| grants_process_here(&line))
}

fn grants_process_here(line: &str) -> bool {
    let Some((privileges, _)) = line.split_once(" ON *.* ") else {
        return false;
    };
    let mut list = privileges.trim_start_matches("GRANT ").split(',');
    list.any(|privilege| matches!(privilege.trim(), "PROCESS" | "ALL PRIVILEGES"))
}

fn is_dump(row: &Row) -> bool {
    row.text(&["Command"]).starts_with("Binlog Dump")
}

/// The host of a process list's `Host`: `10.0.0.7:41234`, `2001:db8::7:41234`, `db7:41234`, or
/// `localhost` for a local socket.
fn peer_host(text: &str) -> Option<Host> {
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

/// A loopback address that another machine tells us means that machine.
fn as_seen_from_here(host: Host, source: &Endpoint) -> Host {
    match host.is_loopback() && !source.host.is_loopback() {
        true => source.host.clone(),
        false => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: &[(&str, &str)]) -> Row {
        columns
            .iter()
            .map(|(n, v)| ((*n).to_owned(), Some((*v).to_owned())))
            .collect()
    }

    fn source() -> Endpoint {
        "10.0.21.5:3301".parse().unwrap()
    }

    fn texts(found: &BTreeSet<Endpoint>) -> Vec<String> {
        found.iter().map(Endpoint::to_string).collect()
    }

    #[test]
    fn registered_replicas_keep_their_own_ports() {
        let rows = [
            row(&[
                ("Server_id", "2"),
                ("Host", "10.0.21.7"),
                ("Port", "3302"),
                ("Master_id", "1"),
            ]),
            row(&[
                ("Server_Id", "3"),
                ("Host", "db8.example"),
                ("Port", "3301"),
            ]),
            row(&[("Server_id", "4"), ("Host", ""), ("Port", "3301")]),
            row(&[("Server_id", "5"), ("Host", "bad host"), ("Port", "3301")]),
            row(&[("Server_id", "6"), ("Host", "10.0.21.9"), ("Port", "0")]),
        ];
        assert_eq!(
            texts(&registered(&rows, &source())),
            ["10.0.21.7:3302", "db8.example:3301"]
        );
    }

    #[test]
    fn dump_threads_give_the_peer_on_the_port_of_the_source() {
        let dump = |host| row(&[("Host", host), ("Command", "Binlog Dump"), ("User", "repl")]);
        let rows = [
            dump("10.0.21.7:41234"),
            dump("2001:db8::7:41234"),
            row(&[
                ("Host", "db8:5"),
                ("Command", "Binlog Dump GTID"),
                ("User", "repl"),
            ]),
            row(&[
                ("Host", "10.0.21.99:1"),
                ("Command", "Query"),
                ("User", "app"),
            ]),
        ];
        let wanted = ["10.0.21.7:3301", "[2001:db8::7]:3301", "db8:3301"];
        assert_eq!(texts(&dumping(&rows, &source())), wanted);
    }

    #[test]
    fn a_loopback_peer_is_on_the_host_of_the_source_and_the_source_is_no_replica() {
        let dump = |host| row(&[("Host", host), ("Command", "Binlog Dump")]);
        let rows = [
            dump("localhost"),
            dump("127.0.0.1:5"),
            dump("::1:5"),
            dump("10.0.21.5:7"),
        ];
        assert!(dumping(&rows, &source()).is_empty());
        let local = row(&[("Host", "127.0.0.1"), ("Port", "3302")]);
        assert_eq!(
            texts(&registered(std::slice::from_ref(&local), &source())),
            ["10.0.21.5:3302"]
        );
        let loopback = "127.0.0.1:3301".parse().unwrap();
        assert_eq!(texts(&registered(&[local], &loopback)), ["127.0.0.1:3302"]);
    }

    #[test]
    fn only_own_threads_means_that_others_may_be_hidden() {
        let own = row(&[("User", "monitor"), ("Command", "Query")]);
        let other = row(&[("User", "system user"), ("Command", "Daemon")]);
        assert!(!shows_others(std::slice::from_ref(&own), "monitor"));
        assert!(shows_others(&[own, other], "monitor"));
    }

    #[test]
    fn the_process_privilege_is_found_among_grants() {
        let cases = [
            (
                "GRANT PROCESS ON *.* TO `m`@`%` IDENTIFIED BY PASSWORD '*1'",
                true,
            ),
            (
                "GRANT SELECT, PROCESS, SLAVE MONITOR ON *.* TO `m`@`%`",
                true,
            ),
            (
                "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION",
                true,
            ),
            (
                "GRANT REPLICATION MASTER ADMIN, SLAVE MONITOR ON *.* TO `m`@`%`",
                false,
            ),
            ("GRANT ALL PRIVILEGES ON `app`.* TO `m`@`%`", false),
            ("GRANT USAGE ON *.* TO `PROCESS`@`%`", false),
        ];
        for (grant, wanted) in cases {
            assert_eq!(
                grants_process(&[row(&[("Grants for m@%", grant)])]),
                wanted,
                "{grant}"
            );
        }
    }
}

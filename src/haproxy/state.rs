//! Reads `show servers state` and `show info`. Pure.
//!
//! Source: haproxy doc/management.txt, "show servers state" and "show info". Columns are found by
//! their names, as their number grows with the versions.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::haproxy::diff::ServerName;
use crate::haproxy::error::Fault;

/// Every server.
pub type Servers = BTreeMap<ServerName, Server>;

/// One server as HAProxy has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// `None` while its name has no address, or for a unix socket.
    pub address: Option<(IpAddr, u16)>,
    /// Connections go to it (`srv_op_state` is not 0, stopped).
    pub is_up: bool,
    /// It is in maintenance or drained (`srv_admin_state` is not 0): somebody wants it so.
    pub is_held: bool,
}

/// The servers in an answer that contains `show servers state`.
pub(super) fn servers(answer: &str) -> Result<Servers, Fault> {
    let mut lines = answer.lines();
    let header = lines
        .find_map(|line| line.strip_prefix("# "))
        .filter(|header| header.starts_with("be_id "))
        .ok_or_else(|| stranger(answer))?;
    let columns: Vec<&str> = header.split_ascii_whitespace().collect();
    let place = |name: &str| columns.iter().position(|column| *column == name);
    // srv_port is there since 1.8.
    let places = [
        place("be_name"),
        place("srv_name"),
        place("srv_addr"),
        place("srv_port"),
        place("srv_op_state"),
        place("srv_admin_state"),
    ];
    if places.contains(&None) {
        return Err(Fault::TooOld);
    }
    let places = places.map(Option::unwrap_or_default);
    let rows = lines.take_while(|line| !line.is_empty());
    rows.map(|row| server(row, places).ok_or_else(|| stranger(row)))
        .collect()
}

fn server(row: &str, places: [usize; 6]) -> Option<(ServerName, Server)> {
    let words: Vec<&str> = row.split_ascii_whitespace().collect();
    let mut missing = false;
    let [proxy, name, ip, port, operation, administration] = places.map(|place| {
        words.get(place).copied().unwrap_or_else(|| {
            missing = true;
            ""
        })
    });
    let address = ip.parse().ok().zip(port.parse().ok());
    let server = Server {
        address,
        is_up: operation != "0",
        is_held: administration != "0",
    };
    (!missing).then(|| ((proxy.to_owned(), name.to_owned()), server))
}

/// A field of `show info`, such as `Version`.
pub(super) fn info<'a>(answer: &'a str, field: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.strip_prefix(field)?.strip_prefix(": ");
    answer.lines().find_map(value)
}

/// What to call one whose answer was not the one hoped for.
pub(super) fn stranger(answer: &str) -> Fault {
    let first = answer.lines().find(|line| !line.trim().is_empty());
    match first {
        Some(text) if text.starts_with("Permission denied") => Fault::Denied,
        // 1.5 knows no "show servers state"; a master knows few commands.
        Some(text) if text.starts_with("Unknown command") => Fault::TooOld,
        _ if info(answer, "Name") == Some("HAProxy") => Fault::TooOld,
        Some(text) => {
            let start: String = text.chars().take(80).collect();
            Fault::NotHaproxy(start.escape_debug().to_string())
        }
        None => Fault::NotHaproxy(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_2_6: &str = "\
1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state \
srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl \
srv_check_port srv_check_addr srv_agent_addr srv_agent_port
2 x 1 s 10.0.0.1 2 0 1 1 2 6 3 4 6 0 0 0 - 21001 - 0 0 - - 0
3 y 1 s 10.0.0.2 0 0 1 1 3 8 2 0 6 0 0 0 - 21009 - 0 0 - - 0
4 z 1 s - 0 32 1 1 4 1 0 2 0 0 0 0 db1.invalid 21001 - 0 0 - - 0
4 z 2 t 2001:db8::5 2 8 1 1 4 1 0 2 0 0 0 0 - 1 - 0 0 - - 0

";

    fn one(proxy: &str, name: &str) -> Server {
        servers(OF_2_6).unwrap()[&(proxy.to_owned(), name.to_owned())]
    }

    #[test]
    fn every_server_is_read_by_the_names_of_the_columns() {
        assert_eq!(servers(OF_2_6).unwrap().len(), 4);
        let x = one("x", "s");
        assert_eq!(x.address, Some(("10.0.0.1".parse().unwrap(), 21001)));
        assert!(x.is_up && !x.is_held);
        assert!(!one("y", "s").is_up);
        assert!(one("z", "t").is_held);
        assert_eq!(
            one("z", "t").address,
            Some(("2001:db8::5".parse().unwrap(), 1))
        );
    }

    #[test]
    fn a_server_whose_name_did_not_resolve_has_no_address() {
        assert_eq!(one("z", "s").address, None);
    }

    #[test]
    fn the_order_of_the_columns_does_not_matter() {
        let text = "1\n# be_id srv_port srv_name be_name srv_admin_state srv_op_state srv_addr\n\
                    2 80 s b 0 2 10.0.0.1\n";
        let server = servers(text).unwrap()[&("b".to_owned(), "s".to_owned())];
        assert_eq!(server.address, Some(("10.0.0.1".parse().unwrap(), 80)));
    }

    #[test]
    fn an_answer_without_the_table_says_whose_it_may_be() {
        let too_old = [
            "Unknown command. Please enter one of the following commands only :\n  help\n",
            "Name: HAProxy\nVersion: 1.5.18\n\nUnknown command. Please\n",
            "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state\n",
        ];
        for text in too_old {
            assert_eq!(servers(text), Err(Fault::TooOld), "{text}");
        }
        assert_eq!(servers("Permission denied\n"), Err(Fault::Denied));
        for text in [
            "",
            "\n",
            "HTTP/1.1 400 Bad\r\n\r\n",
            "# Server\nredis_version:7\n",
        ] {
            let fault = servers(text).unwrap_err();
            assert!(matches!(fault, Fault::NotHaproxy(_)), "{text:?}: {fault:?}");
        }
    }

    #[test]
    fn a_row_that_is_cut_short_is_an_error() {
        let cut = &OF_2_6[..OF_2_6.len() - 40];
        assert!(servers(cut).is_err());
    }

    #[test]
    fn a_field_of_the_info_is_found_by_its_whole_name() {
        let text = "Name: HAProxy\nVersion: 2.6.12-1\nStopping: 0\n";
        assert_eq!(info(text, "Version"), Some("2.6.12-1"));
        assert_eq!(info(text, "Ver"), None);
    }
}

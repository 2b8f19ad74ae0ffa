//! A server's address: a host that is an IP address or an RFC 1123 name, and a port.
//!
//! Owns the rules of what may reach a key or a template; resolving names is `resolve`'s.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

/// A TCP port, 1 to 65535.
pub type Port = NonZeroU16;

/// A host and a port, written `10.0.21.5:3301`, `db1.example:3301` or `[2001:db8::5]:3301`.
///
/// The order is by address: IPv4, then IPv6, then names, then ports, so that two checkers that
/// see the same servers list them alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: Port,
}

/// An IP address, or a name as RFC 1123 allows it (kept in lower case).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// An address. IPv4 addresses that came in IPv6 form are kept as IPv4.
    Ip(IpAddr),
    /// A host name; never something that looks like an address.
    Name(HostName),
}

/// A validated host name. Only `Host`'s parser makes one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(String);

impl Endpoint {
    /// Puts the two halves together.
    pub fn new(host: Host, port: Port) -> Endpoint {
        Endpoint { host, port }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            Host::Ip(IpAddr::V4(_)) | Host::Name(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    /// Reads `host:port`; an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// One sentence that says what is wrong with the text.
    fn from_str(text: &str) -> Result<Endpoint, String> {
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(format!("'{text}' is not host:port: the port is missing"));
        };
        let host = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(inside) => inside
                .parse::<Ipv6Addr>()
                .map(|ip| Host::from(IpAddr::V6(ip)))
                .map_err(|_| format!("'{inside}' is not an IPv6 address"))?,
            None if host.contains(':') => {
                return Err(format!("'{text}': write an IPv6 address as [address]:port"));
            }
            None => host.parse()?,
        };
        Ok(Endpoint::new(host, parse_port(port)?))
    }
}

/// Reads a port.
///
/// # Errors
/// A sentence that names the text, for anything but 1 to 65535.
pub fn parse_port(text: &str) -> Result<Port, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits
        .then(|| text.parse::<Port>().ok())
        .flatten()
        .ok_or_else(|| format!("'{text}' is not a port (1 to 65535)"))
}

impl Host {
    /// Whether the host is a loopback address or `localhost`, which name another machine when
    /// another machine says them.
    pub fn is_loopback(&self) -> bool {
        match self {
            Host::Ip(ip) => ip.is_loopback(),
            Host::Name(name) => name.0 == "localhost",
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Host {
        Host::Ip(ip.to_canonical())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Ip(ip) => write!(f, "{ip}"),
            Host::Name(name) => f.write_str(&name.0),
        }
    }
}

impl HostName {
    /// The name's text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Host {
    type Err = String;

    /// Reads an IP address (IPv6 without brackets) or a host name.
    ///
    /// # Errors
    /// One sentence, for anything else.
    fn from_str(text: &str) -> Result<Host, String> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Host::from(ip));
        }
        if is_host_name(text) {
            return Ok(Host::Name(HostName(text.to_ascii_lowercase())));
        }
        Err(format!(
            "'{}' is neither an IP address nor a host name",
            text.escape_debug()
        ))
    }
}

/// RFC 1123 section 2.1: labels of letters, digits and inner hyphens, 63 characters each and 253
/// in all. A last label of digits only would be an address that is none (`10.0.0.300`).
fn is_host_name(text: &str) -> bool {
    let label_is_good = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253
        && text.split('.').all(label_is_good)
        && !last.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_written_as_it_was_read() {
        for text in [
            "10.0.21.5:3301",
            "db-1.example:1",
            "[2001:db8::5]:65535",
            "localhost:3306",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn names_are_kept_in_lower_case_and_mapped_addresses_as_ipv4() {
        assert_eq!(
            "DB1.Example:1".parse::<Endpoint>().unwrap().to_string(),
            "db1.example:1"
        );
        assert_eq!(
            "::ffff:10.0.0.1".parse::<Host>().unwrap().to_string(),
            "10.0.0.1"
        );
    }

    #[test]
    fn anything_that_is_no_address_and_no_name_is_refused() {
        let long_label = "a".repeat(64);
        let long_name = vec!["a".repeat(63); 5].join(".");
        let bad = [
            "",
            " ",
            "10.0.0.300",
            "a b",
            "a\nb",
            "a#b",
            "-a",
            "a-",
            "a..b",
            "a_b",
            "1",
            "é",
        ];
        for text in bad
            .into_iter()
            .chain([long_label.as_str(), long_name.as_str()])
        {
            assert!(text.parse::<Host>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_bad_port_is_named_in_the_message() {
        for text in ["33o1", "0", "65536", "", "+1", "-1", " 1"] {
            assert!(parse_port(text).unwrap_err().contains(text), "{text:?}");
        }
        assert!(
            "db1"
                .parse::<Endpoint>()
                .unwrap_err()
                .contains("port is missing")
        );
        assert!(
            "2001:db8::5:3301"
                .parse::<Endpoint>()
                .unwrap_err()
                .contains("[address]:port")
        );
    }

    #[test]
    fn addresses_come_before_names_and_in_numeric_order() {
        let mut list: Vec<Endpoint> = [
            "db1:1",
            "10.0.0.10:1",
            "[::2]:1",
            "10.0.0.9:2",
            "10.0.0.9:1",
        ]
        .iter()
        .map(|t| t.parse().unwrap())
        .collect();
        list.sort();
        let text: Vec<String> = list.iter().map(Endpoint::to_string).collect();
        assert_eq!(
            text,
            [
                "10.0.0.9:1",
                "10.0.0.9:2",
                "10.0.0.10:1",
                "[::2]:1",
                "db1:1"
            ]
        );
    }
}

//! Where the Consul agent listens, in the forms that the Consul tools take.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::endpoint::{Endpoint, Host, Port, parse_port};

/// Consul's own port for HTTP.
const DEFAULT_PORT: Port = Port::new(8500).unwrap();
/// Consul's own port for HTTPS.
const DEFAULT_TLS_PORT: Port = Port::new(8501).unwrap();

/// The address of a Consul agent's HTTP interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsulAddress {
    /// HTTP over TCP.
    Http(Endpoint),
    /// HTTP over TLS.
    Https(Endpoint),
    /// HTTP over a unix socket.
    Unix(PathBuf),
}

impl ConsulAddress {
    /// The part of a URL before the path. Over a unix socket the host is only a `Host` header; TLS
    /// is the connection's, and the one who speaks HTTP knows nothing of it.
    pub(super) fn base_url(&self) -> String {
        match self {
            ConsulAddress::Http(endpoint) | ConsulAddress::Https(endpoint) => {
                format!("http://{endpoint}")
            }
            ConsulAddress::Unix(_) => "http://localhost".to_owned(),
        }
    }
}

impl ConsulAddress {
    /// Whether it takes TLS to get there.
    pub fn is_secure(&self) -> bool {
        matches!(self, ConsulAddress::Https(_))
    }
}

impl FromStr for ConsulAddress {
    type Err = String;

    /// Reads the text of CONSUL_HTTP_ADDR: `host`, `host:port`, `http://host:port`,
    /// `https://host:port` or `unix:///path` (consul:api/api.go); the port is 8500 where none is
    /// given, with https 8501, and an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// One sentence that says what is wrong and, for what Consul's tools would take but this
    /// program does not, what to write instead.
    fn from_str(text: &str) -> Result<ConsulAddress, String> {
        // Without the text: what stands before an '@' may be a password.
        if text.contains('@') && !text.starts_with("unix://") {
            return Err(
                "a user name in Consul's address is not supported; use --token or \
                        CONSUL_HTTP_TOKEN"
                    .to_owned(),
            );
        }
        match text.split_once("://") {
            Some(("http", rest)) => parse_http(rest, DEFAULT_PORT).map(ConsulAddress::Http),
            Some(("unix", path)) => parse_unix(path),
            Some(("https", rest)) => parse_http(rest, DEFAULT_TLS_PORT).map(ConsulAddress::Https),
            Some((scheme, _)) => Err(format!(
                "'{}://' is not a way to reach Consul; write host:port, http://host:port, \
                 https://host:port or unix:///path",
                scheme.escape_debug()
            )),
            None => parse_http(text, DEFAULT_PORT).map(ConsulAddress::Http),
        }
    }
}

impl fmt::Display for ConsulAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConsulAddress::Http(endpoint) => write!(f, "http://{endpoint}"),
            ConsulAddress::Https(endpoint) => write!(f, "https://{endpoint}"),
            ConsulAddress::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

fn parse_unix(path: &str) -> Result<ConsulAddress, String> {
    if !path.starts_with('/') || path.chars().any(char::is_control) {
        return Err(format!(
            "'unix://{}' is no socket: write unix:///path",
            path.escape_debug()
        ));
    }
    Ok(ConsulAddress::Unix(PathBuf::from(path)))
}

fn parse_http(text: &str, port: Port) -> Result<Endpoint, String> {
    let authority = text.strip_suffix('/').unwrap_or(text);
    if authority.contains(['/', '?', '#']) {
        return Err(format!(
            "'{}': Consul's address has no path, only host:port",
            text.escape_debug()
        ));
    }
    parse_authority(authority, port)
}

fn parse_authority(text: &str, default: Port) -> Result<Endpoint, String> {
    if let Some(inside) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        let ip = inside
            .parse::<Ipv6Addr>()
            .map_err(|_| format!("'{}' is not an IPv6 address", inside.escape_debug()))?;
        return Ok(Endpoint::new(Host::from(IpAddr::V6(ip)), default));
    }
    match text.split_once(':') {
        _ if text.chars().any(char::is_control) => {
            Err(format!("'{}' is not host:port", text.escape_debug()))
        }
        None => Ok(Endpoint::new(text.parse()?, default)),
        // `:8500`, which Go's tools take for this host.
        Some(("", port)) if !port.contains(':') => {
            Ok(Endpoint::new("localhost".parse()?, parse_port(port)?))
        }
        Some(_) => text.parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_consul_tools_is_taken() {
        let cases = [
            ("127.0.0.1:8500", "http://127.0.0.1:8500"),
            ("127.0.0.1", "http://127.0.0.1:8500"),
            ("consul.example", "http://consul.example:8500"),
            ("Consul.Example:80", "http://consul.example:80"),
            ("http://10.0.0.1", "http://10.0.0.1:8500"),
            ("http://10.0.0.1/", "http://10.0.0.1:8500"),
            ("http://10.0.0.1:8501/", "http://10.0.0.1:8501"),
            ("10.0.0.1:8501/", "http://10.0.0.1:8501"),
            ("[::1]", "http://[::1]:8500"),
            ("[::1]:1", "http://[::1]:1"),
            ("http://[2001:db8::1]:8500", "http://[2001:db8::1]:8500"),
            (":8500", "http://localhost:8500"),
            ("https://127.0.0.1:8501", "https://127.0.0.1:8501"),
            ("https://consul.example", "https://consul.example:8501"),
            ("https://[::1]:443/", "https://[::1]:443"),
            ("unix:///run/consul.sock", "unix:///run/consul.sock"),
        ];
        for (text, shown) in cases {
            let address: ConsulAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), shown, "{text}");
            assert_eq!(shown.parse::<ConsulAddress>(), Ok(address), "{text}");
        }
    }

    #[test]
    fn anything_else_says_what_to_write() {
        let cases = [
            ("ftp://x", "unix:///path"),
            ("unix://run/consul.sock", "unix:///path"),
            ("unix://", "unix:///path"),
            ("http://10.0.0.1/consul", "no path"),
            ("10.0.0.1:8500/v1", "no path"),
            ("10.0.0.1:8500?x=1", "no path"),
            ("http://10.0.0.1//", "no path"),
            ("::1", "[address]:port"),
            ("::1:8500", "[address]:port"),
            ("[::1", "[address]:port"),
            ("[10.0.0.1]", "not an IPv6 address"),
            ("consul:85o0", "85o0"),
            ("consul:0", "not a port"),
            ("consul:", "not a port"),
            ("", "host name"),
            ("http://", "host name"),
            ("a b", "host name"),
            ("a\nb", "not host:port"),
            ("consul:85\n00", "not host:port"),
        ];
        for (text, wanted) in cases {
            let error = text.parse::<ConsulAddress>().expect_err(text);
            assert!(error.contains(wanted), "{text:?}: {error}");
            assert!(!error.contains('\n'), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_shown() {
        for text in ["http://user:s3cret@10.0.0.1:8500", "user:s3cret@10.0.0.1"] {
            let error = text.parse::<ConsulAddress>().unwrap_err();
            assert!(error.contains("--token"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}

//! How a command that stays is watched: what its log looks like, and where its numbers go.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::logger::Format;

/// What the options say of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watching {
    /// What log lines look like.
    pub log_format: Format,
    /// The file of metrics, if one is wanted.
    pub metrics: Option<PathBuf>,
    /// Where metrics and health can be asked for, if anywhere.
    pub listen: Option<SocketAddr>,
}

pub(super) fn log_format(text: &str) -> Result<Format, String> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err(format!("'{}' is not text or json", text.escape_debug())),
    }
}

/// An address of this host. Not a name: it must not depend on a name service whether there are metrics.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<SocketAddr>().ok();
    address
        .filter(|address| address.port() != 0)
        .ok_or_else(|| {
            let text = text.escape_debug();
            format!("'{text}' is not an IP address and a port, such as 127.0.0.1:9633 or [::]:9633")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_ip_address_and_a_port() {
        for text in ["127.0.0.1:9633", "0.0.0.0:1", "[::1]:65535"] {
            assert_eq!(address(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "9633",
            ":9633",
            "localhost:9633",
            "127.0.0.1",
            "::1:9633",
            "1.2.3.4:0",
        ] {
            let problem = address(text).unwrap_err();
            assert!(problem.contains("such as 127.0.0.1:9633"), "{problem}");
        }
    }

    #[test]
    fn a_format_is_one_of_two_words() {
        assert_eq!(log_format("text"), Ok(Format::Text));
        assert_eq!(log_format("json"), Ok(Format::Json));
        assert_eq!(
            log_format("JSON").unwrap_err(),
            "'JSON' is not text or json"
        );
    }
}

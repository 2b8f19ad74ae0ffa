//! The values of keys and options: each parser takes text and gives a value or one sentence.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::elect::Exclusion;
use crate::endpoint::{Endpoint, Host, Port};

/// A server of a list, whose port may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The host.
    pub host: Host,
    /// The port, if one was written.
    pub port: Option<Port>,
}

/// Where a tag goes when no replica can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fallback {
    /// To the primary (`master`).
    #[default]
    Primary,
    /// Nowhere: the key stays (`keep`).
    Keep,
}

impl Candidate {
    /// The server, on `port` if the candidate has none of its own.
    pub fn at(self, port: Port) -> Endpoint {
        Endpoint::new(self.host, self.port.unwrap_or(port))
    }
}

/// Seconds with an optional fraction, within `range` (in seconds).
pub fn seconds(text: &str, range: RangeInclusive<f64>) -> Result<Duration, String> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.parse::<f64>()
        .ok()
        .filter(|seconds| plain && range.contains(seconds))
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            format!("'{}' is not {least} to {most} seconds", shown(text))
        })
}

/// A whole number within `range`.
pub(super) fn number(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse::<u64>()
        .ok()
        .filter(|n| digits && range.contains(n))
        .ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            format!("'{}' is not a whole number, {least} to {most}", shown(text))
        })
}

pub(super) fn fallback(text: &str) -> Result<Fallback, String> {
    match text {
        "master" => Ok(Fallback::Primary),
        "keep" => Ok(Fallback::Keep),
        _ => Err(format!("'{}' is not master or keep", shown(text))),
    }
}

pub(super) fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(format!("'{}' is not yes or no", shown(text))),
    }
}

/// One word of visible characters.
pub(super) fn word(text: &str) -> Result<String, String> {
    match !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err(format!("'{}': a name has no blanks", shown(text))),
    }
}

/// A line for a shell; whether it means anything is the shell's to say.
pub(super) fn command(text: &str) -> Result<String, String> {
    match text.chars().any(|c| c.is_control() && c != '\t') {
        true => Err(format!(
            "'{}': a command has no control characters",
            shown(text)
        )),
        false => Ok(text.to_owned()),
    }
}

/// `host`, `host:port`, an IPv6 address, or one in brackets with or without a port.
pub(super) fn candidate(text: &str) -> Result<Candidate, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|t| t.strip_suffix(']'))
        .filter(|t| t.contains(':'));
    if let Ok(host) = bare.unwrap_or(text).parse::<Host>() {
        return Ok(Candidate { host, port: None });
    }
    match text.contains(':') {
        true => text.parse::<Endpoint>().map(|server| Candidate {
            host: server.host,
            port: Some(server.port),
        }),
        false => text
            .parse::<Host>()
            .map(|host| Candidate { host, port: None }),
    }
}

pub(super) fn exclusion(text: &str) -> Result<Exclusion, String> {
    text.parse()
}

/// The items of a comma list; empty ones do not count.
pub fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// Reads every item of a comma list, and reports all that are wrong.
pub(super) fn list<T>(
    text: &str,
    item: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for text in items(text) {
        match item(text) {
            Ok(value) => good.push(value),
            Err(problem) => bad.push(problem),
        }
    }
    if bad.is_empty() {
        Ok(good)
    } else {
        Err(bad.join("; "))
    }
}

/// Text for a message: short, and without control characters.
pub(super) fn shown(text: &str) -> String {
    let start: String = text.chars().take(60).collect();
    start.escape_debug().to_string()
}

/// Names for a message: the first twenty of them.
pub(super) fn shown_list(names: &[&str]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<String> = names.iter().take(20).map(|name| shown(name)).collect();
    let more = if names.len() > 20 { ", ..." } else { "" };
    shown.join(", ") + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_an_optional_fraction_and_a_range() {
        let read = |text| seconds(text, 0.005..=60.0);
        assert_eq!(read("1"), Ok(Duration::from_secs(1)));
        assert_eq!(read("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(read(".5"), Ok(Duration::from_millis(500)));
        for bad in [
            "", ".", "0", "0.001", "61", "-1", "+1", "1e1", "inf", "nan", "1s", "1,5", " 1",
        ] {
            let problem = read(bad).unwrap_err();
            assert!(
                problem.contains("is not 0.005 to 60 seconds"),
                "{bad}: {problem}"
            );
        }
    }

    #[test]
    fn numbers_are_plain_digits_in_a_range() {
        assert_eq!(number("100", 1..=100), Ok(100));
        for bad in [
            "",
            "0",
            "101",
            "-1",
            "+1",
            "1.0",
            "x",
            "99999999999999999999999",
        ] {
            assert!(number(bad, 1..=100).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_candidate_without_a_port_takes_the_sections_port() {
        let cases = [
            ("10.0.0.1", "10.0.0.1:9"),
            ("10.0.0.1:1", "10.0.0.1:1"),
            ("db1.example", "db1.example:9"),
            ("db1:2", "db1:2"),
            ("2001:db8::5", "[2001:db8::5]:9"),
            ("[2001:db8::5]", "[2001:db8::5]:9"),
            ("[2001:db8::5]:3", "[2001:db8::5]:3"),
        ];
        for (text, wanted) in cases {
            let server = candidate(text).unwrap().at(Port::new(9).unwrap());
            assert_eq!(server.to_string(), wanted);
        }
        for bad in [
            "",
            ":",
            ":1",
            "a:",
            "a:b",
            "a_b",
            "10.0.0.300",
            "[a]",
            "[::1",
            "[10.0.0.1]",
        ] {
            assert!(candidate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_list_skips_blanks_and_names_every_bad_item() {
        assert_eq!(list(" , a ,b,, ", candidate).unwrap().len(), 2);
        let problem = list("a, b:0 ,c_d", candidate).unwrap_err();
        assert!(
            problem.contains("'0'") && problem.contains("'c_d'"),
            "{problem}"
        );
    }

    #[test]
    fn an_exclusion_is_a_host_or_one_server() {
        let server: Endpoint = "10.0.0.1:3301".parse().unwrap();
        let cases = [
            ("10.0.0.1", true),
            ("10.0.0.1:3301", true),
            ("10.0.0.1:3302", false),
            ("10.0.0.2", false),
            ("::ffff:10.0.0.1", true),
        ];
        for (text, wanted) in cases {
            assert_eq!(exclusion(text).unwrap().matches(&server), wanted, "{text}");
        }
    }

    #[test]
    fn the_fallback_is_one_of_two_words() {
        assert_eq!(fallback("master"), Ok(Fallback::Primary));
        assert_eq!(fallback("keep"), Ok(Fallback::Keep));
        assert_eq!(
            fallback("none").unwrap_err(),
            "'none' is not master or keep"
        );
    }
}

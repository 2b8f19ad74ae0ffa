//! What a tag's key holds: the kind of tag, its name, and the JSON value that templates read.
//!
//! Pure: reading is lenient, writing is strict and in the original's byte form.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::endpoint::{Endpoint, Host, Port, parse_port};

/// The most characters that are said of what is wrong with a value.
const MOST_SAID: usize = 200;

/// Below this is what operators have ordered.
const OVERRIDES: &str = "haproxy/overrides/";

/// The three kinds of tag; each has its own prefix in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A MySQL or MariaDB replica.
    MysqlSlave,
    /// One memcached of a list.
    Memcached,
    /// The Redis master.
    RedisMaster,
}

/// A tag: the name of a group of servers with one port in front, `[A-Za-z0-9._-]{1,64}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagName(String);

/// Where a tag is kept in the store: `haproxy/<kind>/<tag>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    kind: Kind,
    tag: TagName,
}

/// The server that a tag points at, as the key says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The tag; the name of the `listen` section.
    pub name: TagName,
    /// The server.
    pub server: Endpoint,
    /// The port that HAProxy listens on.
    pub proxy_port: Port,
}

/// Why the key was last moved; kept in the key's flags, for the renderer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Written by somebody else, or before this was recorded.
    Unknown,
    /// The server that was left is dead or hung: its sessions are lost anyway.
    Forced,
    /// The server that was left still serves: its sessions may finish.
    Voluntary,
    /// The same, and a person has moved it.
    Manual,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 3] = [Kind::MysqlSlave, Kind::Memcached, Kind::RedisMaster];

    /// The word for it in keys and in `type=`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::MysqlSlave => "mysqlslave",
            Kind::Memcached => "memcached",
            Kind::RedisMaster => "redismaster",
        }
    }

    /// What the keys of all its tags begin with, and no others: `haproxy/<kind>/`.
    pub fn prefix(self) -> String {
        format!("haproxy/{self}/")
    }

    /// The proxy port of a service whose own port is `port`, where none is set: + 10050 for MySQL
    /// and + 5000 for memcached as the original has it, + 5000 for Redis (+ 10000 would be the
    /// bus port of Redis Cluster). `None` if that is no port.
    pub fn default_proxy_port(self, port: Port) -> Option<Port> {
        port.checked_add(self.proxy_port_offset())
    }

    /// What is added to a service's port for that.
    pub fn proxy_port_offset(self) -> u16 {
        match self {
            Kind::MysqlSlave => 10050,
            Kind::Memcached | Kind::RedisMaster => 5000,
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Kind, String> {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.word() == text)
            .ok_or_else(|| format!("'{text}' is not mysqlslave, memcached or redismaster"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl TagName {
    /// The tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TagName {
    type Err = String;

    /// Takes a tag name.
    ///
    /// # Errors
    /// A sentence, if it is not one to 64 of `A-Z a-z 0-9 . _ -`.
    fn from_str(text: &str) -> Result<TagName, String> {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        // In a key's path these two would mean another key.
        let is_step = matches!(text, "." | "..");
        if (1..=64).contains(&text.len()) && text.bytes().all(good) && !is_step {
            return Ok(TagName(text.to_owned()));
        }
        let start: String = text.chars().take(80).collect();
        Err(format!(
            "'{}' is not a tag name (1 to 64 letters, digits, dots, underscores or hyphens)",
            start.escape_debug()
        ))
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Key {
    /// The key of `tag`.
    pub fn new(kind: Kind, tag: TagName) -> Key {
        Key { kind, tag }
    }

    /// The tag's name.
    pub fn tag(&self) -> &TagName {
        &self.tag
    }

    /// The tag's kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where an operator's orders for the tag are. Not below `haproxy/<kind>/`, where every key is
    /// a port to templates (`gets "/haproxy/mysqlslave/*"`), and `<tag>.override` could be a tag.
    pub fn override_path(&self) -> String {
        format!("{}{}", Key::override_prefix(self.kind), self.tag)
    }

    /// Where those of all tags of a kind are.
    pub fn override_prefix(kind: Kind) -> String {
        format!("{OVERRIDES}{kind}/")
    }

    /// Whether a path is one of them.
    pub fn is_override(path: &str) -> bool {
        path.starts_with(OVERRIDES)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "haproxy/{}/{}", self.kind, self.tag)
    }
}

impl Backend {
    /// Reads a key's value: fields in any order, unknown ones ignored, numbers quoted or not.
    ///
    /// # Errors
    /// One sentence that says which field is wrong: one line, and a short one, whatever was in it.
    pub fn parse(value: &[u8]) -> Result<Backend, String> {
        Backend::read(value).map_err(|problem| in_brief(&problem))
    }

    fn read(value: &[u8]) -> Result<Backend, String> {
        let fields: Map<String, Value> =
            serde_json::from_slice(value).map_err(|e| format!("not a JSON object: {e}"))?;
        Ok(Backend {
            name: text_field(&fields, "name")?
                .parse()
                .map_err(|e| format!("name: {e}"))?,
            server: Endpoint::new(
                text_field(&fields, "host")?
                    .parse::<Host>()
                    .map_err(|e| format!("host: {e}"))?,
                port_field(&fields, "port")?,
            ),
            proxy_port: port_field(&fields, "proxyport")?,
        })
    }
}

impl fmt::Display for Backend {
    /// The original's byte form. Nothing needs escaping: see `TagName` and `Host`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r#"{{"name":"{}", "host":"{}", "port":{}, "proxyport":{}}}"#,
            self.name, self.server.host, self.server.port, self.proxy_port
        )
    }
}

/// Fit for a log line: what is wrong with a value may quote all of it.
fn in_brief(problem: &str) -> String {
    let mut escaped = problem.chars().flat_map(|c| match c {
        '\'' | '"' | '\\' => vec![c],
        c => c.escape_debug().collect::<Vec<_>>(),
    });
    let mut brief: String = escaped.by_ref().take(MOST_SAID).collect();
    if escaped.next().is_some() {
        brief.push('…');
    }
    brief
}

fn text_field<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    fields
        .get(name)
        .ok_or_else(|| format!("no field \"{name}\""))?
        .as_str()
        .ok_or_else(|| format!("\"{name}\" is not a string"))
}

fn port_field(fields: &Map<String, Value>, name: &str) -> Result<Port, String> {
    let value = fields
        .get(name)
        .ok_or_else(|| format!("no field \"{name}\""))?;
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    parse_port(&text).map_err(|e| format!("{name}: {e}"))
}

impl Cause {
    /// The number that the store's flags hold.
    pub fn flags(self) -> u64 {
        match self {
            Cause::Unknown => 0,
            Cause::Forced => 1,
            Cause::Voluntary => 2,
            Cause::Manual => 3,
        }
    }

    /// The cause that a number stands for; a number of somebody else's is `Unknown`.
    pub fn from_flags(flags: u64) -> Cause {
        match flags {
            1 => Cause::Forced,
            2 => Cause::Voluntary,
            3 => Cause::Manual,
            _ => Cause::Unknown,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Unknown => "unknown",
            Cause::Forced => "forced",
            Cause::Voluntary => "voluntary",
            Cause::Manual => "manual",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const README_VALUE: &str =
        r#"{"name":"slave3301", "host":"10.0.21.5", "port":3301, "proxyport":13351}"#;

    #[test]
    fn the_value_is_written_in_the_original_byte_form() {
        assert_eq!(
            Backend::parse(README_VALUE.as_bytes()).unwrap().to_string(),
            README_VALUE
        );
    }

    #[test]
    fn reading_takes_quoted_numbers_any_order_and_unknown_fields() {
        let value =
            r#"{"proxyport":"13351","x":[1],"port":"3301","host":"10.0.21.5","name":"slave3301"}"#;
        assert_eq!(
            Backend::parse(value.as_bytes()).unwrap().to_string(),
            README_VALUE
        );
    }

    #[test]
    fn an_ipv6_host_stands_without_brackets() {
        let value = r#"{"name":"a", "host":"2001:db8::5", "port":1, "proxyport":2}"#;
        let backend = Backend::parse(value.as_bytes()).unwrap();
        assert_eq!(backend.server.to_string(), "[2001:db8::5]:1");
        assert_eq!(backend.to_string(), value);
    }

    #[test]
    fn a_value_that_is_not_ours_says_which_field_is_wrong() {
        let cases = [
            ("", "not a JSON object"),
            ("null", "not a JSON object"),
            ("[]", "not a JSON object"),
            ("\u{feff}{}", "not a JSON object"),
            ("{}", "\"name\""),
            (r#"{"name":1}"#, "\"name\" is not a string"),
            (r#"{"name":"a b"}"#, "name: "),
            (r#"{"name":"a","port":1,"proxyport":2}"#, "\"host\""),
            (
                r#"{"name":"a","host":"x\ny","port":1,"proxyport":2}"#,
                "host: ",
            ),
            (
                r#"{"name":"a","host":"h # x","port":1,"proxyport":2}"#,
                "host: ",
            ),
            (
                r#"{"name":"a","host":"h","port":0,"proxyport":2}"#,
                "port: ",
            ),
            (
                r#"{"name":"a","host":"h","port":70000,"proxyport":2}"#,
                "port: ",
            ),
            (
                r#"{"name":"a","host":"h","port":1.5,"proxyport":2}"#,
                "port: ",
            ),
            (r#"{"name":"a","host":"h","port":1}"#, "\"proxyport\""),
        ];
        for (value, wanted) in cases {
            let problem = Backend::parse(value.as_bytes()).unwrap_err();
            assert!(problem.contains(wanted), "{value:?}: {problem}");
        }
        assert!(Backend::parse(b"\xff\xfe{").is_err());
    }

    #[test]
    fn what_is_wrong_with_a_value_is_one_short_line_whatever_the_value() {
        let long = "9".repeat(100_000);
        for value in [
            format!(r#"{{"name":"a", "host":"b", "port":"{long}", "proxyport":1}}"#),
            format!(r#"{{"name":"a", "host":"b\n{long}", "port":1, "proxyport":1}}"#),
            format!("\"{long}\""),
            r#"{"name":"a", "host":"b", "port":"1\n\u001b[31m\u2028", "proxyport":1}"#.to_owned(),
        ] {
            let problem = Backend::parse(value.as_bytes()).unwrap_err();
            assert!(problem.chars().count() <= MOST_SAID + 1, "{problem}");
            assert!(!problem.chars().any(char::is_control), "{problem}");
        }
    }

    #[test]
    fn a_tag_name_has_a_small_alphabet() {
        assert!("slave3301".parse::<TagName>().is_ok());
        assert!("A.b_c-9".parse::<TagName>().is_ok());
        for bad in ["", ".", "..", "a b", "a/b", "a\n", "é", &"a".repeat(65)] {
            assert!(bad.parse::<TagName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_prefix_kind_and_tag() {
        let key = Key::new(Kind::MysqlSlave, "slave3301".parse().unwrap());
        assert_eq!(key.to_string(), "haproxy/mysqlslave/slave3301");
    }

    #[test]
    fn proxy_ports_are_the_original_ones() {
        let of = |kind: Kind, port| {
            kind.default_proxy_port(Port::new(port).unwrap())
                .map(Port::get)
        };
        assert_eq!(of(Kind::MysqlSlave, 3301), Some(13351));
        assert_eq!(of(Kind::Memcached, 11211), Some(16211));
        assert_eq!(of(Kind::RedisMaster, 6379), Some(11379));
        assert_eq!(of(Kind::MysqlSlave, 60000), None);
    }

    #[test]
    fn causes_survive_the_flags() {
        for cause in [
            Cause::Unknown,
            Cause::Forced,
            Cause::Voluntary,
            Cause::Manual,
        ] {
            assert_eq!(Cause::from_flags(cause.flags()), cause);
        }
        assert_eq!(Cause::from_flags(99), Cause::Unknown);
    }
}

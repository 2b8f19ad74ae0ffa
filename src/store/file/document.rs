//! The JSON in the file: `{"haproxy":{"mysqlslave":{"slave3301":"…"}}}`, every value a string. Pure.
//!
//! Flags are kept in an object of our own, which readers of keys do not look into:
//! `{"confd_haproxy":{"flags":{"haproxy/mysqlslave/slave3301":1}}}`. Everything else in the file
//! is somebody else's and is kept, though not in its order.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use crate::store::Version;

/// The object that is ours.
const OURS: &str = "confd_haproxy";
const FLAGS: &str = "flags";

/// The whole file.
#[derive(Debug, Default)]
pub(crate) struct Document {
    root: Map<String, Value>,
}

/// What one key holds.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    value: &'a Value,
    /// The flags, 0 where none are kept.
    pub(crate) flags: u64,
}

/// What is wrong with the text. Shown as `:LINE:COLUMN: what`, to follow the file's name.
#[derive(Debug)]
pub(crate) struct Malformed {
    line: usize,
    column: usize,
    what: String,
}

impl Document {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// `Malformed`, if it is not one JSON object, or if our own object in it is not as we write it.
    pub(crate) fn parse(text: &[u8]) -> Result<Document, Malformed> {
        match serde_json::from_slice(text) {
            Ok(Value::Object(root)) => check_ours(&root).map(|()| Document { root }),
            Ok(_) => Err(Malformed::at_start("not a JSON object")),
            Err(error) => Err(Malformed::from(&error)),
        }
    }

    /// What `key` holds; `None` if it is not there.
    ///
    /// # Errors
    /// A phrase, if something that is no object stands in the way.
    pub(crate) fn get(&self, key: &impl fmt::Display) -> Result<Option<Held<'_>>, String> {
        let path = key.to_string();
        let (parents, leaf) = split(&path);
        let mut object = &self.root;
        for name in parents.split('/') {
            object = match object.get(name) {
                None => return Ok(None),
                Some(value) => value.as_object().ok_or_else(|| not_an_object(name))?,
            };
        }
        Ok(object.get(leaf).map(|value| Held {
            value,
            flags: self.flags(&path),
        }))
    }

    /// Sets what `key` holds.
    ///
    /// # Errors
    /// As `get`.
    pub(crate) fn set(
        &mut self,
        key: &impl fmt::Display,
        value: &str,
        flags: u64,
    ) -> Result<(), String> {
        let path = key.to_string();
        let (parents, leaf) = split(&path);
        descend(&mut self.root, parents.split('/'))?.insert(leaf.to_owned(), value.into());
        let all = descend(&mut self.root, [OURS, FLAGS].into_iter())?;
        match flags {
            0 => all.remove(&path),
            _ => all.insert(path, flags.into()),
        };
        Ok(())
    }

    /// The text of the file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        format!("{:#}\n", Value::Object(self.root.clone())).into_bytes()
    }

    /// Everything but our own object.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.root.iter().filter(|(name, _)| *name != OURS)
    }

    /// The flags of a key, which is named without a '/' in front.
    pub(crate) fn flags(&self, key: &str) -> u64 {
        let all = self.root.get(OURS).and_then(|ours| ours.get(FLAGS));
        let flags = all.and_then(|all| all.get(key));
        flags.and_then(Value::as_u64).unwrap_or(0)
    }
}

impl Held<'_> {
    /// The value, if it is a string as it should be.
    pub(crate) fn text(&self) -> Option<&str> {
        self.value.as_str()
    }

    /// A hash of value and flags, never that of an absent key: the same content is the same
    /// version, whatever was there in between. FNV-1a with 64 bits, which is the same in every
    /// process and build.
    pub(crate) fn version(&self) -> Version {
        let text = self
            .text()
            .map_or_else(|| Cow::Owned(format!("\0{}", self.value)), Cow::Borrowed);
        let bytes = text.bytes().chain(self.flags.to_le_bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Version(hash.max(1))
    }
}

fn check_ours(root: &Map<String, Value>) -> Result<(), Malformed> {
    let Some(ours) = root.get(OURS) else {
        return Ok(());
    };
    let flags = ours.get(FLAGS);
    let good = ours.is_object() && flags.is_none_or(Value::is_object);
    let wrong = || Malformed::at_start(r#""confd_haproxy" is not {"flags": {…}}"#);
    good.then_some(()).ok_or_else(wrong)
}

/// Keys have three parts, or four; see `Key`.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn descend<'a, 'b>(
    root: &'a mut Map<String, Value>,
    names: impl Iterator<Item = &'b str>,
) -> Result<&'a mut Map<String, Value>, String> {
    let mut object = root;
    for name in names {
        object = object
            .entry(name)
            .or_insert_with(|| Value::Object(Map::new()))
            .as_object_mut()
            .ok_or_else(|| not_an_object(name))?;
    }
    Ok(object)
}

fn not_an_object(name: &str) -> String {
    format!("\"{name}\" is not an object; correct the file")
}

impl Malformed {
    fn at_start(what: &str) -> Malformed {
        Malformed {
            line: 1,
            column: 1,
            what: what.to_owned(),
        }
    }
}

impl From<&serde_json::Error> for Malformed {
    fn from(error: &serde_json::Error) -> Malformed {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let what = text.trim_end_matches(&format!(" at line {line} column {column}"));
        Malformed {
            line,
            column,
            what: what.to_owned(),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{}:{}: {}", self.line, self.column, self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Key, Kind};

    fn key(tag: &str) -> Key {
        Key::new(Kind::MysqlSlave, tag.parse().unwrap())
    }

    #[test]
    fn what_is_set_is_got_and_everything_else_stays() {
        let text = br#"{"z":[1,{"a":null}],"haproxy":{"mysqlslave":{"b":"old"},"x":1.5},
            "confd_haproxy":{"later":true,"flags":{"haproxy/mysqlslave/b":2}}}"#;
        let mut document = Document::parse(text).unwrap();
        document.set(&key("a"), "new", 1).unwrap();
        document.set(&key("b"), "newer", 0).unwrap();
        let read = Document::parse(&document.to_bytes()).unwrap();
        let wanted = serde_json::json!({
            "z": [1, {"a": null}],
            "haproxy": {"mysqlslave": {"a": "new", "b": "newer"}, "x": 1.5},
            "confd_haproxy": {"later": true, "flags": {"haproxy/mysqlslave/a": 1}},
        });
        assert_eq!(Value::Object(read.root.clone()), wanted);
        let held = read.get(&key("a")).unwrap().unwrap();
        assert_eq!((held.text(), held.flags), (Some("new"), 1));
        assert!(read.get(&key("c")).unwrap().is_none());
    }

    #[test]
    fn something_in_the_way_is_neither_absent_nor_overwritten() {
        for text in [r#"{"haproxy":1}"#, r#"{"haproxy":{"mysqlslave":[]}}"#] {
            let mut document = Document::parse(text.as_bytes()).unwrap();
            assert!(
                document
                    .get(&key("a"))
                    .unwrap_err()
                    .contains("not an object")
            );
            assert!(document.set(&key("a"), "x", 0).is_err());
        }
    }

    #[test]
    fn the_version_tells_values_flags_and_absence_apart() {
        let version = |text: &str| {
            let document = Document::parse(text.as_bytes()).unwrap();
            document
                .get(&key("a"))
                .unwrap()
                .map_or(0, |held| held.version().0)
        };
        let texts = [
            r#"{"haproxy":{"mysqlslave":{}}}"#,
            r#"{"haproxy":{"mysqlslave":{"a":""}}}"#,
            r#"{"haproxy":{"mysqlslave":{"a":"1"}}}"#,
            r#"{"haproxy":{"mysqlslave":{"a":1}}}"#,
            r#"{"haproxy":{"mysqlslave":{"a":null}}}"#,
            r#"{"haproxy":{"mysqlslave":{"a":"1"}},"confd_haproxy":{"flags":{"haproxy/mysqlslave/a":1}}}"#,
        ];
        let versions: std::collections::HashSet<_> = texts.iter().map(|t| version(t)).collect();
        assert_eq!(versions.len(), texts.len());
        assert_eq!(version(texts[0]), 0);
        assert_eq!(version(texts[1]), version(texts[1]));
    }

    #[test]
    fn text_that_is_not_ours_is_malformed_with_its_place() {
        let cases = [
            ("", ":1:0: EOF"),
            ("{\n  \"a\": ", ":2:"),
            ("{\n\"a\":1,\n}", ":3:1: trailing comma"),
            ("{} x", ":1:4: trailing characters"),
            ("[]", ":1:1: not a JSON object"),
            ("null", ":1:1: not a JSON object"),
            ("haproxy:\n  a: b\n", ":1:1: expected value"),
            ("\u{feff}{}", ":1:1: expected value"),
            ("{\"confd_haproxy\":1}", "confd_haproxy"),
            ("{\"confd_haproxy\":{\"flags\":[]}}", "confd_haproxy"),
        ];
        for (text, wanted) in cases {
            let error = Document::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text:?}: {error}");
        }
        assert!(Document::parse(b"{\"a\":\"\xff\"}").is_err());
        assert!(Document::parse("[".repeat(100_000).as_bytes()).is_err());
    }
}

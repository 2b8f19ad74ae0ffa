//! A log line as one JSON object, for collectors: time (RFC 3339, UTC), level, tag, message, and
//! whatever the line carries besides its text.

use std::fmt::Write;
use std::time::Duration;

use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use log::{Level, Record};
use serde_json::json;

use crate::moment;

/// The fields that every line has; nothing else has their names.
const OWN: [&str; 4] = ["time", "level", "tag", "message"];

/// The line, without an end. `text` is the message; `since` is the time since 1970.
pub(super) fn line(record: &Record<'_>, text: &str, since: Duration) -> String {
    let mut fields = Fields(String::from("{"));
    fields.add("time", &json!(moment::precise(since)));
    fields.add("level", &json!(word(record.level())));
    fields.add("tag", &json!(record.target()));
    fields.add("message", &json!(text));
    // It fails only if a visitor does, and this one does not.
    let _ = record.key_values().visit(&mut fields);
    fields.0.push('}');
    fields.0
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug | Level::Trace => "debug",
    }
}

/// The object so far.
struct Fields(String);

impl Fields {
    fn add(&mut self, name: &str, value: &serde_json::Value) {
        let separator = if self.0.len() > 1 { "," } else { "" };
        // Cannot fail: it is a string.
        let _ = write!(self.0, "{separator}{}:{value}", json!(name));
    }
}

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        if !OWN.contains(&key.as_str()) {
            let mut found = Found(serde_json::Value::Null);
            value.visit(&mut found)?;
            self.add(key.as_str(), &found.0);
        }
        Ok(())
    }
}

/// A value, as JSON has it.
struct Found(serde_json::Value);

impl<'v> VisitValue<'v> for Found {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.0 = json!(super::harmless(&value.to_string()));
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        self.0 = serde_json::Value::Null;
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.0 = json!(value);
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.0 = json!(value);
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.0 = json!(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_with(fields: &[(&str, Value<'_>)], text: &str) -> String {
        let record = Record::builder()
            .level(Level::Warn)
            .target("slave3301")
            .key_values(&fields)
            .build();
        line(&record, text, Duration::from_millis(1_795_609_800_250))
    }

    #[test]
    fn a_line_is_an_object_with_time_level_tag_and_message() {
        let wanted = r#"{"time":"2026-11-25T12:30:00.250Z","level":"warn","tag":"slave3301","message":"a \"b\" \\u{1b}"}"#;
        assert_eq!(line_with(&[], "a \"b\" \\u{1b}"), wanted);
    }

    #[test]
    fn what_a_line_carries_keeps_its_type() {
        let fields = [
            ("from", Value::from("10.0.0.1:1")),
            ("to", Value::null()),
            ("lasted_ms", Value::from(12u64)),
            ("reason", Value::from("a\n\u{9b}\u{202e}b")),
            ("level", Value::from("none")),
        ];
        let text = line_with(&fields, "x");
        let end = r#""message":"x","from":"10.0.0.1:1","to":null,"lasted_ms":12,"reason":"a \\u{9b}\\u{202e}b"}"#;
        assert!(text.ends_with(end), "{text}");
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }
}

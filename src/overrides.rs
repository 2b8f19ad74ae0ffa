//! What an operator has ordered for a tag: that it stays where it is, and which servers are not to
//! be used. Pure: reading is lenient, writing is one line of JSON.
//!
//! It is kept beside the tag's key and not among the keys of tags (`Key::override_path`), as
//! templates make a port of every key there.

use std::fmt;

use serde_json::{Map, Value};

use crate::elect::Exclusion;
use crate::endpoint::Endpoint;
use crate::moment::Moment;

/// The most characters of a text that is shown.
const MOST: usize = 200;

/// Orders for one tag.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Override {
    /// Where the tag stays.
    pub pin: Option<Pin>,
    /// Servers that are not elected, and left if another is up.
    pub exclude: Vec<Exclusion>,
    /// Who ordered it: `user@host`.
    pub by: String,
    /// When; `None` where nobody says it.
    pub at: Option<Moment>,
    /// Why, in the operator's words; possibly empty.
    pub why: String,
}

/// A tag that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Where it was when it was pinned.
    pub server: Endpoint,
    /// Until then; `None` for as long as nobody lets it go.
    pub until: Option<Moment>,
}

impl Override {
    /// Reads a value. Unknown fields are ignored.
    ///
    /// # Errors
    /// One short line that says which field is wrong.
    pub fn parse(value: &[u8]) -> Result<Override, String> {
        let fields: Map<String, Value> =
            serde_json::from_slice(value).map_err(|e| shown(&format!("not a JSON object: {e}")))?;
        let until = text(&fields, "until")?.map(str::parse).transpose();
        let until = until.map_err(|e: String| shown(&format!("until: {e}")))?;
        let pin = text(&fields, "pin")?
            .map(str::parse::<Endpoint>)
            .transpose();
        let pin = pin.map_err(|e| shown(&format!("pin: {e}")))?;
        let words = |name| Ok::<_, String>(text(&fields, name)?.map(shown).unwrap_or_default());
        Ok(Override {
            pin: pin.map(|server| Pin { server, until }),
            exclude: exclusions(&fields)?,
            by: words("by")?,
            // For people only, so that a strange one does no harm.
            at: text(&fields, "at")?.and_then(|at| at.parse().ok()),
            why: words("why")?,
        })
    }

    /// Where the tag stays at this moment.
    pub fn pinned(&self, now: Moment) -> Option<&Pin> {
        let holds = |pin: &&Pin| pin.until.is_none_or(|until| now < until);
        self.pin.as_ref().filter(holds)
    }

    /// Who ordered it, when and why, as far as that is known.
    pub fn origin(&self) -> String {
        let by = match self.by.as_str() {
            "" => "somebody",
            by => by,
        };
        let at = self.at.map(|at| format!(" at {at}")).unwrap_or_default();
        let why = match self.why.as_str() {
            "" => String::new(),
            why => format!(": {why}"),
        };
        format!("{by}{at}{why}")
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        if let Some(pin) = &self.pin {
            put("pin", pin.server.to_string().into());
            if let Some(until) = pin.until {
                put("until", until.to_string().into());
            }
        }
        if !self.exclude.is_empty() {
            let all = self.exclude.iter().map(|e| Value::from(e.to_string()));
            put("exclude", all.collect());
        }
        put("by", self.by.as_str().into());
        if let Some(at) = self.at {
            put("at", at.to_string().into());
        }
        put("why", self.why.as_str().into());
        write!(f, "{}", Value::Object(fields))
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("\"{name}\" is not a string")),
    }
}

fn exclusions(fields: &Map<String, Value>) -> Result<Vec<Exclusion>, String> {
    let list = match fields.get("exclude") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err("\"exclude\" is not a list".to_owned()),
    };
    let one = |value: &Value| {
        let text = value
            .as_str()
            .ok_or("\"exclude\" is not a list of strings")?;
        text.parse().map_err(|e| shown(&format!("exclude: {e}")))
    };
    list.iter().map(one).collect()
}

/// Fit for a line.
fn shown(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let clean: String = clean.take(MOST).collect();
    clean.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Override {
        Override {
            pin: Some(Pin {
                server: "10.0.21.7:3301".parse().unwrap(),
                until: Some(Moment(1_795_609_800)),
            }),
            exclude: vec!["10.0.21.8:3301".parse().unwrap(), "db9".parse().unwrap()],
            by: "root@proxy1".to_owned(),
            at: Some(Moment(1_795_606_200)),
            why: "reindexing".to_owned(),
        }
    }

    #[test]
    fn orders_are_written_and_read_back() {
        let text = full().to_string();
        assert_eq!(
            text,
            r#"{"at":"2026-11-25T11:30:00Z","by":"root@proxy1","exclude":["10.0.21.8:3301","db9"],"pin":"10.0.21.7:3301","until":"2026-11-25T12:30:00Z","why":"reindexing"}"#
        );
        assert_eq!(Override::parse(text.as_bytes()), Ok(full()));
        let none = Override::default();
        assert_eq!(Override::parse(none.to_string().as_bytes()), Ok(none));
    }

    #[test]
    fn a_pin_holds_until_its_time_has_come() {
        let orders = full();
        assert!(orders.pinned(Moment(1_795_609_799)).is_some());
        assert!(orders.pinned(Moment(1_795_609_800)).is_none());
        assert!(Override::default().pinned(Moment(0)).is_none());
    }

    #[test]
    fn what_is_wrong_with_a_value_is_one_short_line() {
        let long = format!("\"{}\"", "9".repeat(10_000));
        let cases = [
            ("", "not a JSON object"),
            ("[]", "not a JSON object"),
            (long.as_str(), "not a JSON object"),
            (r#"{"pin":1}"#, "\"pin\" is not a string"),
            (r#"{"pin":"10.0.0.1"}"#, "pin: "),
            (r#"{"pin":"a:1","until":"tomorrow"}"#, "until: "),
            (r#"{"exclude":"a"}"#, "not a list"),
            (r#"{"exclude":[1]}"#, "list of strings"),
            ("{\"exclude\":[\"a b\\n\"]}", "exclude: "),
        ];
        for (value, wanted) in cases {
            let problem = Override::parse(value.as_bytes()).unwrap_err();
            assert!(problem.contains(wanted), "{value}: {problem}");
            assert!(problem.chars().count() <= MOST && !problem.contains('\n'));
        }
    }

    #[test]
    fn who_ordered_it_is_told_as_far_as_it_is_known() {
        assert_eq!(
            full().origin(),
            "root@proxy1 at 2026-11-25T11:30:00Z: reindexing"
        );
        assert_eq!(Override::default().origin(), "somebody");
        let text = br#"{"why":"a\nb","x":1,"at":"?"}"#;
        assert_eq!(Override::parse(text).unwrap().origin(), "somebody: a b");
    }
}

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

type Fields = Map<String, Value>;

/// Orders for one tag.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Override {
    /// Where the tag stays.
    pub pin: Option<Pin>,
    /// Servers that are not elected, and left if another is up.
    pub exclude: Vec<Excluded>,
    /// Who has changed the orders last.
    pub changed: Origin,
}

/// A tag that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Where it was when it was pinned.
    pub server: Endpoint,
    /// Until then; `None` for as long as nobody lets it go.
    pub until: Option<Moment>,
    /// Who has pinned it.
    pub origin: Origin,
}

/// A server, or a host, that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excluded {
    /// Which.
    pub what: Exclusion,
    /// Who has excluded it.
    pub origin: Origin,
}

/// Where an order comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Who ordered it: `user@host`.
    pub by: String,
    /// When; `None` where nobody says it.
    pub at: Option<Moment>,
    /// Why, in the operator's words; possibly empty.
    pub why: String,
}

impl Override {
    /// Reads a value. Unknown fields are ignored, and a server may stand for a whole order: whose that
    /// is, say the fields beside it then.
    ///
    /// # Errors
    /// One short line that says which field is wrong.
    pub fn parse(value: &[u8]) -> Result<Override, String> {
        let fields: Fields =
            serde_json::from_slice(value).map_err(|e| shown(&format!("not a JSON object: {e}")))?;
        let changed = Origin::read(&fields)?;
        Ok(Override {
            pin: pin(&fields, &changed)?,
            exclude: exclusions(&fields, &changed)?,
            changed,
        })
    }

    /// Where the tag stays at this moment.
    pub fn pinned(&self, now: Moment) -> Option<&Pin> {
        let holds = |pin: &&Pin| pin.until.is_none_or(|until| now < until);
        self.pin.as_ref().filter(holds)
    }

    /// What is excluded.
    pub fn excluded(&self) -> Vec<Exclusion> {
        self.exclude.iter().map(|each| each.what.clone()).collect()
    }

    /// Whether nothing is ordered.
    pub fn is_empty(&self) -> bool {
        self.pin.is_none() && self.exclude.is_empty()
    }
}

impl Origin {
    fn read(fields: &Fields) -> Result<Origin, String> {
        let words = |name| Ok::<_, String>(text(fields, name)?.map(shown).unwrap_or_default());
        Ok(Origin {
            by: words("by")?,
            // For people only, so that a strange one does no harm.
            at: text(fields, "at")?.and_then(|at| at.parse().ok()),
            why: words("why")?,
        })
    }

    fn write(&self, fields: &mut Fields) {
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("by", self.by.as_str().into());
        if let Some(at) = self.at {
            put("at", at.to_string().into());
        }
        if !self.why.is_empty() {
            put("why", self.why.as_str().into());
        }
    }
}

/// Who ordered it, when and why, as far as that is known.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by.as_str() {
            "" => f.write_str("somebody")?,
            by => f.write_str(by)?,
        }
        if let Some(at) = self.at {
            write!(f, " at {at}")?;
        }
        match self.why.as_str() {
            "" => Ok(()),
            why => write!(f, ": {why}"),
        }
    }
}

/// The server, and who has excluded it.
impl fmt::Display for Excluded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.what, self.origin)
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = Fields::new();
        if let Some(pin) = &self.pin {
            let mut order = order(&pin.server, &pin.origin);
            if let Some(until) = pin.until {
                order.insert("until".to_owned(), until.to_string().into());
            }
            fields.insert("pin".to_owned(), order.into());
        }
        if !self.exclude.is_empty() {
            let each = self.exclude.iter();
            let all = each.map(|each| Value::from(order(&each.what, &each.origin)));
            fields.insert("exclude".to_owned(), all.collect());
        }
        self.changed.write(&mut fields);
        write!(f, "{}", Value::Object(fields))
    }
}

fn order(server: &impl fmt::Display, origin: &Origin) -> Fields {
    let mut fields = Fields::new();
    fields.insert("server".to_owned(), server.to_string().into());
    origin.write(&mut fields);
    fields
}

fn text<'a>(fields: &'a Fields, name: &str) -> Result<Option<&'a str>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("\"{name}\" is not a string")),
    }
}

/// A server, or an order with one: the server, and the order's fields if it has its own.
fn server<'a>(name: &str, value: &'a Value) -> Result<(&'a str, Option<&'a Fields>), String> {
    let missing = || format!("\"{name}\" names no server");
    match value {
        Value::String(server) => Ok((server, None)),
        Value::Object(own) => Ok((text(own, "server")?.ok_or_else(missing)?, Some(own))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => Err(missing()),
    }
}

fn pin(fields: &Fields, around: &Origin) -> Result<Option<Pin>, String> {
    let Some(value) = fields.get("pin").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let (name, own) = server("pin", value)?;
    let until = text(own.unwrap_or(fields), "until")?.map(str::parse);
    Ok(Some(Pin {
        server: name.parse().map_err(|e| shown(&format!("pin: {e}")))?,
        until: until
            .transpose()
            .map_err(|e: String| shown(&format!("until: {e}")))?,
        origin: own.map_or(Ok(around.clone()), Origin::read)?,
    }))
}

fn exclusions(fields: &Fields, around: &Origin) -> Result<Vec<Excluded>, String> {
    let list = match fields.get("exclude") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err("\"exclude\" is not a list".to_owned()),
    };
    let one = |value: &Value| {
        let (name, own) = server("exclude", value)?;
        Ok(Excluded {
            what: name.parse().map_err(|e| shown(&format!("exclude: {e}")))?,
            origin: own.map_or(Ok(around.clone()), Origin::read)?,
        })
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

    fn origin(by: &str, why: &str) -> Origin {
        Origin {
            by: by.to_owned(),
            at: Some(Moment(1_795_606_200)),
            why: why.to_owned(),
        }
    }

    fn full() -> Override {
        let excluded = |what: &str| Excluded {
            what: what.parse().unwrap(),
            origin: origin("eve@proxy2", "new disk"),
        };
        Override {
            pin: Some(Pin {
                server: "10.0.21.7:3301".parse().unwrap(),
                until: Some(Moment(1_795_609_800)),
                origin: origin("root@proxy1", "reindexing"),
            }),
            exclude: vec![excluded("10.0.21.8:3301"), excluded("db9")],
            changed: origin("eve@proxy2", ""),
        }
    }

    #[test]
    fn orders_are_written_and_read_back() {
        let text = full().to_string();
        let pin = concat!(
            r#"{"at":"2026-11-25T11:30:00Z","by":"root@proxy1","server":"10.0.21.7:3301","#,
            r#""until":"2026-11-25T12:30:00Z","why":"reindexing"}"#
        );
        assert!(text.contains(&format!(r#""pin":{pin}"#)), "{text}");
        assert!(text.starts_with(r#"{"at":"2026-11-25T11:30:00Z","by":"eve@proxy2","exclude":[{"#));
        assert_eq!(Override::parse(text.as_bytes()), Ok(full()));
        let none = Override::default();
        assert_eq!(Override::parse(none.to_string().as_bytes()), Ok(none));
    }

    #[test]
    fn orders_typed_by_hand_may_be_short() {
        let text =
            br#"{"pin":"a:1","until":"2026-11-25T12:30:00Z","exclude":["b","c:2"],"by":"me"}"#;
        let orders = Override::parse(text).unwrap();
        let pin = orders.pin.clone().unwrap();
        assert_eq!(pin.server.to_string(), "a:1");
        assert_eq!(pin.until, Some(Moment(1_795_609_800)));
        assert_eq!(pin.origin.to_string(), "me");
        let excluded: Vec<String> = orders.exclude.iter().map(ToString::to_string).collect();
        assert_eq!(excluded, ["b by me", "c:2 by me"]);
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
            (r#"{"pin":1}"#, "\"pin\" names no server"),
            (r#"{"pin":{"until":"x"}}"#, "\"pin\" names no server"),
            (r#"{"pin":{"server":7}}"#, "\"server\" is not a string"),
            (r#"{"pin":{"server":"a:1","until":"soon"}}"#, "until: "),
            (r#"{"pin":"10.0.0.1"}"#, "pin: "),
            (r#"{"pin":"a:1","until":"tomorrow"}"#, "until: "),
            (r#"{"exclude":"a"}"#, "not a list"),
            (r#"{"exclude":[1]}"#, "\"exclude\" names no server"),
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
            full().pin.unwrap().origin.to_string(),
            "root@proxy1 at 2026-11-25T11:30:00Z: reindexing"
        );
        assert_eq!(Origin::default().to_string(), "somebody");
        let text = br#"{"why":"a\nb","x":1,"at":"?"}"#;
        let orders = Override::parse(text).unwrap();
        assert_eq!(orders.changed.to_string(), "somebody: a b");
    }
}

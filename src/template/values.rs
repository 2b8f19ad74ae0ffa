//! The engine's values as Go has them: how they print, what type they are, and the two kinds that
//! confd has and the engine does not: a pair of key and value, and a time.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use gotmpl::{TemplateError, Value};

use super::limits::Limited;

/// Marks a map that is a pair or a time. No other map has a key with a NUL.
const PAIR: &str = "\0pair";
const TIME: &str = "\0time";

/// What a value is, beyond what the engine knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What the engine says it is.
    Plain,
    Pair,
    /// Nanoseconds since 1970.
    Time(i64),
}

pub(super) fn text(text: &str) -> Value {
    Value::String(Arc::from(text))
}

pub(super) fn texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Value {
    Value::List(texts.into_iter().map(|t| text(t.as_ref())).collect())
}

pub(super) fn pair(key: &str, value: &str) -> Value {
    map([
        (PAIR, Value::Nil),
        ("Key", text(key)),
        ("Value", text(value)),
    ])
}

pub(super) fn time(nanoseconds: i64) -> Value {
    map([(TIME, Value::Int(nanoseconds))])
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields
        .into_iter()
        .map(|(name, value)| (Arc::from(name), value));
    Value::Map(Arc::new(fields.collect::<BTreeMap<Arc<str>, Value>>()))
}

pub(super) fn kind(value: &Value) -> Kind {
    match (value.field(PAIR), value.field(TIME)) {
        (Some(_), _) => Kind::Pair,
        (_, Some(Value::Int(nanoseconds))) => Kind::Time(*nanoseconds),
        _ => Kind::Plain,
    }
}

/// Whether a map of a template's own may have this key.
pub(super) fn is_key(key: &str) -> bool {
    !key.contains('\0')
}

/// What `%v` prints.
///
/// # Errors
/// When that is too large.
pub(super) fn show(value: &Value) -> Result<String, TemplateError> {
    let mut out = Limited::default();
    write!(out, "{}", Shown(value))?;
    Ok(out.0)
}

/// Go's name of the value's type.
pub(super) fn type_name(value: &Value) -> &'static str {
    match (kind(value), value) {
        (Kind::Pair, _) => "memkv.KVPair",
        (Kind::Time(_), _) => "time.Time",
        (Kind::Plain, Value::Nil) => "<nil>",
        (Kind::Plain, Value::List(_)) => "list",
        (Kind::Plain, Value::Map(_)) => "map",
        (Kind::Plain, other) => other.type_name(),
    }
}

struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (kind(self.0), self.0) {
            (Kind::Pair, pair) => {
                let field = |name| pair.field(name).and_then(Value::as_str).unwrap_or_default();
                write!(f, "{{{} {}}}", field("Key"), field("Value"))
            }
            (Kind::Time(nanoseconds), _) => f.write_str(&super::time::print(nanoseconds)),
            (Kind::Plain, Value::Float(number)) => f.write_str(&float(*number)),
            (Kind::Plain, Value::List(items)) => {
                f.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{}", if index > 0 { " " } else { "" }, Shown(item))?;
                }
                f.write_char(']')
            }
            (Kind::Plain, Value::Map(fields)) => {
                f.write_str("map[")?;
                for (index, (name, field)) in fields.iter().enumerate() {
                    write!(
                        f,
                        "{}{name}:{}",
                        if index > 0 { " " } else { "" },
                        Shown(field)
                    )?;
                }
                f.write_char(']')
            }
            (Kind::Plain, other) => write!(f, "{other}"),
        }
    }
}

/// The shortest digits that make this number, with an exponent below 0.0001 and from a million on.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if number == 0.0 || (-4..6).contains(&exponent) {
        return format!("{number}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

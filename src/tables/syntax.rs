//! From TOML's text to our tables: which value is of which type, and on which line.

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue, Error};

use super::{At, Entry, Findings, Table};

/// A value.
#[derive(Debug, Clone)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Switch(bool),
    /// A list.
    List(Vec<At<Value>>),
    /// A table.
    Table(Table),
    /// Something that nobody reads: what it is, for messages.
    Other(&'static str),
}

impl Value {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a text",
            Value::Number(_) => "a number",
            Value::Switch(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Other(kind) => kind,
        }
    }
}

/// Reads what can be read, and reports every error of the syntax.
pub(super) fn parse(text: &str, findings: &mut Findings) -> Table {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = Lines(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        findings.problem(lines.at(at), message(error));
    }
    lines.table("", document.get_ref())
}

/// The first line of the parser's message, which may have notes below it.
fn message(error: &Error) -> String {
    let text = error.message().lines().next().unwrap_or_default();
    format!("not TOML: {text}")
}

struct Lines<'a>(&'a str);

impl Lines<'_> {
    /// The number of the line that has the byte `offset`.
    fn at(&self, offset: usize) -> usize {
        let before = self.0.as_bytes().iter().take(offset);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    fn table(&self, name: &str, table: &DeTable<'_>) -> Table {
        let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let text: &str = AsRef::<str>::as_ref(key.get_ref());
            Entry {
                key: text.to_owned(),
                line: self.at(key.span().start),
                value: self.value(text, value.get_ref()),
            }
        };
        let mut entries: Vec<Entry> = table.iter().map(entry).collect();
        entries.sort_by_key(|entry| entry.line);
        Table {
            name: name.to_owned(),
            entries,
            asked: Vec::new(),
        }
    }

    fn value(&self, key: &str, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.as_ref().to_owned()),
            DeValue::Integer(integer) => {
                number(integer).map_or(Value::Other("a number too large"), Value::Number)
            }
            DeValue::Boolean(switch) => Value::Switch(*switch),
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| self.item(item)).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(key, table)),
            DeValue::Float(_) => Value::Other("a fraction"),
            DeValue::Datetime(_) => Value::Other("a date"),
        }
    }

    fn item(&self, item: &Spanned<DeValue<'_>>) -> At<Value> {
        At {
            value: self.value("", item.get_ref()),
            line: self.at(item.span().start),
        }
    }
}

fn number(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

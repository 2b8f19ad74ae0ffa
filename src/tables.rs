//! TOML files as tables whose keys know their lines. Owns the syntax, the types, and what nobody
//! asked for; what a key means is its reader's.

mod findings;
mod syntax;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

pub use self::findings::{Findings, Problem};
pub use self::syntax::Value;
use crate::nearest::did_you_mean;

/// A table, from which a reader takes the keys that it knows. Upper and lower case are alike in
/// keys, as in confd.
#[derive(Debug, Clone)]
pub struct Table {
    /// What messages call it: empty for the whole file.
    name: String,
    entries: Vec<Entry>,
    asked: Vec<&'static str>,
}

/// Something that stands on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// What.
    pub value: T,
    /// The line's number, from 1.
    pub line: usize,
}

#[derive(Debug, Clone)]
struct Entry {
    key: String,
    line: usize,
    value: Value,
}

impl Table {
    /// Reads the file at `path`; `None` if that cannot be done at all. What can be understood of
    /// it is there, even if there are problems.
    pub fn load(path: &Path, findings: &mut Findings) -> Option<Table> {
        let text = fs::read(path)
            .map_err(|e| format!("cannot be read: {e}; let this user read it"))
            .and_then(|bytes| {
                String::from_utf8(bytes).map_err(|_| "is not UTF-8; save it as UTF-8".to_owned())
            });
        match text {
            Ok(text) => Some(Table::parse(&text, findings)),
            Err(message) => {
                findings.file_problem(message);
                None
            }
        }
    }

    /// Takes a file's text.
    pub fn parse(text: &str, findings: &mut Findings) -> Table {
        syntax::parse(text, findings)
    }

    /// Takes a text in quotes.
    pub fn text(&mut self, key: &'static str, findings: &mut Findings) -> Option<At<String>> {
        let wanted = "a text in quotes";
        self.typed(key, wanted, findings, |value| {
            let Value::Text(text) = value else {
                return None;
            };
            Some(text)
        })
    }

    /// Takes a whole number.
    pub fn number(&mut self, key: &'static str, findings: &mut Findings) -> Option<At<i64>> {
        let wanted = "a whole number without quotes";
        self.typed(key, wanted, findings, |value| {
            let Value::Number(number) = value else {
                return None;
            };
            Some(number)
        })
    }

    /// Takes a list of texts in quotes.
    pub fn texts(
        &mut self,
        key: &'static str,
        findings: &mut Findings,
    ) -> Option<At<Vec<At<String>>>> {
        let wanted = "a list of texts in quotes";
        self.typed(key, wanted, findings, |value| {
            let Value::List(items) = value else {
                return None;
            };
            items.into_iter().map(text_item).collect()
        })
    }

    /// Takes a table inside this one.
    pub fn table(&mut self, key: &'static str, findings: &mut Findings) -> Option<At<Table>> {
        self.typed(key, "a table", findings, |value| {
            let Value::Table(table) = value else {
                return None;
            };
            Some(table)
        })
    }

    /// Takes a value of any type.
    pub fn any(&mut self, key: &'static str, findings: &mut Findings) -> Option<At<Value>> {
        self.asked.push(key);
        let position = |table: &Table| {
            let entries = table.entries.iter();
            let exact = entries.clone().position(|entry| entry.key == key);
            exact.or_else(|| {
                let mut entries = entries;
                entries.position(|entry| entry.key.eq_ignore_ascii_case(key))
            })
        };
        let found = position(self).map(|index| self.entries.remove(index))?;
        while let Some(index) = position(self) {
            let again = self.entries.remove(index);
            let message = format!("{key} is already said in line {}", found.line);
            findings.problem(again.line, message);
        }
        Some(At {
            value: found.value,
            line: found.line,
        })
    }

    /// Warns of every key that nobody asked for.
    pub fn finish(self, findings: &mut Findings) {
        for entry in &self.entries {
            let hint = did_you_mean(&entry.key, self.asked.iter().copied());
            let key = entry.key.escape_debug();
            let what = match &self.name {
                _ if matches!(entry.value, Value::Table(_)) => format!("unknown table [{key}]"),
                name if name.is_empty() => format!("unknown key '{key}'"),
                name => format!("unknown key '{key}' in [{name}]"),
            };
            findings.warning(entry.line, format!("{what}{hint}"));
        }
    }

    fn typed<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        findings: &mut Findings,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Option<At<T>> {
        let At { value, line } = self.any(key, findings)?;
        let kind = value.kind();
        match read(value) {
            Some(value) => Some(At { value, line }),
            None => {
                findings.problem(line, format!("{key} is {kind}, not {wanted}"));
                None
            }
        }
    }
}

fn text_item(item: At<Value>) -> Option<At<String>> {
    let Value::Text(value) = item.value else {
        return None;
    };
    Some(At {
        value,
        line: item.line,
    })
}

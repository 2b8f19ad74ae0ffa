//! The text of a conf file as sections and keys: rust-ini behind a line validator of ours.
//!
//! The validator knows the line of everything, and makes an error of what rust-ini would misread
//! in silence. What a key means, and which values it takes, is `config`'s.

use std::collections::HashMap;

use ini::{Ini, ParseOption};

/// The byte order mark that some editors put before UTF-8 text.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// One `[section]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The name between the brackets, without blanks around it.
    pub name: String,
    /// The line of its header, from 1.
    pub line: usize,
    /// Its keys, in the order of the file.
    pub entries: Vec<Entry>,
}

/// One `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, without blanks around it.
    pub key: String,
    /// The value as it stands: no quotes, no escapes, no comments after it. Blanks around it are
    /// dropped, except those behind a `password`, which belong to it, as the original had it.
    pub value: String,
    /// The line, from 1.
    pub line: usize,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The problem.
    pub message: String,
}

/// Reads the bytes of a conf file.
///
/// # Errors
/// Every line that has a problem.
pub fn read(bytes: &[u8]) -> Result<Vec<Section>, Vec<Problem>> {
    let mut validator = Validator::default();
    for (index, line) in lines(bytes.strip_prefix(BOM).unwrap_or(bytes)).enumerate() {
        validator.line = index + 1;
        validator.take(line);
    }
    if validator.problems.is_empty()
        && let Err(problem) = agrees_with_rust_ini(&validator.clean, &validator.sections)
    {
        validator.problems.push(problem);
    }
    match validator.problems.is_empty() {
        true => Ok(validator.sections),
        false => Err(validator.problems),
    }
}

/// Lines end in LF, CR LF or a lone CR.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == b'\n').flat_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.split(|b| *b == b'\r')
    })
}

#[derive(Default)]
struct Validator {
    line: usize,
    sections: Vec<Section>,
    /// What was opened, and where: the section's name, and a key if it is one.
    seen: HashMap<(String, Option<String>), usize>,
    /// The text for rust-ini, without comments.
    clean: String,
    problems: Vec<Problem>,
}

impl Validator {
    fn take(&mut self, line: &[u8]) {
        let result = match std::str::from_utf8(line) {
            Ok(text) => self.take_text(text),
            Err(_) => Err("this line is not UTF-8: save the file as UTF-8".to_owned()),
        };
        if let Err(message) = result {
            let line = self.line;
            self.problems.push(Problem { line, message });
        }
        self.clean.push('\n');
    }

    fn take_text(&mut self, text: &str) -> Result<(), String> {
        let trimmed = text.trim_matches(is_blank);
        match trimmed.chars().next() {
            None | Some('#' | ';') => Ok(()),
            Some('[') => self.take_header(trimmed),
            Some('!') => Err(format!(
                "'{}': files cannot be included, write the sections here",
                shorten(trimmed)
            )),
            Some(_) => self.take_entry(text.trim_start_matches(is_blank)),
        }
    }

    fn take_header(&mut self, trimmed: &str) -> Result<(), String> {
        let inside = trimmed.trim_start_matches('[');
        let closed = inside.split_once(']');
        let (name, rest) = closed.unwrap_or((inside, ""));
        let name = name.trim_matches(is_blank);
        // Opened even when something is wrong with it, so that its keys are looked at too.
        self.sections.push(Section {
            name: name.to_owned(),
            line: self.line,
            entries: Vec::new(),
        });
        if closed.is_none() {
            return Err("a section's name that is not closed: write [name]".to_owned());
        }
        if name.is_empty() || trimmed.starts_with("[[") {
            return Err("a section without a name: write [name]".to_owned());
        }
        self.once((name.to_owned(), None))
            .map_err(|first| format!("section [{name}] is already in line {first}: merge them"))?;
        if !rest.trim_matches(is_blank).is_empty() {
            return Err(format!(
                "text after [{name}]: a comment needs a line of its own"
            ));
        }
        self.clean.push_str(trimmed);
        Ok(())
    }

    fn take_entry(&mut self, text: &str) -> Result<(), String> {
        let (key, value) = split_entry(text)?;
        let section = self
            .sections
            .last()
            .map(|s| s.name.clone())
            .ok_or_else(|| format!("{key}= stands before the first [section]"))?;
        self.once((section.clone(), Some(key.to_owned())))
            .map_err(|first| {
                format!("{key}= is already set in line {first} of [{section}]: keep one")
            })?;
        check_value(key, value)?;
        self.clean.push_str(text);
        let kept = match key {
            "password" => value,
            _ => value.trim_end_matches(is_blank),
        };
        let entry = Entry {
            key: key.to_owned(),
            value: kept.to_owned(),
            line: self.line,
        };
        if let Some(section) = self.sections.last_mut() {
            section.entries.push(entry);
        }
        Ok(())
    }

    /// Notes that something is defined here, or gives the line where it already was.
    fn once(&mut self, what: (String, Option<String>)) -> Result<(), usize> {
        let line = self.line;
        let first = *self.seen.entry(what).or_insert(line);
        if first == line { Ok(()) } else { Err(first) }
    }
}

/// The key and its value, which keeps its trailing blanks.
fn split_entry(text: &str) -> Result<(&str, &str), String> {
    let colon_first = text.chars().find(|c| matches!(c, ':' | '=')) == Some(':');
    let Some((key, value)) = text.split_once('=') else {
        return Err(match colon_first {
            true => format!("'{}': write key=value, not key: value", name_of(text)),
            false => format!("'{}' has no '=': write key=value", shorten(text)),
        });
    };
    let key = key.trim_matches(is_blank);
    if key.is_empty() {
        return Err("no key before the '=': write key=value".to_owned());
    }
    if colon_first {
        return Err(format!(
            "'{}' comes before a ':': write key=value",
            name_of(key)
        ));
    }
    Ok((key, value.trim_start_matches(is_blank)))
}

/// The value is not shown: it may be a password.
fn check_value(key: &str, value: &str) -> Result<(), String> {
    if value.starts_with("<<") {
        return Err(format!(
            "{key}= starts with '<<': a value is one line, without <<"
        ));
    }
    if value.contains('\0') {
        return Err(format!(
            "{key}= holds a NUL byte: save the file as UTF-8 text"
        ));
    }
    if value.trim_end().ends_with('\\') {
        return Err(format!(
            "{key}= ends in a backslash: a value is one line, and cannot end so"
        ));
    }
    Ok(())
}

/// Has rust-ini read what the validator let pass; both must have understood the same.
fn agrees_with_rust_ini(clean: &str, sections: &[Section]) -> Result<(), Problem> {
    let options = ParseOption {
        enabled_quote: false,
        enabled_escape: false,
        ..ParseOption::default()
    };
    let ini = Ini::load_from_str_opt(clean, options).map_err(|e| Problem {
        line: e.line,
        message: e.msg.into_owned(),
    })?;
    for section in sections {
        let properties = ini.section(Some(section.name.as_str()));
        for entry in &section.entries {
            let read = properties.and_then(|p| p.get(&entry.key));
            if read.map(str::trim) != Some(entry.value.trim()) {
                return Err(Problem {
                    line: entry.line,
                    message: format!("{}= cannot be read: write it more simply", entry.key),
                });
            }
        }
    }
    Ok(())
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{b}' | '\u{c}')
}

/// What stands before a colon or blank: never the value, which may be a password.
fn name_of(text: &str) -> String {
    shorten(text.split(':').next().unwrap_or(text))
}

/// The first word of a line that is no `key=value`: the rest may be a password.
fn shorten(text: &str) -> String {
    let word = text.split_whitespace().next().unwrap_or(text);
    let start: String = word.chars().take(40).collect();
    start.escape_debug().to_string()
}

#[cfg(test)]
mod tests;

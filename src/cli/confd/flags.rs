//! The flags as typed, in the way of Go's programs: `-x v`, `-x=v`, `--x v`, `--x=v`, and `-x`
//! alone for a switch.

use std::ffi::OsString;
use std::vec;

use super::layer::{Layer, SETTINGS, Setting, Shape};
use crate::config::value::items;
use crate::error::Error;
use crate::nearest::nearest;

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfdArgs {
    pub(super) flags: Layer,
}

/// What the flags ask for.
#[derive(Debug)]
pub(in crate::cli) enum Parsed {
    Help,
    Version,
    Args(Box<ConfdArgs>),
}

/// Reads the words after the command's name.
///
/// # Errors
/// `Error::Confd`, with everything that is wrong with them.
pub(in crate::cli) fn parse(words: impl Iterator<Item = OsString>) -> Result<Parsed, Error> {
    let mut reader = Reader::new(words);
    match reader.read() {
        Some(special) => Ok(special),
        None if reader.problems.is_empty() => Ok(Parsed::Args(Box::new(ConfdArgs {
            flags: reader.layer,
        }))),
        None => {
            reader
                .problems
                .push("see confd_haproxy confd -help".to_owned());
            Err(Error::Confd(reader.problems))
        }
    }
}

struct Reader {
    words: vec::IntoIter<OsString>,
    layer: Layer,
    problems: Vec<String>,
}

impl Reader {
    fn new(words: impl Iterator<Item = OsString>) -> Reader {
        let words: Vec<OsString> = words.collect();
        Reader {
            words: words.into_iter(),
            layer: Layer::default(),
            problems: Vec::new(),
        }
    }

    /// Goes through all words. A wish for help ends it, whatever else is wrong.
    fn read(&mut self) -> Option<Parsed> {
        while let Some(word) = self.words.next() {
            let Ok(word) = word.into_string() else {
                self.problems.push("an argument is not UTF-8".to_owned());
                continue;
            };
            let Some(flag) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
                let word = word.escape_debug();
                self.problems.push(format!("unexpected argument '{word}'"));
                continue;
            };
            let flag = flag.strip_prefix('-').unwrap_or(flag);
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            match name {
                "help" | "h" => return Some(Parsed::Help),
                "version" => return Some(Parsed::Version),
                name => match SETTINGS.iter().find(|setting| setting.flag == name) {
                    Some(setting) => self.flag(setting, value),
                    None => self.unknown(name, value.is_none()),
                },
            }
        }
        None
    }

    fn flag(&mut self, setting: &Setting, value: Option<String>) {
        let origin = format!("-{}", setting.flag);
        let value = match setting.shape {
            Shape::Switch => Some(value.unwrap_or_else(|| "true".to_owned())),
            Shape::Value | Shape::List => value.or_else(|| self.next_value()),
        };
        match value {
            None => self.problems.push(format!(
                "{origin}: its value is missing (write {origin}=value if it begins with a hyphen)"
            )),
            Some(list) if setting.flag == "node" => {
                for node in items(&list) {
                    self.layer.say(setting, origin.clone(), node.to_owned());
                }
            }
            Some(value) => self.layer.say(setting, origin, value),
        }
    }

    /// The next word, unless it is a flag: Go would take that too, and miss it.
    fn next_value(&mut self) -> Option<String> {
        let next = self.words.as_slice().first()?.to_str()?;
        if next.starts_with('-') {
            return None;
        }
        self.words.next()?.into_string().ok()
    }

    fn unknown(&mut self, name: &str, value_may_follow: bool) {
        let known = SETTINGS.iter().map(|setting| setting.flag);
        let hint = nearest(name, known.chain(["help", "version"]))
            .map_or_else(String::new, |flag| format!(", did you mean -{flag}?"));
        let name = name.escape_debug();
        self.problems.push(format!("unknown flag -{name}{hint}"));
        if value_may_follow {
            self.next_value();
        }
    }
}

//! The functions that a template may call: who they are, how many arguments they take, and how
//! the engine comes to know them.

mod builtins;
mod compare;
mod lists;
mod lookup;
mod numbers;
mod printf;
mod store;
mod texts;

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{FuncMap, TemplateError, Value};

use super::limits::Work;
use super::values;
use crate::resolve::Resolver;

/// What functions know besides their arguments.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) pairs: Arc<BTreeMap<String, String>>,
    pub(super) resolver: Resolver,
    pub(super) work: Arc<Work>,
}

/// One function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    least: usize,
    most: usize,
    call: fn(&Context, &Args<'_>) -> Answer,
}

type Answer = Result<Value, TemplateError>;

/// The arguments of one call; their number is right already.
struct Args<'a>(&'a [Value]);

/// What confd has and this does not, and why.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("lookupSRV", "only addresses can be looked up: use lookupIP"),
    ("cget", ENCRYPTED),
    ("cgets", ENCRYPTED),
    ("cgetv", ENCRYPTED),
    ("cgetvs", ENCRYPTED),
];
const ENCRYPTED: &str = "encrypted values cannot be read: use get, gets, getv or getvs";

/// Whether a template may call `name` with `count` arguments.
///
/// # Errors
/// One sentence, when not.
pub(super) fn check(name: &str, count: usize) -> Result<(), String> {
    if let Some((_, why)) = UNSUPPORTED
        .iter()
        .find(|(unsupported, _)| *unsupported == name)
    {
        return Err(format!("{name} is not supported: {why}"));
    }
    // The engine's own, because they do not evaluate all of their arguments.
    if ["and", "or"].contains(&name) {
        return count_is_right(name, count, 1, usize::MAX);
    }
    match entries().find(|entry| entry.name == name) {
        Some(entry) => count_is_right(name, count, entry.least, entry.most),
        None => Err(format!("there is no function {name:?}")),
    }
}

/// The functions, as the engine wants them.
pub(super) fn map(context: &Context) -> FuncMap {
    entries()
        .map(|entry| (entry.name.to_owned(), entry.bind(context.clone())))
        .collect()
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    let tables = [
        builtins::TABLE,
        compare::TABLE,
        lists::TABLE,
        lookup::TABLE,
        numbers::TABLE,
        store::TABLE,
        texts::TABLE,
    ];
    tables.into_iter().flatten()
}

fn count_is_right(name: &str, count: usize, least: usize, most: usize) -> Result<(), String> {
    if (least..=most).contains(&count) {
        return Ok(());
    }
    let wanted = match (least, most) {
        (_, usize::MAX) => format!("at least {least}"),
        (_, most) if least == most => least.to_string(),
        (least, most) => format!("{least} to {most}"),
    };
    Err(format!(
        "wrong number of arguments for {name}: it takes {wanted}, not {count}"
    ))
}

impl Entry {
    fn bind(&'static self, context: Context) -> gotmpl::ValueFunc {
        Arc::new(move |values| {
            count_is_right(self.name, values.len(), self.least, self.most).map_err(fail)?;
            context.work.handle(values)?;
            let answer = (self.call)(&context, &Args(values))?;
            context.work.handle(std::slice::from_ref(&answer))?;
            Ok(answer)
        })
    }
}

impl<'a> Args<'a> {
    fn get(&self, index: usize) -> &'a Value {
        self.0.get(index).unwrap_or(&Value::Nil)
    }

    fn text(&self, index: usize) -> Result<&'a str, TemplateError> {
        let value = self.get(index);
        value.as_str().ok_or_else(|| self.wrong(index, "a string"))
    }

    /// An integer; a float that is one is taken too, as Go takes the constant `1.0`.
    fn integer(&self, index: usize) -> Result<i64, TemplateError> {
        match self.get(index) {
            Value::Int(number) => Ok(*number),
            Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                Ok(*number as i64)
            }
            _ => Err(self.wrong(index, "an integer")),
        }
    }

    fn list(&self, index: usize) -> Result<&'a [Value], TemplateError> {
        match self.get(index) {
            Value::List(items) => Ok(items),
            // A missing field of a map, or a look-up without an answer.
            Value::Nil => Ok(&[]),
            _ => Err(self.wrong(index, "a list")),
        }
    }

    fn wrong(&self, index: usize, wanted: &str) -> TemplateError {
        let got = match self.get(index) {
            Value::Nil => "a missing value",
            other => values::type_name(other),
        };
        fail(format!(
            "argument {} must be {wanted}, not {got}",
            index + 1
        ))
    }
}

fn fail(message: impl Into<String>) -> TemplateError {
    TemplateError::Exec(message.into())
}

/// A row of a table.
const fn entry(
    name: &'static str,
    least: usize,
    most: usize,
    call: fn(&Context, &Args<'_>) -> Answer,
) -> Entry {
    Entry {
        name,
        least,
        most,
        call,
    }
}

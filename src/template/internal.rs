//! The functions that `nodes` and `expressions` put into a template, and no template can name.
//!
//! With them a rendering knows its line and its steps, and prints and takes fields as Go does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use gotmpl::{FuncMap, TemplateError, Value, ValueFunc};

use super::values::{self, Kind};
use super::{limits, time};

/// Says which line comes next; prints nothing.
pub(super) const LINE: &str = "__line";
/// Makes text of what an action prints.
pub(super) const PRINT: &str = "__print";
/// Takes fields: a value, then their names.
pub(super) const FIELD: &str = "__field";
/// Calls a method: a value, its path of fields with dots, then the arguments.
pub(super) const METHOD: &str = "__method";
/// Passes on what a loop may run over.
pub(super) const RANGE: &str = "__range";
/// Nothing: the dot of a template that is called without one.
pub(super) const NOTHING: &str = "__nothing";

/// Where a rendering is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    line: AtomicUsize,
    steps: AtomicU64,
}

impl Progress {
    /// The line of the action that was begun last.
    pub(super) fn line(&self) -> usize {
        self.line.load(Ordering::Relaxed)
    }

    fn step(&self, line: usize) -> Result<Value, TemplateError> {
        self.line.store(line, Ordering::Relaxed);
        match self.steps.fetch_add(1, Ordering::Relaxed) < limits::STEPS {
            true => Ok(values::text("")),
            false => Err(fail(limits::TOO_LONG)),
        }
    }
}

/// All of them, reporting to `progress`.
pub(super) fn map(progress: &Arc<Progress>) -> FuncMap {
    let progress = Arc::clone(progress);
    let line = move |args: &[Value]| {
        let line = args.first().and_then(Value::as_int).unwrap_or_default();
        progress.step(usize::try_from(line).unwrap_or_default())
    };
    let functions: [(&str, ValueFunc); 6] = [
        (LINE, Arc::new(line)),
        (PRINT, Arc::new(|args| print(first(args)))),
        (
            FIELD,
            Arc::new(|args| fields(first(args), args.get(1..).unwrap_or_default())),
        ),
        (METHOD, Arc::new(method)),
        (RANGE, Arc::new(|args| range(first(args)))),
        (NOTHING, Arc::new(|_| Ok(Value::Nil))),
    ];
    functions
        .into_iter()
        .map(|(name, function)| (name.to_owned(), function))
        .collect()
}

fn first(args: &[Value]) -> &Value {
    args.first().unwrap_or(&Value::Nil)
}

fn print(value: &Value) -> Result<Value, TemplateError> {
    match value {
        Value::Nil => Ok(values::text("<no value>")),
        Value::String(_) => Ok(value.clone()),
        value => Ok(values::text(&values::show(value)?)),
    }
}

fn range(value: &Value) -> Result<Value, TemplateError> {
    match values::kind(value) {
        Kind::Plain => Ok(value.clone()),
        Kind::Pair | Kind::Time(_) => Err(fail(format!(
            "range cannot iterate over {}",
            values::show(value)?
        ))),
    }
}

fn fields(base: &Value, names: &[Value]) -> Result<Value, TemplateError> {
    let mut value = base.clone();
    for (index, name) in names.iter().filter_map(Value::as_str).enumerate() {
        value = match field(&value, name)? {
            Some(field) => field,
            // A missing field has no fields, and none of them is an error.
            None => return Ok(Value::Nil),
        };
        if matches!(value, Value::Nil) && index + 1 < names.len() {
            return Err(fail(format!("{name} is null, so it has no fields")));
        }
    }
    Ok(value)
}

fn field(value: &Value, name: &str) -> Result<Option<Value>, TemplateError> {
    let known = match values::kind(value) {
        Kind::Time(nanoseconds) => match (name, time::number(nanoseconds, name)) {
            ("UTC", _) => return Ok(Some(value.clone())),
            ("String", _) => return Ok(Some(values::text(&time::print(nanoseconds)))),
            (_, number) => number.map(Value::Int),
        },
        Kind::Pair => value.field(name).filter(|_| values::is_key(name)).cloned(),
        Kind::Plain if matches!(value, Value::Map(_) | Value::Nil) => {
            return Ok(value.field(name).cloned());
        }
        Kind::Plain => None,
    };
    let missing = || {
        fail(format!(
            "a {} has no field {name}",
            values::type_name(value)
        ))
    };
    known.map(Some).ok_or_else(missing)
}

/// Only a time has a method with arguments, and only `Format` is one that this knows.
fn method(args: &[Value]) -> Result<Value, TemplateError> {
    let path = args.get(1).and_then(Value::as_str).unwrap_or_default();
    let mut names: Vec<Value> = path.split('.').map(values::text).collect();
    let name = names.pop();
    let base = fields(first(args), &names)?;
    let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
    match (values::kind(&base), name, args.get(2..)) {
        (Kind::Time(nanoseconds), "Format", Some([Value::String(layout)])) => {
            Ok(values::text(&time::format(nanoseconds, layout)))
        }
        (Kind::Time(_), _, _) => Err(fail(format!("{name} of a time is not supported"))),
        _ => Err(fail(format!("{name} has arguments but is not a function"))),
    }
}

fn fail(message: impl Into<String>) -> TemplateError {
    TemplateError::Exec(message.into())
}

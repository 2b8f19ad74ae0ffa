//! Go's own functions: printing, escaping, and looking into values.

use std::fmt::Write;

use gotmpl::{TemplateError, Value};

use super::super::limits::Limited;
use super::super::values::{self, Kind};
use super::{Answer, Args, Context, Entry, entry, fail, printf};

pub(super) const TABLE: &[Entry] = &[
    entry("print", 0, usize::MAX, |_, args| {
        Ok(values::text(&print(args.0)?))
    }),
    entry("println", 0, usize::MAX, |_, args| {
        let shown = args
            .0
            .iter()
            .map(values::show)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(values::text(&(shown.join(" ") + "\n")))
    }),
    entry("printf", 1, usize::MAX, |_, args| {
        let rest = args.0.get(1..).unwrap_or_default();
        Ok(values::text(&printf::printf(args.text(0)?, rest)?))
    }),
    entry("html", 0, usize::MAX, |_, args| {
        escaped(args, gotmpl::html_escape)
    }),
    entry("js", 0, usize::MAX, |_, args| {
        escaped(args, gotmpl::js_escape)
    }),
    entry("urlquery", 0, usize::MAX, |_, args| {
        escaped(args, gotmpl::url_encode)
    }),
    entry("not", 1, 1, |_, args| {
        Ok(Value::Bool(!args.get(0).is_truthy()))
    }),
    entry("len", 1, 1, |_, args| {
        let value = plain(args, "len")?;
        let length = value.len().and_then(|length| i64::try_from(length).ok());
        let name = values::type_name(value);
        length
            .map(Value::Int)
            .ok_or_else(|| fail(format!("len: a {name} has no length")))
    }),
    entry("index", 1, usize::MAX, index),
    entry("slice", 1, 3, |_, args| {
        let bound = |index| match args.0.len() > index {
            true => args.integer(index).map(Some),
            false => Ok(None),
        };
        plain(args, "slice")?.slice(bound(1)?, bound(2)?)
    }),
    entry("call", 1, usize::MAX, |_, args| {
        Err(fail(format!(
            "call: a {} is not a function",
            values::type_name(args.get(0))
        )))
    }),
];

/// Go's `Sprint`: spaces only between two that are not strings.
fn print(args: &[Value]) -> Result<String, TemplateError> {
    let mut out = Limited::default();
    let mut after_text = true;
    for arg in args {
        let is_text = arg.as_str().is_some();
        let space = if is_text || after_text { "" } else { " " };
        write!(out, "{space}{}", values::show(arg)?)?;
        after_text = is_text;
    }
    Ok(out.0)
}

fn escaped(args: &Args<'_>, escape: fn(&str) -> String) -> Answer {
    let text = match args.0 {
        [Value::Nil] => "<no value>".to_owned(),
        args => print(args)?,
    };
    Ok(values::text(&escape(&text)))
}

fn index(_: &Context, args: &Args<'_>) -> Answer {
    let mut value = plain(args, "index")?.clone();
    for index in args.0.iter().skip(1) {
        if values::kind(&value) != Kind::Plain {
            return Err(fail(format!(
                "index: not into a {}",
                values::type_name(&value)
            )));
        }
        value = value.index(index)?;
    }
    Ok(value)
}

/// The first argument, which must not be a pair or a time.
fn plain<'a>(args: &Args<'a>, name: &str) -> Result<&'a Value, TemplateError> {
    let value = args.get(0);
    match values::kind(value) {
        Kind::Plain => Ok(value),
        Kind::Pair | Kind::Time(_) => Err(fail(format!(
            "{name}: not of a {}",
            values::type_name(value)
        ))),
    }
}

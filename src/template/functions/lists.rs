//! confd's functions that make or change lists and maps.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{TemplateError, Value};

use super::super::limits;
use super::super::values::{self, Kind};
use super::{Answer, Args, Context, Entry, entry, fail};

/// The longest list that `seq` makes.
const LONGEST: i64 = 100_000;

pub(super) const TABLE: &[Entry] = &[
    entry("split", 2, 2, |_, args| {
        let (text, separator) = (args.text(0)?, args.text(1)?);
        Ok(match separator {
            "" => values::texts(text.chars().map(String::from)),
            _ => values::texts(text.split(separator)),
        })
    }),
    entry("join", 2, 2, |_, args| {
        let (texts, separator) = (texts(args)?, args.text(1)?);
        limits::check_size(texts.len(), separator.len())?;
        Ok(values::text(&texts.join(separator)))
    }),
    entry("map", 0, usize::MAX, map),
    entry("reverse", 1, 1, |_, args| match args.get(0) {
        Value::List(items) => Ok(Value::List(items.iter().rev().cloned().collect())),
        other => Ok(other.clone()),
    }),
    entry("sortByLength", 1, 1, |_, args| {
        let mut texts = texts(args)?;
        texts.sort_by_key(|text| text.len());
        Ok(values::texts(texts))
    }),
    entry("sortKVByLength", 1, 1, |_, args| {
        let mut pairs = args.list(0)?.to_vec();
        if pairs.iter().any(|pair| values::kind(pair) != Kind::Pair) {
            return Err(fail("argument 1 must be a list of pairs, as gets has it"));
        }
        let length = |pair: &Value| pair.field("Key").and_then(Value::len);
        pairs.sort_by_key(length);
        Ok(Value::List(pairs.into()))
    }),
    entry("seq", 2, 2, |_, args| {
        let (first, last) = (args.integer(0)?, args.integer(1)?);
        if last.saturating_sub(first) >= LONGEST {
            return Err(fail(format!("seq: more than {LONGEST} numbers")));
        }
        Ok(Value::List((first..=last).map(Value::Int).collect()))
    }),
];

fn texts<'a>(args: &Args<'a>) -> Result<Vec<&'a str>, TemplateError> {
    let items = args
        .list(0)?
        .iter()
        .map(Value::as_str)
        .collect::<Option<_>>();
    items.ok_or_else(|| args.wrong(0, "a list of strings"))
}

fn map(_: &Context, args: &Args<'_>) -> Answer {
    let mut fields: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    for field in args.0.chunks(2) {
        match field {
            [Value::String(name), value] if values::is_key(name) => {
                fields.insert(Arc::clone(name), value.clone());
            }
            [_, _] => return Err(fail("map: its keys must be strings")),
            _ => return Err(fail("map: the last key has no value")),
        }
    }
    Ok(Value::Map(Arc::new(fields)))
}

//! The functions that read keys, as confd's store has them.

use std::collections::BTreeSet;

use gotmpl::Value;

use super::super::{glob, paths, values};
use super::{Answer, Args, Context, Entry, entry, fail};

pub(super) const TABLE: &[Entry] = &[
    entry("exists", 1, 1, |context, args| {
        Ok(Value::Bool(context.pairs.contains_key(args.text(0)?)))
    }),
    entry("get", 1, 1, |context, args| {
        let key = args.text(0)?;
        Ok(values::pair(key, value(context, key)?))
    }),
    entry("getv", 1, usize::MAX, |context, args| {
        let key = args.text(0)?;
        match (context.pairs.contains_key(key), args.0.len()) {
            (false, 2..) => Ok(values::text(args.text(1)?)),
            _ => Ok(values::text(value(context, key)?)),
        }
    }),
    entry("gets", 1, 1, |context, args| {
        let found = matching(context, args.text(0)?)?;
        let pairs = found
            .into_iter()
            .map(|(key, value)| values::pair(key, value));
        Ok(Value::List(pairs.collect()))
    }),
    entry("getvs", 1, 1, |context, args| {
        let found = matching(context, args.text(0)?)?;
        let mut found: Vec<&str> = found.into_iter().map(|(_, value)| value).collect();
        found.sort_unstable();
        Ok(values::texts(found))
    }),
    entry("ls", 1, 1, list),
    entry("lsdir", 1, 1, list_directories),
];

fn value<'a>(context: &'a Context, key: &str) -> Result<&'a str, gotmpl::TemplateError> {
    let value = context.pairs.get(key).map(String::as_str);
    value.ok_or_else(|| fail(format!("key does not exist: {key}")))
}

/// The pairs whose keys match, sorted by key.
fn matching<'a>(
    context: &'a Context,
    pattern: &str,
) -> Result<Vec<(&'a str, &'a str)>, gotmpl::TemplateError> {
    context
        .work
        .count(context.pairs.len() * 8 * (pattern.len() + 8))?;
    // With no keys at all, the pattern is looked at too.
    glob::matches(pattern, "").map_err(fail)?;
    let mut found = Vec::new();
    for (key, value) in context.pairs.iter() {
        if glob::matches(pattern, key).map_err(fail)? {
            found.push((key.as_str(), value.as_str()));
        }
    }
    Ok(found)
}

/// What is directly below a path, and the path's own name when it is a key itself.
fn list(context: &Context, args: &Args<'_>) -> Answer {
    let path = args.text(0)?;
    context.work.count(context.pairs.len() * 512)?;
    let wanted = paths::terms(path);
    let mut names = BTreeSet::new();
    for key in context.pairs.keys() {
        if key == path {
            names.insert(paths::base(key));
        } else if paths::terms(&paths::dir(key)).starts_with(&wanted) {
            let below = key.strip_prefix(path).unwrap_or(key);
            let below = below.strip_prefix('/').unwrap_or(below);
            names.extend(below.split('/').next());
        }
    }
    Ok(values::texts(names))
}

/// What is directly below a path and has something below it.
fn list_directories(context: &Context, args: &Args<'_>) -> Answer {
    let path = args.text(0)?;
    context.work.count(context.pairs.len() * 512)?;
    let wanted = paths::terms(path);
    let mut names = BTreeSet::new();
    for key in context.pairs.keys().filter(|key| key.starts_with(path)) {
        let directory = paths::terms(&paths::dir(key));
        if directory.starts_with(&wanted) {
            names.extend(directory.get(wanted.len()).cloned());
        }
    }
    Ok(values::texts(names))
}

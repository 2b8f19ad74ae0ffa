//! confd's functions for text, JSON, paths and the environment.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use gotmpl::{TemplateError, Value};

use super::super::{limits, paths, values};
use super::{Answer, Args, Context, Entry, entry, fail};

pub(super) const TABLE: &[Entry] = &[
    entry("base", 1, 1, |_, args| {
        Ok(values::text(paths::base(args.text(0)?)))
    }),
    entry("dir", 1, 1, |_, args| {
        Ok(values::text(&paths::dir(args.text(0)?)))
    }),
    entry("toUpper", 1, 1, |_, args| {
        let upper = |c: char| single(c.to_uppercase(), c);
        Ok(values::text(
            &args.text(0)?.chars().map(upper).collect::<String>(),
        ))
    }),
    entry("toLower", 1, 1, |_, args| {
        let lower = |c: char| single(c.to_lowercase(), c);
        Ok(values::text(
            &args.text(0)?.chars().map(lower).collect::<String>(),
        ))
    }),
    entry("contains", 2, 2, |_, args| {
        Ok(Value::Bool(args.text(0)?.contains(args.text(1)?)))
    }),
    entry("trimSuffix", 2, 2, |_, args| {
        let text = args.text(0)?;
        Ok(values::text(
            text.strip_suffix(args.text(1)?).unwrap_or(text),
        ))
    }),
    entry("replace", 4, 4, replace),
    entry("json", 1, 1, |_, args| match parse(args)? {
        serde_json::Value::Null => Ok(Value::Map(Arc::default())),
        object @ serde_json::Value::Object(_) => from_json(object),
        _ => Err(fail(
            "json: this is not a JSON object: for a list use jsonArray",
        )),
    }),
    entry("jsonArray", 1, 1, |_, args| match parse(args)? {
        serde_json::Value::Null => Ok(values::texts::<&str>([])),
        array @ serde_json::Value::Array(_) => from_json(array),
        _ => Err(fail(
            "jsonArray: this is not a JSON array: for an object use json",
        )),
    }),
    entry("base64Encode", 1, 1, |_, args| {
        Ok(values::text(&BASE64.encode(args.text(0)?)))
    }),
    entry("base64Decode", 1, 1, |_, args| {
        let packed = args.text(0)?.replace(['\r', '\n'], "");
        let bytes = BASE64
            .decode(packed)
            .map_err(|e| fail(format!("base64Decode: {e}").trim_end_matches('.')))?;
        let text = String::from_utf8(bytes);
        Ok(values::text(&text.map_err(|_| {
            fail("base64Decode: what it decodes to is not UTF-8")
        })?))
    }),
    entry("parseBool", 1, 1, |_, args| match args.text(0)? {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
        other => Err(fail(format!(
            "parseBool: {other:?} is neither true nor false"
        ))),
    }),
    entry("getenv", 1, usize::MAX, getenv),
    entry("fileExists", 1, 1, |_, args| {
        let missing = |e: std::io::Error| e.kind() == std::io::ErrorKind::NotFound;
        Ok(Value::Bool(
            !std::fs::metadata(args.text(0)?).is_err_and(missing),
        ))
    }),
    entry("datetime", 0, 0, |_, _| {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Ok(values::time(
            i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
        ))
    }),
];

/// Go's: padding is needed, unused bits of the last character may be set.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Go maps each character to one character, or leaves it.
fn single(mut mapped: impl Iterator<Item = char>, original: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(c), None) => c,
        _ => original,
    }
}

fn replace(_: &Context, args: &Args<'_>) -> Answer {
    let (text, old, new) = (args.text(0)?, args.text(1)?, args.text(2)?);
    let most = usize::try_from(args.integer(3)?).unwrap_or(usize::MAX);
    let places = text.matches(old).take(most).count();
    limits::check_size(places, new.len())?;
    Ok(values::text(&text.replacen(old, new, most)))
}

fn getenv(_: &Context, args: &Args<'_>) -> Answer {
    let name = args.text(0)?;
    // Such a name cannot be asked for, and cannot be there either.
    let bad = name.is_empty() || name.contains(['=', '\0']);
    let found = if bad { None } else { std::env::var_os(name) };
    let value = found.unwrap_or_default().into_string();
    let value = value.map_err(|_| fail(format!("getenv: {name} is not UTF-8")))?;
    match (value.is_empty(), args.0.len()) {
        (true, 2..) => Ok(values::text(args.text(1)?)),
        _ => Ok(values::text(&value)),
    }
}

fn parse(args: &Args<'_>) -> Result<serde_json::Value, TemplateError> {
    serde_json::from_str(args.text(0)?).map_err(|e| fail(format!("this is not JSON: {e}")))
}

/// Integers stay integers, where Go has floats: a port prints the same, and a number from a
/// million on prints as it was written.
fn from_json(json: serde_json::Value) -> Answer {
    use serde_json::Value as Json;
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Bool(truth),
        Json::String(text) => values::text(&text),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Value::Int(integer),
            (None, Some(float)) => Value::Float(float),
            (None, None) => return Err(fail(format!("the number {number} is too large"))),
        },
        Json::Array(items) => {
            Value::List(items.into_iter().map(from_json).collect::<Result<_, _>>()?)
        }
        Json::Object(fields) => {
            let field = |(name, value): (String, Json)| match values::is_key(&name) {
                true => Ok((Arc::from(name), from_json(value)?)),
                false => Err(fail("a field's name has a NUL")),
            };
            Value::Map(Arc::new(
                fields.into_iter().map(field).collect::<Result<_, _>>()?,
            ))
        }
    })
}

//! `eq`, `ne`, `lt`, `le`, `gt` and `ge`.
//!
//! Go refuses to compare an integer with a float. Here JSON's integers are integers, and Go's
//! templates compare them with `3301.0`, so the two are compared as numbers.

use std::cmp::Ordering;

use gotmpl::{TemplateError, Value};

use super::super::values;
use super::{Answer, Args, Entry, entry, fail};

pub(super) const TABLE: &[Entry] = &[
    entry("eq", 2, usize::MAX, |_, args| {
        for other in args.0.iter().skip(1) {
            if equal(args.get(0), other)? {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }),
    entry("ne", 2, 2, |_, args| {
        Ok(Value::Bool(!equal(args.get(0), args.get(1))?))
    }),
    entry("lt", 2, 2, |_, args| ordered(args, |order| order.is_lt())),
    entry("le", 2, 2, |_, args| ordered(args, |order| order.is_le())),
    entry("gt", 2, 2, |_, args| ordered(args, |order| order.is_gt())),
    entry("ge", 2, 2, |_, args| ordered(args, |order| order.is_ge())),
];

fn equal(left: &Value, right: &Value) -> Result<bool, TemplateError> {
    match (left, right) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        _ => Ok(order(left, right)? == Some(Ordering::Equal)),
    }
}

fn ordered(args: &Args<'_>, wanted: fn(Ordering) -> bool) -> Answer {
    let order = order(args.get(0), args.get(1))?;
    Ok(Value::Bool(order.is_some_and(wanted)))
}

/// None when one of them is not a number.
fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, TemplateError> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Ok(Some(left.cmp(right))),
        (Value::String(left), Value::String(right)) => Ok(Some(left.cmp(right))),
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            let (left, right) = (left.as_float(), right.as_float());
            Ok(left.partial_cmp(&right))
        }
        _ => Err(fail(format!(
            "a {} and a {} cannot be compared",
            values::type_name(left),
            values::type_name(right)
        ))),
    }
}

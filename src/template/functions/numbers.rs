//! confd's arithmetic: 64 bits that wrap around, as Go's do.

use gotmpl::Value;

use super::{Answer, Args, Entry, entry, fail};

pub(super) const TABLE: &[Entry] = &[
    entry("add", 2, 2, |_, args| {
        two(args, |a, b| Some(a.wrapping_add(b)))
    }),
    entry("sub", 2, 2, |_, args| {
        two(args, |a, b| Some(a.wrapping_sub(b)))
    }),
    entry("mul", 2, 2, |_, args| {
        two(args, |a, b| Some(a.wrapping_mul(b)))
    }),
    entry("div", 2, 2, |_, args| {
        two(args, |a, b| (b != 0).then(|| a.wrapping_div(b)))
    }),
    entry("mod", 2, 2, |_, args| {
        two(args, |a, b| (b != 0).then(|| a.wrapping_rem(b)))
    }),
    entry("atoi", 1, 1, |_, args| {
        let text = args.text(0)?;
        let number = text.parse().map(Value::Int);
        number.map_err(|_| fail(format!("atoi: {text:?} is not an integer")))
    }),
];

fn two(args: &Args<'_>, operation: fn(i64, i64) -> Option<i64>) -> Answer {
    let result = operation(args.integer(0)?, args.integer(1)?);
    result
        .map(Value::Int)
        .ok_or_else(|| fail("division by zero"))
}

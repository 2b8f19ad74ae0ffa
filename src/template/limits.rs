//! How much a template may make: of output, of text in memory, of work.

use std::fmt;

use gotmpl::{TemplateError, Value};

/// The largest output, and the largest text that a function may be given or may return.
const LARGEST: usize = 16 << 20;
/// Actions, calls of templates and rounds of loops in one rendering.
pub(super) const STEPS: u64 = 2_000_000;

pub(super) const TOO_LARGE: &str = "the text is larger than 16 MiB";
pub(super) const TOO_LONG: &str = "the template does more than 2000000 steps: does it end?";

/// Text that refuses to grow beyond the limit.
#[derive(Debug, Default)]
pub(super) struct Limited(pub(super) String);

impl fmt::Write for Limited {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > LARGEST {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// # Errors
/// When all of `values` together are larger than a function may be given.
pub(super) fn check(values: &[Value]) -> Result<(), TemplateError> {
    let mut room = LARGEST;
    match values.iter().all(|value| take(&mut room, value)) {
        true => Ok(()),
        false => Err(too_large()),
    }
}

/// # Errors
/// When a text of `parts` pieces of `size` bytes would be too large.
pub(super) fn check_size(parts: usize, size: usize) -> Result<(), TemplateError> {
    match parts.checked_mul(size) {
        Some(total) if total <= LARGEST => Ok(()),
        _ => Err(too_large()),
    }
}

/// Takes the size of `value` from `room`; stops as soon as there is no room, because a value that
/// is shared many times is walked many times.
fn take(room: &mut usize, value: &Value) -> bool {
    let own = match value {
        Value::String(text) => text.len(),
        _ => 0,
    };
    let Some(left) = room.checked_sub(own + 8) else {
        return false;
    };
    *room = left;
    match value {
        Value::List(items) => items.iter().all(|item| take(room, item)),
        Value::Map(fields) => fields.values().all(|field| take(room, field)),
        _ => true,
    }
}

fn too_large() -> TemplateError {
    TemplateError::Exec(TOO_LARGE.to_owned())
}

//! How much a template may make: of output, of text in memory, of work.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use gotmpl::{TemplateError, Value};

/// The largest output, and the largest text that a function may be given or may return.
const LARGEST: usize = 16 << 20;
/// The deepest nesting of lists and maps: JSON's reader has the same.
const DEEPEST: usize = 130;
/// Bytes that all functions of one rendering may handle: seconds of work.
const MOST_WORK: u64 = 2 << 30;
/// Actions, calls of templates and rounds of loops in one rendering.
pub(super) const STEPS: u64 = 2_000_000;

pub(super) const TOO_LARGE: &str = "a text, a list or a map is larger than 16 MiB or too deep";
const TOO_MUCH: &str = "the functions handle more than 2 GiB: does the template end?";
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

/// What the functions of one rendering have handled so far.
#[derive(Debug, Default)]
pub(super) struct Work(AtomicU64);

impl Work {
    /// Counts values that a function takes or returns.
    ///
    /// # Errors
    /// When together they are larger than a function may be given, or when it is enough for one
    /// rendering.
    pub(super) fn handle(&self, values: &[Value]) -> Result<(), TemplateError> {
        let mut room = LARGEST;
        if !values.iter().all(|value| take(&mut room, value, DEEPEST)) {
            return Err(too_large());
        }
        self.count(LARGEST - room)
    }

    /// Counts work that is about as much as handling `bytes`.
    ///
    /// # Errors
    /// When it is enough for one rendering.
    pub(super) fn count(&self, bytes: usize) -> Result<(), TemplateError> {
        match self.0.fetch_add(bytes as u64, Ordering::Relaxed) < MOST_WORK {
            true => Ok(()),
            false => Err(TemplateError::Exec(TOO_MUCH.to_owned())),
        }
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
fn take(room: &mut usize, value: &Value, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    let own = match value {
        Value::String(text) => text.len(),
        _ => 0,
    };
    let Some(left) = room.checked_sub(own + 8) else {
        return false;
    };
    *room = left;
    match value {
        Value::List(items) => items.iter().all(|item| take(room, item, depth)),
        Value::Map(fields) => fields.values().all(|field| take(room, field, depth)),
        _ => true,
    }
}

fn too_large() -> TemplateError {
    TemplateError::Exec(TOO_LARGE.to_owned())
}

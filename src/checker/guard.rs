//! Parsers of other people's, which may panic on what a server says: that is the server's fault,
//! told in one line, and ends nothing.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    /// Whether this thread expects a panic, about which the hook is to keep quiet.
    static EXPECTING: Cell<bool> = const { Cell::new(false) };
}

/// Calls `parse`; a panic in it is an error, its message. What `parse` changed is not to be used
/// after one.
///
/// # Errors
/// The message of the panic.
pub fn caught<T>(parse: impl FnOnce() -> T) -> Result<T, String> {
    let before = EXPECTING.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(parse));
    EXPECTING.set(before);
    result.map_err(|payload| panic_text(&*payload))
}

/// Whether a panic of this thread is going to be caught here, and told.
pub fn is_expecting() -> bool {
    EXPECTING.get()
}

/// The message that a panic carries.
pub fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_expected_only_inside() {
        assert_eq!(caught(|| 7), Ok(7));
        assert!(caught(is_expecting).unwrap());
        let error = caught(|| -> u8 { panic!("odd byte {}", 7) });
        assert_eq!(error, Err("odd byte 7".to_owned()));
        assert!(!is_expecting());
    }
}

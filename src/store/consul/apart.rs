//! Requests in threads of their own. What sends them has frames of many kilobytes, and a stack keeps
//! the memory that it once took: where a thousand tags have asked once, that would be 20 MB for good.

use std::panic::resume_unwind;
use std::thread;

/// For reading JSON of a known shape; debug builds need far more.
pub(super) const STACK: usize = if cfg!(debug_assertions) {
    2 * 1024 * 1024
} else {
    256 * 1024
};

/// Does the work in a thread that ends with it; in this one, if the system has no more threads.
pub(super) fn apart<T: Send>(work: impl Fn() -> T + Sync) -> T {
    let builder = thread::Builder::new().name("consul".to_owned());
    thread::scope(
        |scope| match builder.stack_size(STACK).spawn_scoped(scope, &work) {
            Ok(worker) => worker.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => work(),
        },
    )
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn the_work_is_done_elsewhere_and_its_result_and_panic_come_here() {
        let here = thread::current().id();
        let text = "borrowed".to_owned();
        let there = apart(|| (thread::current().id(), text.len()));
        assert_ne!(there.0, here);
        assert_eq!(there.1, 8);
        let panic = catch_unwind(AssertUnwindSafe(|| apart(|| panic!("as it was"))));
        let panic = panic.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"as it was"));
    }
}

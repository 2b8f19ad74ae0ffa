//! A gate that lets a bounded number of requests through at once, whatever the number of threads.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The gate. Consul agents refuse more than 200 connections from one client (429), and a request
/// takes well below a millisecond, so a few at a time serve a thousand tags.
#[derive(Debug)]
pub(super) struct Gate {
    free: Mutex<usize>,
    freed: Condvar,
}

/// The right to make one request; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Pass<'a>(&'a Gate);

impl Gate {
    /// A gate for `limit` at once.
    pub(super) fn new(limit: usize) -> Gate {
        Gate {
            free: Mutex::new(limit),
            freed: Condvar::new(),
        }
    }

    /// Waits for a pass, at most `wait`.
    pub(super) fn enter(&self, wait: Duration) -> Option<Pass<'_>> {
        let (mut free, _) = self
            .freed
            .wait_timeout_while(self.lock(), wait, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(1)?;
        Some(Pass(self))
    }

    /// A panic elsewhere leaves the count whole: it is one number.
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        *self.0.lock() += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_gate_costs_the_wait_and_a_pass_given_back_is_free_again() {
        let gate = Gate::new(2);
        let short = Duration::from_millis(10);
        let first = gate.enter(short).unwrap();
        let _second = gate.enter(short).unwrap();
        assert!(gate.enter(short).is_none());
        drop(first);
        assert!(gate.enter(short).is_some());
    }

    #[test]
    fn a_waiting_thread_is_let_in_when_another_leaves() {
        let gate = Gate::new(1);
        let pass = gate.enter(Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.enter(Duration::from_secs(20)).is_some());
            std::thread::sleep(Duration::from_millis(20));
            drop(pass);
            assert!(waiting.join().unwrap());
        });
    }
}

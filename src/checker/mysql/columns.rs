//! The columns of answers, read once: a server names all of them each time that it is asked, and each
//! time in the same bytes.

use std::sync::{Arc, Mutex, PoisonError};

use crate::checker::mysql::status::Texts;

/// Answers whose columns are kept, of all servers together: there are as many as there are versions
/// of servers and statements.
const MOST: usize = 8;
/// The longest definition of columns that is kept, in bytes; the longest status has 4 kB of them.
const LONGEST: usize = 8192;

/// Those of all tags.
static KNOWN: Mutex<Vec<Arc<Columns>>> = Mutex::new(Vec::new());

/// The columns of one answer.
#[derive(Debug)]
pub(super) struct Columns {
    /// What defined them, with the packet that ends them.
    bytes: Box<[u8]>,
    names: Arc<Texts>,
    /// The number of the packet behind them.
    next: u8,
}

impl Columns {
    /// Those that these bytes begin with, if so many were seen before.
    pub(super) fn known(bytes: &[u8], count: usize) -> Option<Arc<Columns>> {
        let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known
            .iter()
            .find(|known| known.names.len() == count && bytes.starts_with(&known.bytes));
        found.map(Arc::clone)
    }

    /// Keeps what was read from these bytes, in the place of the oldest if there are too many.
    pub(super) fn keep(bytes: &[u8], names: &Arc<Texts>, next: u8) {
        if bytes.len() > LONGEST {
            return;
        }
        let columns = Columns {
            bytes: bytes.into(),
            names: Arc::clone(names),
            next,
        };
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.remove(0);
        }
        known.push(columns.into());
    }

    /// Their names.
    pub(super) fn names(&self) -> &Arc<Texts> {
        &self.names
    }

    /// The number of bytes that defined them.
    pub(super) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The number of the packet behind them.
    pub(super) fn next(&self) -> u8 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_once_is_known_by_its_bytes_and_the_oldest_are_forgotten() {
        let bytes = |number: usize| format!("a test's columns, number {number}.").into_bytes();
        assert!(Columns::known(&bytes(0), 0).is_none());
        let names: Vec<Arc<Texts>> = (0..=MOST).map(|_| Arc::default()).collect();
        for (number, names) in names.iter().enumerate() {
            Columns::keep(&bytes(number), names, 9);
        }
        let with_rows = [&bytes(MOST)[..], b"rows"].concat();
        let known = Columns::known(&with_rows, 0).unwrap();
        assert_eq!((known.length(), known.next()), (bytes(MOST).len(), 9));
        assert!(Columns::known(&with_rows, 1).is_none());
        assert!(Arc::ptr_eq(known.names(), names.last().unwrap()));
        assert!(Columns::known(&bytes(0), 0).is_none());
        Columns::keep(&vec![0; LONGEST + 1], &names[0], 9);
        assert!(Columns::known(&vec![0; LONGEST + 1], 0).is_none());
    }
}

//! The columns of answers, read once: a server names all of them each time that it is asked, and each
//! time in the same bytes.

use std::sync::{Arc, Mutex, PoisonError};

use crate::checker::failure::Failure;
use crate::checker::mysql::packet::{Frames, column_name, is_end};
use crate::checker::mysql::status::Names;

/// Answers whose columns are kept, of all servers together: there are as many as there are versions
/// of servers and statements.
const MOST: usize = 8;
/// The longest definition of columns that is kept, in bytes; the longest status has 4 kB of them.
const LONGEST: usize = 8192;

/// Those of all tags.
static KNOWN: Known = Known::new();

/// Columns that were read, the newest last.
#[derive(Debug)]
struct Known(Mutex<Vec<Arc<Columns>>>);

/// The columns of one answer.
#[derive(Debug)]
struct Columns {
    /// What defined them, with the packet that ends them.
    bytes: Box<[u8]>,
    names: Arc<Names>,
    /// The number of the packet behind them.
    next: u8,
}

/// Takes the definitions of so many columns, and what ends them, off the front of what was heard, if all
/// of it is there. `number` is that of the first packet, and then of the one behind them.
///
/// # Errors
/// When they are no definitions of columns, or more.
pub(super) fn read(
    frames: &mut Frames<'_>,
    count: usize,
    number: &mut u8,
) -> Result<Option<Arc<Names>>, Failure> {
    KNOWN.read(frames, count, number)
}

fn read_anew(
    frames: &mut Frames<'_>,
    count: usize,
    number: &mut u8,
) -> Result<Option<Arc<Names>>, Failure> {
    let mut names = Vec::with_capacity(count);
    for _ in 0..count {
        let Some(packet) = frames.next(number)? else {
            return Ok(None);
        };
        names.push(String::from_utf8_lossy(column_name(packet)?).into_owned());
    }
    match frames.next(number)? {
        None => Ok(None),
        Some(packet) if is_end(packet) => Ok(Some(Names::new(&names).into())),
        Some(_) => Err(Failure::protocol(
            "its answer has more columns than it said",
        )),
    }
}

impl Known {
    const fn new() -> Known {
        Known(Mutex::new(Vec::new()))
    }

    fn read(
        &self,
        frames: &mut Frames<'_>,
        count: usize,
        number: &mut u8,
    ) -> Result<Option<Arc<Names>>, Failure> {
        if let Some(known) = self.find(frames.rest(), count) {
            frames.skip(known.bytes.len());
            *number = known.next;
            return Ok(Some(Arc::clone(&known.names)));
        }
        let (mut ahead, mut next) = (frames.clone(), *number);
        let Some(names) = read_anew(&mut ahead, count, &mut next)? else {
            return Ok(None);
        };
        self.keep(ahead.since(frames.taken()), &names, next);
        (*frames, *number) = (ahead, next);
        Ok(Some(names))
    }

    /// Those that these bytes begin with, if so many were seen before.
    fn find(&self, bytes: &[u8], count: usize) -> Option<Arc<Columns>> {
        let is_it = |known: &&Arc<Columns>| {
            known.names.count() == count && begins_with(bytes, &known.bytes)
        };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(is_it).map(Arc::clone)
    }

    /// Keeps what was read from these bytes, in the place of the oldest if there are too many.
    fn keep(&self, bytes: &[u8], names: &Arc<Names>, next: u8) {
        if bytes.len() > LONGEST {
            return;
        }
        let columns = Columns {
            bytes: bytes.into(),
            names: Arc::clone(names),
            next,
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.remove(0);
        }
        known.push(columns.into());
    }
}

/// By words: musl compares byte by byte.
fn begins_with(bytes: &[u8], begin: &[u8]) -> bool {
    let Some(bytes) = bytes.get(..begin.len()) else {
        return false;
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let (begin_words, begin_rest) = begin.as_chunks::<8>();
    let same = |(a, b): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*a) == u64::from_ne_bytes(*b);
    rest == begin_rest && words.iter().zip(begin_words).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::mysql::packet::frame;

    /// Definitions of columns with these names, as a server sends them behind their number.
    fn definitions(names: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, number) in names.iter().zip(2..) {
            let length = u8::try_from(name.len()).unwrap();
            let content = [b"\x03def\0\0\0", &[length][..], name.as_bytes()].concat();
            bytes.extend(frame(&content, number));
        }
        let end = u8::try_from(names.len()).unwrap() + 2;
        bytes.extend(frame(b"\xfe\0\0\0\0", end));
        bytes
    }

    fn read_all(
        known: &Known,
        bytes: &[u8],
        count: usize,
    ) -> Result<Option<(Arc<Names>, usize, u8)>, Failure> {
        let (mut frames, mut number) = (Frames::new(bytes), 2);
        let names = known.read(&mut frames, count, &mut number)?;
        Ok(names.map(|names| (names, frames.taken(), number)))
    }

    #[test]
    fn columns_are_read_when_all_of_them_are_there_and_then_known_by_their_bytes() {
        let known = Known::new();
        let bytes = definitions(&["Master_Host", "Master_Port"]);
        for end in 0..bytes.len() {
            assert_eq!(read_all(&known, &bytes[..end], 2).unwrap(), None, "{end}");
        }
        let (names, taken, next) = read_all(&known, &bytes, 2).unwrap().unwrap();
        assert_eq!((taken, next), (bytes.len(), 5));
        let wanted = ["Master_Host", "Master_Port"].map(str::to_owned).to_vec();
        assert_eq!(*names, Names::new(&wanted));
        let with_rows = [&bytes[..], b"rows"].concat();
        let (again, taken, next) = read_all(&known, &with_rows, 2).unwrap().unwrap();
        assert!(Arc::ptr_eq(&names, &again));
        assert_eq!((taken, next), (bytes.len(), 5));
    }

    #[test]
    fn columns_that_are_not_as_many_as_was_said_are_refused_although_their_bytes_are_known() {
        let known = Known::new();
        let bytes = definitions(&["one", "two", "three"]);
        assert!(read_all(&known, &bytes, 3).unwrap().is_some());
        assert!(read_all(&known, &bytes, 2).is_err());
        assert!(read_all(&known, &bytes, 4).is_err());
    }

    #[test]
    fn the_oldest_are_forgotten_and_long_ones_never_kept() {
        let bytes = |number: usize| format!("a test's columns, number {number}.").into_bytes();
        let (known, names) = (Known::new(), Arc::<Names>::default());
        for number in 0..=MOST {
            known.keep(&bytes(number), &names, 9);
        }
        assert!(known.find(&bytes(0), 0).is_none());
        let long = vec![7; LONGEST + 1];
        known.keep(&long, &names, 9);
        assert!(known.find(&long, 0).is_none());
    }

    #[test]
    fn bytes_begin_with_others_only_if_all_are_the_same() {
        let bytes: Vec<u8> = (0..40).collect();
        for length in 0..=40 {
            let mut begin = bytes[..length].to_vec();
            assert!(begins_with(&bytes, &begin));
            if let Some(last) = begin.last_mut() {
                *last = 99;
                assert!(!begins_with(&bytes, &begin), "{length}");
            }
        }
        assert!(!begins_with(&bytes[..39], &bytes));
    }
}

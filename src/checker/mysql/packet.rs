//! Packets of the MySQL protocol: their frames, and the few shapes that a checker reads itself. The
//! sources are "Client/Server Protocol" of MySQL's and of MariaDB's documentation. No I/O.

use crate::checker::failure::Failure;
use crate::checker::mysql::status::{Names, Values};

/// No answer of ours is larger; a server that announces more is not believed.
pub const MAX_PACKET: usize = 4 << 20;
/// Columns of a table in MySQL.
const MAX_COLUMNS: usize = 4096;
/// Bytes that the values of a row mostly fit in; of a status a few are kept.
const ROOM: usize = 120;
/// Length of a frame's header: three bytes of length, one of the number.
const HEADER: usize = 4;

/// What a server refuses with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its number for it.
    pub code: u16,
    /// Its words.
    pub message: String,
}

/// Takes packets off the front of what was heard.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    heard: &'a [u8],
    taken: usize,
}

impl<'a> Frames<'a> {
    /// Nothing is taken yet.
    pub fn new(heard: &'a [u8]) -> Frames<'a> {
        Frames { heard, taken: 0 }
    }

    /// The next packet's content, if all of it is there. `number` is what its number has to be, and
    /// then that of the one after it.
    ///
    /// # Errors
    /// When it is too large, or out of order.
    pub fn next(&mut self, number: &mut u8) -> Result<Option<&'a [u8]>, Failure> {
        let Some(([a, b, c, order], rest)) = self.rest().split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
        if length > MAX_PACKET {
            return Err(Failure::protocol(format!(
                "it announces a packet of {length} bytes"
            )));
        }
        let Some(content) = rest.get(..length) else {
            return Ok(None);
        };
        // What ends a session unasked has a number of its own.
        let is_refusal = content.first() == Some(&0xff);
        if order != number && !is_refusal {
            return Err(Failure::protocol("its packets are out of order"));
        }
        self.taken += HEADER + length;
        *number = order.wrapping_add(1);
        Ok(Some(content))
    }

    /// What was not taken yet.
    pub fn rest(&self) -> &'a [u8] {
        self.heard.get(self.taken..).unwrap_or_default()
    }

    /// What was taken after so many bytes.
    pub fn since(&self, begin: usize) -> &'a [u8] {
        self.heard.get(begin..self.taken).unwrap_or_default()
    }

    /// Takes so many bytes, which are whole packets.
    pub fn skip(&mut self, length: usize) {
        self.taken += length;
    }

    /// How many bytes were taken.
    pub fn taken(&self) -> usize {
        self.taken
    }
}

/// Puts content into a frame.
pub fn frame(content: &[u8], number: u8) -> Vec<u8> {
    frame_of([content], number)
}

/// Puts content that is in pieces into one frame.
pub fn frame_of<const N: usize>(pieces: [&[u8]; N], number: u8) -> Vec<u8> {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let [a, b, c, _] = u32::try_from(length).unwrap_or(0).to_le_bytes();
    let mut packet = Vec::with_capacity(HEADER + length);
    packet.extend_from_slice(&[a, b, c, number]);
    for piece in pieces {
        packet.extend_from_slice(piece);
    }
    packet
}

/// An error packet, without its first byte (0xff). Before a login it has no SQL state.
pub fn refusal(rest: &[u8]) -> Refusal {
    let (code, rest) = match rest.split_first_chunk::<2>() {
        Some((code, rest)) => (u16::from_le_bytes(*code), rest),
        None => (0, rest),
    };
    let message = match rest {
        [b'#', _, _, _, _, _, message @ ..] => message,
        message => message,
    };
    Refusal {
        code,
        message: String::from_utf8_lossy(message).into_owned(),
    }
}

/// Whether a packet ends a list of columns or rows (EOF); a row that begins with the same byte is
/// longer.
pub fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() < 9
}

/// The number of columns that a result begins with.
///
/// # Errors
/// When it is none, or more than there can be.
pub fn column_count(packet: &[u8]) -> Result<usize, Failure> {
    let (count, _) = number(packet).unwrap_or_default();
    match (1..=MAX_COLUMNS).contains(&count) {
        true => Ok(count),
        false => Err(Failure::protocol("its answer has an odd number of columns")),
    }
}

/// The name in a column's definition: behind its catalog, schema, table and the table's own name.
///
/// # Errors
/// When there is none.
pub fn column_name(packet: &[u8]) -> Result<&[u8], Failure> {
    let mut rest = packet;
    let mut part = || text(&mut rest);
    let name = (0..4)
        .try_for_each(|_| part().map(drop))
        .and_then(|()| part());
    name.ok_or_else(|| Failure::protocol("a column of its answer has no name"))
}

/// A row of an answer with these columns.
///
/// # Errors
/// When it has fewer.
pub fn row(packet: &[u8], names: &Names) -> Result<Values, Failure> {
    let mut kept = names.kept().iter().peekable();
    let mut values = Values::with_room(kept.len(), packet.len().min(ROOM));
    let mut rest = packet;
    for place in 0..names.count() {
        let value = match rest.split_first() {
            Some((0xfb, after)) => {
                rest = after;
                None
            }
            _ => match text(&mut rest) {
                Some(text) => Some(text),
                None => return Err(Failure::protocol("a row of its answer is too short")),
            },
        };
        if kept.next_if_eq(&&place).is_some() {
            values.push(value);
        }
    }
    Ok(values)
}

/// A text with its length in front of it, taken off the front.
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = match rest {
        [length @ 0..=0xfa, after @ ..] => (usize::from(*length), after),
        _ => number(rest)?,
    };
    let (text, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(text)
}

/// A "length-encoded integer" at the front, and what is behind it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let width = match first {
        0..=0xfa => return Some((usize::from(*first), rest)),
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        0xfb | 0xff => return None,
    };
    let (digits, rest) = rest.split_at_checked(width)?;
    let number = digits
        .iter()
        .rev()
        .fold(0u64, |sum, digit| (sum << 8) | u64::from(*digit));
    Some((usize::try_from(number).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_taken_when_they_are_whole_and_in_order() {
        let heard = [frame(b"one", 0), frame(b"", 1), frame(b"three", 2)].concat();
        for end in 0..heard.len() {
            let mut frames = Frames::new(heard.get(..end).unwrap());
            let (mut number, mut taken) = (0, 0);
            while let Some(content) = frames.next(&mut number).unwrap() {
                taken += HEADER + content.len();
            }
            assert_eq!(frames.taken(), taken);
            assert_eq!(
                usize::from(number),
                usize::from(end >= 7) + usize::from(end >= 11)
            );
        }
        assert!(Frames::new(&heard).next(&mut 1).is_err());
        let huge = [0xff, 0xff, 0xff, 0];
        assert!(Frames::new(&huge).next(&mut 0).is_err());
    }

    #[test]
    fn a_refusal_is_read_with_and_without_a_state() {
        let wanted = Refusal {
            code: 1040,
            message: "Too many connections".to_owned(),
        };
        let plain = [&1040u16.to_le_bytes()[..], b"Too many connections"].concat();
        assert_eq!(refusal(&plain), wanted);
        let stated = [&1040u16.to_le_bytes()[..], b"#08004Too many connections"].concat();
        assert_eq!(refusal(&stated), wanted);
        assert_eq!(refusal(b"").code, 0);
    }

    fn names(count: usize) -> Names {
        let all: Vec<String> = (0..count).map(|place| place.to_string()).collect();
        Names::new(&all)
    }

    #[test]
    fn of_a_status_only_what_a_channel_is_made_of_is_kept_and_all_of_it_is_read() {
        let status = [
            "Master_Server_Id",
            "x",
            "Slave_IO_Running",
            "Slave_SQL_Running",
            "y",
        ];
        let all = [&status[..], &["Seconds_Behind_Master"]].concat();
        let names = Names::new(&all.iter().map(ToString::to_string).collect::<Vec<_>>());
        let values = row(b"\x011\x03any\x03Yes\xfb\xfb\x017", &names).unwrap();
        let wanted = [Some("1".into()), Some("Yes".into()), None, Some("7".into())];
        assert_eq!(values.iter().collect::<Vec<_>>(), wanted);
        assert!(row(b"\x011\x03any\x03Yes\xfb\xfb", &names).is_err());
    }

    #[test]
    fn rows_and_columns_are_read_and_short_ones_refused() {
        let column = b"\x03def\x00\x00\x00\x0eMaster_Log_Pos\x00\x0c";
        assert_eq!(column_name(column).unwrap(), b"Master_Log_Pos");
        assert!(column_name(b"\x03def\x00").is_err());
        let values = row(b"\x03Yes\xfb\x00", &names(3)).unwrap();
        let values: Vec<_> = values.iter().collect();
        assert_eq!(values, [Some("Yes".into()), None, Some("".into())]);
        let long = [&b"\xfc\x00\x01"[..], &[b'x'; 256]].concat();
        assert_eq!(
            row(&long, &names(1))
                .unwrap()
                .get(0)
                .unwrap()
                .unwrap()
                .len(),
            256
        );
        assert!(row(b"\x03Yes\xfb", &names(3)).is_err());
        assert!(row(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xffx", &names(1)).is_err());
        assert_eq!(column_count(b"\x39").unwrap(), 57);
        for odd in [&b""[..], b"\x00", b"\xfe\x00\x00\x00\x00\x00\x01\x00\x00"] {
            assert!(column_count(odd).is_err(), "{odd:?}");
        }
    }
}

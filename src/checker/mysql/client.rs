//! The client's side of a MySQL connection: log in, then statements and their rows, one after the
//! other. It makes events of what is heard, and packets of what is to be said; no I/O.

use std::sync::Arc;

use crate::checker::failure::Failure;
use crate::checker::mysql::columns;
use crate::checker::mysql::failure::of_refusal;
use crate::checker::mysql::login::{Account, Login, Next};
use crate::checker::mysql::packet::{
    Frames, Refusal, column_count, frame_of, is_end, refusal, row,
};
use crate::checker::mysql::status::{Names, Row};

/// COM_QUERY.
const QUERY: u8 = 3;
/// COM_QUIT, in its frame: the last word on a connection.
pub const QUIT: &[u8] = &[1, 0, 0, 0, 1];
/// Rows of one answer that are kept. A process list may be long; nothing else is.
const MAX_ROWS: usize = 100_000;

/// A connection.
#[derive(Debug)]
pub struct Client {
    stage: Stage,
    /// The number of the next packet, whoever sends it.
    number: u8,
}

#[derive(Debug)]
enum Stage {
    LoggingIn(Login),
    /// Nothing was asked.
    Silent,
    /// The answer begins.
    Asked,
    /// The answer has so many columns.
    Counted(usize),
    /// Rows, under these names.
    Rows(Arc<Names>, Vec<Row>),
}

/// What came of something that was heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// This is to be said.
    Say(Vec<u8>),
    /// The first is to be said, then the connection is encrypted, then goes the second.
    Secure(Vec<u8>, Vec<u8>),
    /// A statement may be put.
    In,
    /// The answer to the statement.
    Answer(Result<Vec<Row>, Refusal>),
}

/// One on which the server has the first word.
impl Default for Client {
    fn default() -> Client {
        Client {
            stage: Stage::LoggingIn(Login::default()),
            number: 0,
        }
    }
}

impl Client {
    /// The words that put a statement.
    pub fn ask(&mut self, statement: &str) -> Vec<u8> {
        self.stage = Stage::Asked;
        self.number = 1;
        frame_of([&[QUERY], statement.as_bytes()], 0)
    }

    /// Takes packets off the front of what was heard, up to the first that is an event.
    ///
    /// # Errors
    /// When the server does not let us in, or what it says is not the protocol.
    pub fn hear(
        &mut self,
        heard: &mut Vec<u8>,
        account: &Account,
    ) -> Result<Option<Event>, Failure> {
        let mut frames = Frames::new(heard);
        let event = loop {
            if let Stage::Counted(count) = self.stage {
                let Some(names) = columns::read(&mut frames, count, &mut self.number)? else {
                    break None;
                };
                self.stage = Stage::Rows(names, Vec::new());
            }
            let Some(packet) = frames.next(&mut self.number)? else {
                break None;
            };
            if let Some(event) = self.take(packet, account)? {
                break Some(event);
            }
        };
        let taken = frames.taken();
        drop(heard.drain(..taken));
        Ok(event)
    }

    fn take(&mut self, packet: &[u8], account: &Account) -> Result<Option<Event>, Failure> {
        match std::mem::replace(&mut self.stage, Stage::Silent) {
            Stage::LoggingIn(login) => self.log_in(login, packet, account),
            // It ends the connection, and says why.
            Stage::Silent => match packet {
                [0xff, rest @ ..] => Err(of_refusal(&refusal(rest))),
                _ => Err(Failure::protocol("it speaks unasked")),
            },
            Stage::Asked => self.begin_answer(packet),
            Stage::Counted(_) => Err(Failure::protocol("its answer has no columns")),
            Stage::Rows(names, rows) => self.add_row(names, rows, packet),
        }
    }

    fn log_in(
        &mut self,
        mut login: Login,
        packet: &[u8],
        account: &Account,
    ) -> Result<Option<Event>, Failure> {
        let next = login.hear(packet, account, self.number)?;
        if next == Next::In {
            return Ok(Some(Event::In));
        }
        self.stage = Stage::LoggingIn(login);
        let (sent, event) = match next {
            Next::Listen | Next::In => return Ok(None),
            Next::Send(packet) => (1, Event::Say(packet)),
            Next::Secure(first, then) => (2, Event::Secure(first, then)),
        };
        self.number = self.number.wrapping_add(sent);
        Ok(Some(event))
    }

    fn begin_answer(&mut self, packet: &[u8]) -> Result<Option<Event>, Failure> {
        match packet {
            [0xff, rest @ ..] => Ok(Some(Event::Answer(Err(refusal(rest))))),
            // No rows at all, not even none.
            [0x00, ..] => Ok(Some(Event::Answer(Ok(Vec::new())))),
            [0xfb, ..] => Err(Failure::protocol("it asks for a local file")),
            _ => {
                let count = column_count(packet)?;
                self.stage = Stage::Counted(count);
                Ok(None)
            }
        }
    }

    fn add_row(
        &mut self,
        names: Arc<Names>,
        mut rows: Vec<Row>,
        packet: &[u8],
    ) -> Result<Option<Event>, Failure> {
        if is_end(packet) {
            return Ok(Some(Event::Answer(Ok(rows))));
        }
        if let [0xff, rest @ ..] = packet {
            return Ok(Some(Event::Answer(Err(refusal(rest)))));
        }
        if rows.len() < MAX_ROWS {
            let values = row(packet, &names)?;
            rows.push(Row::new(Arc::clone(&names), values));
        }
        self.stage = Stage::Rows(names, rows);
        Ok(None)
    }
}

#[cfg(test)]
mod tests;

//! Rows of `SHOW … STATUS`, in both vocabularies, to the state of replication. Pure.

use std::fmt;
use std::sync::Arc;

/// One row as the server sent it: column names, which all rows of an answer share, and texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    names: Arc<Texts>,
    values: Texts,
}

/// Texts, or `None` for NULL, in one piece of memory: a status has sixty, and is read each second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    all: String,
    /// Where each begins and ends.
    spans: Vec<Option<Span>>,
}

/// From the first byte up to, not including, the last. Four bytes each are enough for any packet.
type Span = (u32, u32);

/// One replication channel of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name; empty for the default channel.
    pub name: String,
    /// The source's host and port, as the replica was told.
    pub source: (String, String),
    /// The source's `server_id`; 0 as long as the replica never reached it.
    pub source_id: u64,
    /// The receiving thread.
    pub io: Thread,
    /// The applying thread.
    pub sql: Thread,
    /// Seconds behind the source; `None` for NULL.
    pub lag: Option<u64>,
}

/// The state of a replication thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thread {
    /// "Yes".
    Running,
    /// Anything else ("No", "Connecting", "Preparing"), with the last error.
    Stopped(String),
}

impl Row {
    /// A row of these values, one for each name.
    pub fn new(names: Arc<Texts>, values: Texts) -> Row {
        Row { names, values }
    }

    /// All texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.values.iter().flatten()
    }

    /// The value under the first of these names that is there, whatever the case of its letters.
    /// The outer `None` is "no such column", the inner one NULL.
    pub fn get(&self, names: &[&str]) -> Option<Option<&str>> {
        self.values.get(self.names.place_of(names)?)
    }

    /// The text under one of these names; empty for NULL and for no such column.
    pub fn text(&self, names: &[&str]) -> &str {
        self.get(names).flatten().unwrap_or_default()
    }
}

impl FromIterator<(String, Option<String>)> for Row {
    fn from_iter<I: IntoIterator<Item = (String, Option<String>)>>(columns: I) -> Row {
        let (mut names, mut values) = (Texts::default(), Texts::default());
        for (name, value) in columns {
            names.push(Some(name.as_bytes()));
            values.push(value.as_deref().map(str::as_bytes));
        }
        Row::new(names.into(), values)
    }
}

impl Texts {
    /// None yet, and room for so many, of so many bytes in all.
    pub fn with_room(count: usize, bytes: usize) -> Texts {
        Texts {
            all: String::with_capacity(bytes),
            spans: Vec::with_capacity(count),
        }
    }

    /// Adds one; bytes that are no UTF-8 are replaced.
    pub fn push(&mut self, text: Option<&[u8]>) {
        let begin = self.end();
        let span = text.map(|text| {
            match str::from_utf8(text) {
                Ok(text) => self.all.push_str(text),
                Err(_) => self.all.push_str(&String::from_utf8_lossy(text)),
            }
            (begin, self.end())
        });
        self.spans.push(span);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The one at a place; `None` if there is none, `Some(None)` for NULL.
    pub fn get(&self, place: usize) -> Option<Option<&str>> {
        self.spans.get(place).map(|span| self.text(*span))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        self.spans.iter().map(|span| self.text(*span))
    }

    /// The place of the first that is one of these words, whatever the case of its letters.
    fn place_of(&self, words: &[&str]) -> Option<usize> {
        // Nearly all differ in length already.
        let is_one = |span: &Option<Span>| {
            let length = span.map(|(begin, end)| (end - begin) as usize);
            words.iter().any(|word| {
                length == Some(word.len())
                    && self
                        .text(*span)
                        .is_some_and(|text| text.eq_ignore_ascii_case(word))
            })
        };
        self.spans.iter().position(is_one)
    }

    /// Where the next one begins.
    fn end(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    fn text(&self, span: Option<Span>) -> Option<&str> {
        let (begin, end) = span?;
        self.all.get(begin as usize..end as usize)
    }
}

impl Channel {
    /// Reads one row. MySQL from 8.0.22 says Source and Replica where older ones, and every
    /// MariaDB, say Master and Slave.
    ///
    /// # Errors
    /// Names the column that is not there, or holds what it cannot hold.
    pub fn from_row(row: &Row) -> Result<Channel, String> {
        Ok(Channel {
            name: row.text(&["Connection_name", "Channel_Name"]).to_owned(),
            source: (
                row.text(&["Master_Host", "Source_Host"]).to_owned(),
                row.text(&["Master_Port", "Source_Port"]).to_owned(),
            ),
            source_id: number(row, ["Master_Server_Id", "Source_Server_Id"])?.unwrap_or_default(),
            io: thread(
                row,
                ["Slave_IO_Running", "Replica_IO_Running"],
                "Last_IO_Error",
            )?,
            sql: thread(
                row,
                ["Slave_SQL_Running", "Replica_SQL_Running"],
                "Last_SQL_Error",
            )?,
            lag: number(row, ["Seconds_Behind_Master", "Seconds_Behind_Source"])?,
        })
    }

    /// What keeps the channel from replicating, if anything does.
    pub fn trouble(&self) -> Option<String> {
        let what = match (&self.io, &self.sql, self.lag) {
            (_, Thread::Stopped(why), _) => format!("SQL thread {why}"),
            (Thread::Stopped(why), Thread::Running, _) => format!("IO thread {why}"),
            (Thread::Running, Thread::Running, None) => "lag is NULL".to_owned(),
            (Thread::Running, Thread::Running, Some(_)) => return None,
        };
        Some(if self.name.is_empty() {
            what
        } else {
            format!("channel {}: {what}", self.name)
        })
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = &self.source;
        write!(f, "{host}:{port} (server_id {})", self.source_id)
    }
}

fn thread(row: &Row, names: [&str; 2], error: &str) -> Result<Thread, String> {
    let state = column(row, names)?.unwrap_or("NULL");
    Ok(match row.text(&[error]) {
        _ if state.eq_ignore_ascii_case("yes") => Thread::Running,
        "" => Thread::Stopped(format!("is not running ({state})")),
        why => Thread::Stopped(format!("is not running ({state}): {why}")),
    })
}

fn number(row: &Row, names: [&str; 2]) -> Result<Option<u64>, String> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|_| format!("{} is '{text}'", names.join("/")))
    };
    column(row, names)?.map(parse).transpose()
}

fn column<'a>(row: &'a Row, names: [&str; 2]) -> Result<Option<&'a str>, String> {
    row.get(&names)
        .ok_or_else(|| format!("no column {} in its status", names.join("/")))
}

#[cfg(test)]
mod versions;

#[cfg(test)]
mod tests {
    use super::*;

    type Column = (&'static str, Option<&'static str>);

    fn row(columns: &[Column]) -> Row {
        columns
            .iter()
            .map(|(n, v)| ((*n).to_owned(), v.map(str::to_owned)))
            .collect()
    }

    /// MariaDB 10.11, SHOW ALL SLAVES STATUS, the columns that matter among others.
    fn mariadb() -> Vec<Column> {
        vec![
            ("Connection_name", Some("")),
            (
                "Slave_SQL_State",
                Some("Slave has read all relay log; waiting for more updates"),
            ),
            ("Master_Host", Some("10.0.21.5")),
            ("Master_Port", Some("3301")),
            ("Slave_IO_Running", Some("Yes")),
            ("Slave_SQL_Running", Some("Yes")),
            ("Last_Errno", Some("0")),
            ("Seconds_Behind_Master", Some("0")),
            ("Last_IO_Error", Some("")),
            ("Last_SQL_Error", Some("")),
            ("Master_Server_Id", Some("1")),
        ]
    }

    /// MySQL 9.7, SHOW REPLICA STATUS, likewise.
    fn mysql() -> Vec<Column> {
        vec![
            ("Source_Host", Some("10.0.21.5")),
            ("Source_Port", Some("3301")),
            ("Replica_IO_Running", Some("Yes")),
            ("Replica_SQL_Running", Some("Yes")),
            ("Seconds_Behind_Source", Some("7")),
            ("Last_IO_Error", Some("")),
            ("Last_SQL_Error", Some("")),
            ("Source_Server_Id", Some("1")),
            ("Channel_Name", Some("")),
        ]
    }

    fn with(mut columns: Vec<Column>, changes: &[Column]) -> Channel {
        for change in changes {
            columns.retain(|(name, _)| name != &change.0);
            columns.push(*change);
        }
        Channel::from_row(&row(&columns)).unwrap()
    }

    #[test]
    fn both_vocabularies_give_the_same_channel() {
        let old = with(mariadb(), &[]);
        let new = with(mysql(), &[("Seconds_Behind_Source", Some("0"))]);
        assert_eq!(old, new);
        assert_eq!(old.source_id, 1);
        assert_eq!(old.trouble(), None);
    }

    #[test]
    fn letter_case_of_columns_does_not_matter() {
        let shouting: Row = mysql()
            .into_iter()
            .map(|(n, v)| (n.to_uppercase(), v.map(str::to_owned)))
            .collect();
        assert_eq!(Channel::from_row(&shouting).unwrap().lag, Some(7));
    }

    #[test]
    fn a_stopped_thread_or_an_unknown_lag_is_trouble() {
        let cases: &[(&[Column], &str)] = &[
            (
                &[("Slave_SQL_Running", Some("No"))],
                "SQL thread is not running (No)",
            ),
            (
                &[("Slave_IO_Running", Some("Connecting"))],
                "IO thread is not running (Connecting)",
            ),
            (
                &[("Slave_IO_Running", Some("Preparing"))],
                "IO thread is not running (Preparing)",
            ),
            (
                &[("Slave_IO_Running", None)],
                "IO thread is not running (NULL)",
            ),
            (&[("Seconds_Behind_Master", None)], "lag is NULL"),
            (
                &[
                    ("Slave_SQL_Running", Some("No")),
                    ("Last_SQL_Error", Some("1062 Duplicate")),
                ],
                "SQL thread is not running (No): 1062 Duplicate",
            ),
            (
                &[
                    ("Slave_SQL_Running", Some("No")),
                    ("Connection_name", Some("eu")),
                ],
                "channel eu: SQL thread is not running (No)",
            ),
        ];
        for (changes, wanted) in cases {
            assert_eq!(with(mariadb(), changes).trouble().as_deref(), Some(*wanted));
        }
    }

    #[test]
    fn lag_zero_with_a_stopped_thread_is_still_trouble() {
        // MySQL bug 82499: Seconds_Behind_Master may be 0 while the IO thread is stopped.
        let channel = with(mariadb(), &[("Slave_IO_Running", Some("No"))]);
        assert_eq!(channel.lag, Some(0));
        assert!(channel.trouble().is_some());
    }

    #[test]
    fn a_row_without_a_needed_column_is_an_error_that_names_it() {
        let mut columns = mariadb();
        columns.retain(|(name, _)| *name != "Slave_IO_Running");
        let error = Channel::from_row(&row(&columns)).unwrap_err();
        assert!(
            error.contains("Slave_IO_Running/Replica_IO_Running"),
            "{error}"
        );
        let mut columns = mariadb();
        columns.retain(|(name, _)| *name != "Seconds_Behind_Master");
        assert!(Channel::from_row(&row(&columns)).is_err());
    }

    #[test]
    fn a_number_that_is_none_is_an_error() {
        let mut columns = mariadb();
        columns.retain(|(name, _)| *name != "Seconds_Behind_Master");
        columns.push(("Seconds_Behind_Master", Some("-1")));
        assert!(
            Channel::from_row(&row(&columns))
                .unwrap_err()
                .contains("'-1'")
        );
    }
}

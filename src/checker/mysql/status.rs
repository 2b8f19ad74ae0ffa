//! Rows of `SHOW … STATUS`, in both vocabularies, to the state of replication. Pure.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// One row of an answer: column names, which all rows share, and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    names: Arc<Names>,
    values: Values,
}

/// The columns of an answer. Of a status, which has sixty and is read each second, only those are kept
/// that make a `Channel`; of anything else all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// How many the server sends.
    count: usize,
    /// Which of them are kept, in order, and their names.
    kept: Vec<usize>,
    names: Vec<String>,
    /// Where among those that are kept a `Channel`'s are.
    places: [Option<usize>; Column::ALL.len()],
}

/// Values, `None` for NULL, in one piece of memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    all: Vec<u8>,
    /// Where each begins and ends.
    spans: Vec<Option<Span>>,
}

/// From the first byte up to, not including, the last. Four bytes each are enough for any packet.
type Span = (u32, u32);

/// A column that a `Channel` is made of.
#[derive(Debug, Clone, Copy)]
enum Column {
    Name,
    Host,
    Port,
    Id,
    Io,
    IoError,
    Sql,
    SqlError,
    Lag,
}

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

impl Column {
    const ALL: [Column; 9] = [
        Column::Name,
        Column::Host,
        Column::Port,
        Column::Id,
        Column::Io,
        Column::IoError,
        Column::Sql,
        Column::SqlError,
        Column::Lag,
    ];

    /// Those without which an answer is no status.
    const NEEDED: [Column; 4] = [Column::Id, Column::Io, Column::Sql, Column::Lag];

    /// What servers call it. MySQL from 8.0.22 on says Source and Replica where older ones, and every
    /// MariaDB, say Master and Slave.
    fn names(self) -> &'static [&'static str] {
        match self {
            Column::Name => &["Connection_name", "Channel_Name"],
            Column::Host => &["Master_Host", "Source_Host"],
            Column::Port => &["Master_Port", "Source_Port"],
            Column::Id => &["Master_Server_Id", "Source_Server_Id"],
            Column::Io => &["Slave_IO_Running", "Replica_IO_Running"],
            Column::IoError => &["Last_IO_Error"],
            Column::Sql => &["Slave_SQL_Running", "Replica_SQL_Running"],
            Column::SqlError => &["Last_SQL_Error"],
            Column::Lag => &["Seconds_Behind_Master", "Seconds_Behind_Source"],
        }
    }
}

impl Row {
    /// A row of these values, one for each column that is kept.
    pub fn new(names: Arc<Names>, values: Values) -> Row {
        Row { names, values }
    }

    /// All values but NULL.
    pub fn texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.values.iter().flatten()
    }

    /// The value in the first of these columns that is kept, whatever the case of its name's
    /// letters. The outer `None` is "no such column", the inner one NULL.
    pub fn get(&self, names: &[&str]) -> Option<Option<Cow<'_, str>>> {
        self.values.get(place_of(&self.names.names, names)?)
    }

    /// The text in one of these columns; empty for NULL and for no such column.
    pub fn text(&self, names: &[&str]) -> Cow<'_, str> {
        self.get(names).flatten().unwrap_or_default()
    }

    fn at(&self, column: Column) -> Option<Option<Cow<'_, str>>> {
        let place = self.names.places.get(column as usize).copied().flatten();
        self.values.get(place?)
    }

    fn text_at(&self, column: Column) -> Cow<'_, str> {
        self.at(column).flatten().unwrap_or_default()
    }

    /// The value of a column that has to be there.
    fn needed(&self, column: Column) -> Result<Option<Cow<'_, str>>, String> {
        self.at(column)
            .ok_or_else(|| format!("no column {} in its status", column.names().join("/")))
    }

    fn number(&self, column: Column) -> Result<Option<u64>, String> {
        let parse = |text: Cow<'_, str>| {
            text.parse()
                .map_err(|_| format!("{} is '{text}'", column.names().join("/")))
        };
        self.needed(column)?.map(parse).transpose()
    }

    fn thread(&self, running: Column, error: Column) -> Result<Thread, String> {
        let state = self.needed(running)?;
        let state = state.as_deref().unwrap_or("NULL");
        if state.eq_ignore_ascii_case("yes") {
            return Ok(Thread::Running);
        }
        Ok(Thread::Stopped(match &*self.text_at(error) {
            "" => format!("is not running ({state})"),
            why => format!("is not running ({state}): {why}"),
        }))
    }
}

impl FromIterator<(String, Option<String>)> for Row {
    fn from_iter<I: IntoIterator<Item = (String, Option<String>)>>(columns: I) -> Row {
        let (names, all): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let names = Names::new(&names);
        let mut values = Values::default();
        for place in &names.kept {
            let value = all.get(*place).and_then(Option::as_deref);
            values.push(value.map(str::as_bytes));
        }
        Row::new(names.into(), values)
    }
}

impl Names {
    /// Those of an answer that has these columns.
    pub fn new(all: &[String]) -> Names {
        let place = |column: &Column| place_of(all, column.names());
        let is_status = Column::NEEDED.iter().all(|needed| place(needed).is_some());
        let mut kept: Vec<usize> = match is_status {
            true => Column::ALL.iter().filter_map(place).collect(),
            false => (0..all.len()).collect(),
        };
        kept.sort_unstable();
        let names: Vec<String> = kept.iter().filter_map(|at| all.get(*at)).cloned().collect();
        Names {
            count: all.len(),
            places: Column::ALL.map(|column| place_of(&names, column.names())),
            kept,
            names,
        }
    }

    /// How many columns the server sends.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Which of them are kept, in order.
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }
}

impl Values {
    /// None yet, and room for so many, of so many bytes in all.
    pub fn with_room(count: usize, bytes: usize) -> Values {
        Values {
            all: Vec::with_capacity(bytes),
            spans: Vec::with_capacity(count),
        }
    }

    /// Adds one.
    pub fn push(&mut self, value: Option<&[u8]>) {
        let begin = self.end();
        let span = value.map(|value| {
            self.all.extend_from_slice(value);
            (begin, self.end())
        });
        self.spans.push(span);
    }

    /// The one at a place; `None` if there is none, `Some(None)` for NULL. Bytes that are no UTF-8 are
    /// replaced.
    pub fn get(&self, place: usize) -> Option<Option<Cow<'_, str>>> {
        self.spans.get(place).map(|span| self.text(*span))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Option<Cow<'_, str>>> {
        self.spans.iter().map(|span| self.text(*span))
    }

    /// Where the next one begins.
    fn end(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    fn text(&self, span: Option<Span>) -> Option<Cow<'_, str>> {
        let (begin, end) = span?;
        let bytes = self.all.get(begin as usize..end as usize)?;
        Some(String::from_utf8_lossy(bytes))
    }
}

/// The place of the first name that is one of these words, whatever the case of its letters.
fn place_of(names: &[String], words: &[&str]) -> Option<usize> {
    let is_one = |name: &String| words.iter().any(|word| name.eq_ignore_ascii_case(word));
    names.iter().position(is_one)
}

impl Channel {
    /// Reads one row.
    ///
    /// # Errors
    /// Names the column that is not there, or holds what it cannot hold.
    pub fn from_row(row: &Row) -> Result<Channel, String> {
        let text = |column| row.text_at(column).into_owned();
        Ok(Channel {
            name: text(Column::Name),
            source: (text(Column::Host), text(Column::Port)),
            source_id: row.number(Column::Id)?.unwrap_or_default(),
            io: row.thread(Column::Io, Column::IoError)?,
            sql: row.thread(Column::Sql, Column::SqlError)?,
            lag: row.number(Column::Lag)?,
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

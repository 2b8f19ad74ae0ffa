//! Whole rows of every version that is in use, from `tests/rows`: the same states are the same
//! channel, whatever the server calls its columns and however many more of them it has.

use super::*;

const ROWS: &[(&str, &str)] = &[
    ("5.7", include_str!("../../../../tests/rows/mysql-5.7.txt")),
    (
        "8.0.21",
        include_str!("../../../../tests/rows/mysql-8.0.21.txt"),
    ),
    ("8.0", include_str!("../../../../tests/rows/mysql-8.0.txt")),
    ("8.4", include_str!("../../../../tests/rows/mysql-8.4.txt")),
    ("9.7", include_str!("../../../../tests/rows/mysql-9.7.txt")),
    (
        "10.5",
        include_str!("../../../../tests/rows/mariadb-10.5.txt"),
    ),
    (
        "10.11",
        include_str!("../../../../tests/rows/mariadb-10.11.txt"),
    ),
    (
        "11.8",
        include_str!("../../../../tests/rows/mariadb-11.8.txt"),
    ),
];

/// The row of a state: that of `[healthy]`, with what the state's own section changes.
fn row(file: &str, state: &str) -> Row {
    let section = |name: &str| -> Vec<(String, Option<String>)> {
        let head = format!("[{name}]");
        let lines = file.lines().skip_while(|line| *line != head).skip(1);
        let columns = lines
            .take_while(|line| !line.starts_with('['))
            .filter_map(|line| line.split_once(" ="));
        columns
            .map(|(column, value)| {
                let value = value.trim_start();
                (
                    column.to_owned(),
                    (value != "NULL").then(|| value.to_owned()),
                )
            })
            .collect()
    };
    let mut columns = section("healthy");
    for (column, value) in section(state) {
        let old = columns.iter_mut().find(|(name, _)| *name == column);
        old.unwrap_or_else(|| panic!("{state} has a column {column} that no row has"))
            .1 = value;
    }
    columns.into_iter().collect()
}

/// What every version's row of a state is read as.
fn channels(state: &str) -> Vec<(&'static str, Channel)> {
    ROWS.iter()
        .map(|(version, file)| (*version, Channel::from_row(&row(file, state)).unwrap()))
        .collect()
}

#[test]
fn a_healthy_row_of_every_version_is_the_same_channel() {
    for (version, channel) in channels("healthy") {
        let wanted = Channel {
            name: String::new(),
            source: ("10.0.21.5".to_owned(), "3301".to_owned()),
            source_id: 1,
            io: Thread::Running,
            sql: Thread::Running,
            lag: Some(0),
        };
        assert_eq!(channel, wanted, "{version}");
        assert_eq!(channel.trouble(), None, "{version}");
    }
}

#[test]
fn a_stopped_sql_thread_is_seen_in_every_version() {
    for (version, channel) in channels("stopped") {
        let wanted = Some("SQL thread is not running (No)");
        assert_eq!(channel.trouble().as_deref(), wanted, "{version}");
        assert_eq!(channel.lag, None, "{version}");
    }
}

#[test]
fn what_broke_the_sql_thread_is_said_in_every_version() {
    for (version, channel) in channels("broken") {
        let said = channel.trouble().unwrap();
        let (what, why) = said.split_once("(No): ").unwrap();
        assert_eq!(what, "SQL thread is not running ", "{version}");
        // What MySQL 9.7 says of a worker's error is where to find it.
        assert!(
            why.contains("Duplicate entry '1'") || why.contains("failed executing transaction"),
            "{version}: {why}"
        );
    }
}

#[test]
fn a_lost_source_is_seen_in_every_version_whatever_the_lag_is_then() {
    let mut lags = Vec::new();
    for (version, channel) in channels("connecting") {
        let said = channel.trouble().unwrap();
        let (what, _) = said.split_once(": ").unwrap();
        assert_eq!(what, "IO thread is not running (Connecting)", "{version}");
        lags.push(channel.lag);
    }
    // A real MySQL 9.7 still said 0.
    assert!(lags.contains(&None) && lags.contains(&Some(0)), "{lags:?}");
}

#[test]
fn the_lag_of_a_delayed_replica_is_read_and_not_its_delay() {
    for (version, channel) in channels("lagging") {
        assert_eq!(channel.lag, Some(3600), "{version}");
        assert_eq!(channel.trouble(), None, "{version}");
    }
}

#[test]
fn the_name_of_a_channel_is_read_in_every_version() {
    for (version, channel) in channels("channel") {
        assert_eq!(channel.name, "eu", "{version}");
    }
}

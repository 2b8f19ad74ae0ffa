//! Moments as people and programs write them: `2026-11-25T12:30:00Z` (RFC 3339, always in UTC), and
//! spans of time as `90s`, `30m`, `2h` or `1d`. Pure, but for `now` and `unix_time`.
//!
//! Whoever reads the time of day here only shows it, or compares it with what people wrote:
//! intervals and limits go by the monotonic clock.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

const DAY: u64 = 86_400;
/// The longest span that makes sense, in seconds.
const LONGEST: u64 = 366 * DAY;

/// Seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// Now, as this host's clock has it.
    pub fn now() -> Moment {
        Moment(unix_time().as_secs())
    }

    /// So much later.
    #[must_use]
    pub fn after(self, span: Duration) -> Moment {
        Moment(self.0.saturating_add(span.as_secs()))
    }
}

/// The time since 1970, as this host's clock has it; none before that.
pub fn unix_time() -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}

/// A time since 1970, to the millisecond: `2026-11-25T12:30:00.250Z`.
pub fn precise(since: Duration) -> String {
    let moment = Moment(since.as_secs()).to_string();
    let start = moment.trim_end_matches('Z');
    format!("{start}.{:03}Z", since.subsec_millis())
}

/// Reads a span of time: a whole number and `s`, `m`, `h` or `d`.
///
/// # Errors
/// A sentence, for anything else and for more than a year.
pub fn span(text: &str) -> Result<Duration, String> {
    let wrong = || {
        let shown = text.escape_debug();
        format!("'{shown}' is no time such as 90s, 30m, 2h or 1d, up to a year")
    };
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => DAY,
        _ => return Err(wrong()),
    };
    let number = text.trim_end_matches(['s', 'm', 'h', 'd']);
    let is_number = number.len() + 1 == text.len() && number.bytes().all(|b| b.is_ascii_digit());
    let seconds = number.parse::<u64>().ok().filter(|_| is_number);
    seconds
        .and_then(|n| n.checked_mul(unit))
        .filter(|n| (1..=LONGEST).contains(n))
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(i64::try_from(self.0 / DAY).unwrap_or(i64::MAX / 2));
        let second = self.0 % DAY;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

impl FromStr for Moment {
    type Err = String;

    /// Reads what `Display` writes, and nothing else.
    ///
    /// # Errors
    /// A sentence.
    fn from_str(text: &str) -> Result<Moment, String> {
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
        let read = || {
            let days = days(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
            let seconds = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
            Some(Moment(days * DAY + seconds))
        };
        // Written back, so that the 30th of February and other signs are no dates.
        read()
            .filter(|moment| moment.to_string() == text)
            .ok_or_else(|| {
                let start: String = text.chars().take(40).collect();
                let shown = start.escape_debug();
                format!("'{shown}' is no time such as 2026-11-25T12:30:00Z")
            })
    }
}

/// Year, month and day of a day since 1970, or before it (Hinnant, "chrono-compatible low-level date
/// algorithms").
pub fn date(days: i64) -> (i64, i64, i64) {
    // Years that begin in March put the leap day at their end.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day_of_month)
}

/// The other way round; `None` before 1970.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 {
        year.checked_sub(1)?
    } else {
        year
    };
    let (era, year) = (year / 400, year % 400);
    let month = if month > 2 { month - 3 } else { month + 9 };
    let day = ((153 * month + 2) / 5 + day).checked_sub(1)?;
    let day = year * 365 + year / 4 - year / 100 + day;
    (era * 146_097 + day).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_and_read_back() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_609_800, "2026-11-25T12:30:00Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(Moment(seconds).to_string(), text);
            assert_eq!(text.parse(), Ok(Moment(seconds)));
        }
    }

    #[test]
    fn a_log_line_has_milliseconds() {
        let cases = [
            (Duration::ZERO, "1970-01-01T00:00:00.000Z"),
            (
                Duration::from_millis(1_795_609_800_250),
                "2026-11-25T12:30:00.250Z",
            ),
            (
                Duration::from_micros(1_795_609_800_001_999),
                "2026-11-25T12:30:00.001Z",
            ),
        ];
        for (since, wanted) in cases {
            assert_eq!(precise(since), wanted);
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2026-11-25",
            "2026-02-30T00:00:00Z",
            "2026-11-25T24:00:00Z",
            "2026-11-25T12:30:00+01:00",
            "2026-00-25T12:30:00Z",
            "+026-11-25T12:30:00Z",
            "1969-12-31T00:00:00Z",
            "2026-11-25T12:30:00Zx",
            "ééééééééééé",
        ] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_is_a_number_with_its_unit() {
        let seconds = |text| span(text).map(|d| d.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("30m"), Ok(1800));
        assert_eq!(seconds("2h"), Ok(7200));
        assert_eq!(seconds("1d"), Ok(DAY));
        for text in [
            "",
            "h",
            "2",
            "0s",
            "2w",
            "-1h",
            "1.5h",
            "2hh",
            "367d",
            "99999999999999d",
        ] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}

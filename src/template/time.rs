//! Times as Go prints them, in UTC: confd's `datetime`.
//!
//! There is no time zone data here, so local time is not known.

use std::fmt::Write;

use crate::moment::date;

/// The parts of Go's reference time, longest first where one begins another.
const PARTS: [&str; 27] = [
    "January", "Monday", "Z07:00", "-07:00", "Z0700", "-0700", "2006", "Jan", "Mon", "MST", "-07",
    "01", "02", "03", "04", "05", "06", "15", "PM", "pm", "_2", "1", "2", "3", "4", "5", "\0",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];
const NANOSECONDS: i64 = 1_000_000_000;

/// A moment, taken apart.
struct Parts {
    year: i64,
    month: i64,
    day: i64,
    weekday: i64,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
}

/// What `time.Time` prints as, without the clock reading that Go adds to it.
pub(super) fn print(nanoseconds: i64) -> String {
    let seconds = format(nanoseconds, "2006-01-02 15:04:05");
    let fraction = format!("{:09}", nanoseconds.rem_euclid(NANOSECONDS));
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{seconds}{point}{fraction} +0000 UTC")
}

/// `Format`, with Go's reference time as the layout.
pub(super) fn format(nanoseconds: i64, layout: &str) -> String {
    let parts = Parts::of(nanoseconds);
    let mut out = String::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        let part = PARTS.iter().find(|part| rest.starts_with(**part));
        let taken = match (part, fraction_digits(rest)) {
            (_, Some(digits)) => parts.write_fraction(&mut out, rest, digits),
            (Some(part), None) => parts.write(&mut out, part),
            (None, None) => {
                out.push(first);
                first.len_utf8()
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// The number of digits of a `.000` or `.999` at the start of `rest`.
fn fraction_digits(rest: &str) -> Option<usize> {
    let digits = rest.strip_prefix(['.', ','])?;
    let kind = digits.chars().next().filter(|c| "09".contains(*c))?;
    let after = digits.trim_start_matches(kind);
    let more = after.starts_with(|c: char| c.is_ascii_digit());
    (!more).then_some(digits.len() - after.len())
}

/// A number that a template may ask a time for.
pub(super) fn number(nanoseconds: i64, method: &str) -> Option<i64> {
    let parts = Parts::of(nanoseconds);
    Some(match method {
        "Unix" => nanoseconds.div_euclid(NANOSECONDS),
        "UnixNano" => nanoseconds,
        "Year" => parts.year,
        "Day" => parts.day,
        "Hour" => parts.hour,
        "Minute" => parts.minute,
        "Second" => parts.second,
        _ => return None,
    })
}

impl Parts {
    fn of(nanoseconds: i64) -> Parts {
        let seconds = nanoseconds.div_euclid(NANOSECONDS);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = date(days);
        Parts {
            year,
            month,
            day,
            weekday: days.rem_euclid(7),
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            nanosecond: nanoseconds.rem_euclid(NANOSECONDS),
        }
    }

    /// Writes what `part` stands for; its length.
    fn write(&self, out: &mut String, part: &str) -> usize {
        let name = |names: &[&'static str], index: i64| {
            let index = usize::try_from(index).unwrap_or_default();
            names.get(index).copied().unwrap_or_default()
        };
        let (month, day) = (name(&MONTHS, self.month - 1), name(&DAYS, self.weekday));
        let half = (self.hour + 11) % 12 + 1;
        // Writing to a string cannot fail.
        let _ = match part {
            "2006" => write!(out, "{:04}", self.year),
            "06" => write!(out, "{:02}", self.year % 100),
            "January" => write!(out, "{month}"),
            "Jan" => write!(out, "{}", month.get(..3).unwrap_or_default()),
            "01" => write!(out, "{:02}", self.month),
            "1" => write!(out, "{}", self.month),
            "Monday" => write!(out, "{day}"),
            "Mon" => write!(out, "{}", day.get(..3).unwrap_or_default()),
            "02" => write!(out, "{:02}", self.day),
            "_2" => write!(out, "{:>2}", self.day),
            "2" => write!(out, "{}", self.day),
            "15" => write!(out, "{:02}", self.hour),
            "03" => write!(out, "{half:02}"),
            "3" => write!(out, "{half}"),
            "04" => write!(out, "{:02}", self.minute),
            "4" => write!(out, "{}", self.minute),
            "05" => write!(out, "{:02}", self.second),
            "5" => write!(out, "{}", self.second),
            "PM" => write!(out, "{}", if self.hour < 12 { "AM" } else { "PM" }),
            "pm" => write!(out, "{}", if self.hour < 12 { "am" } else { "pm" }),
            "MST" => write!(out, "UTC"),
            "Z07:00" | "Z0700" => write!(out, "Z"),
            "-07:00" => write!(out, "+00:00"),
            "-0700" => write!(out, "+0000"),
            "-07" => write!(out, "+00"),
            other => write!(out, "{other}"),
        };
        part.len()
    }

    fn write_fraction(&self, out: &mut String, rest: &str, digits: usize) -> usize {
        let all = format!("{:09}", self.nanosecond);
        let mut shown = all.get(..digits.min(9)).unwrap_or_default();
        if rest.get(1..2) == Some("9") {
            shown = shown.trim_end_matches('0');
        }
        if !shown.is_empty() {
            out.push_str(rest.get(..1).unwrap_or_default());
            out.push_str(shown);
        }
        digits + 1
    }
}

//! The time of day, for those who read it: log lines and metrics. No decision looks at it; intervals
//! and limits go by the monotonic clock.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

/// Seconds since 1970, as this host's clock has it; 0 before that.
pub fn unix_seconds() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// A moment in UTC, to the millisecond: `2026-11-25T12:30:00.250Z`. Takes seconds since 1970.
pub fn rfc3339(seconds: f64) -> String {
    // A float becomes the nearest whole number that there is, whatever it is.
    let milliseconds = (seconds * 1000.0).round() as i64;
    let (whole, milliseconds) = (
        milliseconds.div_euclid(1000),
        milliseconds.rem_euclid(1000),
    );
    let (year, month, day) = date(whole.div_euclid(DAY));
    let second = whole.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

/// Year, month and day of a day, which is counted from 1970 on.
pub fn date(days: i64) -> (i64, i64, i64) {
    // Years that begin in March put the leap day at their end.
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * day_of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (
        year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day_of_year - (153 * march + 2) / 5 + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_rfc_3339_has_it() {
        let cases = [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (951_782_399.999, "2000-02-28T23:59:59.999Z"),
            (951_782_400.0, "2000-02-29T00:00:00.000Z"),
            (1_795_609_800.25, "2026-11-25T12:30:00.250Z"),
            (4_102_444_799.9996, "2100-01-01T00:00:00.000Z"),
        ];
        for (seconds, wanted) in cases {
            assert_eq!(rfc3339(seconds), wanted);
        }
    }

    #[test]
    fn any_number_is_some_moment() {
        for seconds in [f64::NAN, f64::INFINITY, f64::MAX, -1.0, -1e300] {
            assert!(rfc3339(seconds).ends_with('Z'), "{seconds}");
        }
    }
}

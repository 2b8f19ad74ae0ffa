//! What was measured of one thing in some rounds: median, least, most; and how two compare. Pure.

use std::fmt;

/// The unit of figures, as it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit(pub &'static str);

/// Measurements of one thing, one for each round. What did not come about at all is infinite.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    sorted: Vec<f64>,
    unit: Unit,
}

impl Figures {
    /// At least one value.
    pub fn new(unit: Unit, values: impl IntoIterator<Item = f64>) -> Figures {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        assert!(!sorted.is_empty(), "nothing was measured");
        sorted.sort_by(f64::total_cmp);
        Figures { sorted, unit }
    }

    /// The one in the middle, or between the two in the middle.
    pub fn median(&self) -> f64 {
        let middle = self.sorted.len() / 2;
        match self.sorted.len() % 2 {
            0 => f64::midpoint(self.sorted[middle - 1], self.sorted[middle]),
            _ => self.sorted[middle],
        }
    }

    fn least(&self) -> f64 {
        self.sorted[0]
    }

    fn most(&self) -> f64 {
        self.sorted[self.sorted.len() - 1]
    }

    /// How many times as much this is as the other; none where that says nothing.
    pub fn ratio(&self, to: &Figures) -> Option<f64> {
        assert_eq!(self.unit, to.unit, "other units");
        let ratio = self.median() / to.median();
        (ratio.is_finite() && to.median() > 0.0).then_some(ratio)
    }
}

/// `12.3 ms (10.1 to 15.0, 7 rounds)`; of one round the value alone.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let median = number(self.median());
        match self.median().is_finite() && !self.unit.0.is_empty() {
            true => write!(f, "{median} {}", self.unit.0)?,
            false => f.write_str(&median)?,
        }
        let rounds = self.sorted.len();
        match rounds {
            1 => Ok(()),
            _ => {
                let (least, most) = (number(self.least()), number(self.most()));
                write!(f, " ({least} to {most}, {rounds} rounds)")
            }
        }
    }
}

/// With three digits that count, and all of a whole number.
pub fn number(value: f64) -> String {
    if value.is_infinite() {
        return "never".to_owned();
    }
    let places = match value.abs() {
        v if !(0.000_5..99.95).contains(&v) => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.999_5 => 2,
        _ => 3,
    };
    with_commas(&format!("{value:.places$}"))
}

/// Groups of three digits before the point.
fn with_commas(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

//! The text format of Prometheus, version 0.0.4. Pure.

use std::fmt::Write;

use super::names::Name;

/// The labels of a sample: names and values.
pub(super) type Labels = Vec<(&'static str, String)>;

/// A page of metrics, so far.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// A metric with all its samples. One without samples is told as well: that there is such a
    /// metric is of interest to who looks for it.
    pub(super) fn family(
        &mut self,
        name: &Name,
        samples: impl IntoIterator<Item = (Labels, f64)>,
    ) {
        let Name { name, kind, help } = name;
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {}", escaped(help, false));
        let _ = writeln!(self.text, "# TYPE {name} {}", kind.word());
        for (labels, value) in samples {
            let _ = writeln!(self.text, "{name}{} {}", braced(&labels), number(value));
        }
    }

    /// The whole page.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

fn braced(labels: &Labels) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let each = labels
        .iter()
        .map(|(label, value)| format!("{label}=\"{}\"", escaped(value, true)));
    format!("{{{}}}", each.collect::<Vec<_>>().join(","))
}

/// Whole numbers without a point, others to the millisecond.
fn number(value: f64) -> String {
    match value.fract() == 0.0 {
        true => format!("{value:.0}"),
        false => format!("{value:.3}"),
    }
}

/// Backslashes and line ends are escaped everywhere, quotes in labels only.
fn escaped(text: &str, quotes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::names::Kind;
    use super::*;

    const NAME: Name = Name {
        name: "a_total",
        kind: Kind::Counter,
        help: "What\nis \\ \"counted\".",
    };

    #[test]
    fn a_family_has_help_type_and_samples() {
        let head = "# HELP a_total What\\nis \\\\ \"counted\".\n# TYPE a_total counter\n";
        let cases: [(Vec<(Labels, f64)>, &str); 5] = [
            (vec![], ""),
            (vec![(vec![], 0.0)], "a_total 0\n"),
            (vec![(vec![("tag", "x".to_owned())], 1e15)], "a_total{tag=\"x\"} 1000000000000000\n"),
            (
                vec![(vec![("file", "a\"b\\c\nd".to_owned()), ("b", String::new())], -1.5)],
                "a_total{file=\"a\\\"b\\\\c\\nd\",b=\"\"} -1.500\n",
            ),
            (
                vec![(vec![("t", "é".to_owned())], 1.0), (vec![("t", "z".to_owned())], 2.0)],
                "a_total{t=\"é\"} 1\na_total{t=\"z\"} 2\n",
            ),
        ];
        for (samples, wanted) in cases {
            let mut page = Page::default();
            page.family(&NAME, samples);
            assert_eq!(page.into_text(), format!("{head}{wanted}"));
        }
    }
}

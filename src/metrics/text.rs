//! The text format of Prometheus, version 0.0.4. Pure.

use std::fmt::Write;

use super::names::Name;

/// The labels of a sample: names and values.
pub(super) type Labels<'a> = [(&'a str, &'a str)];

/// A page of metrics, so far.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
    /// The family that samples are of.
    name: &'static str,
}

impl Page {
    /// The head of a metric, whose samples follow. One without samples is told as well: that there
    /// is such a metric is of interest to who looks for it.
    pub(super) fn family(&mut self, of: &Name) {
        let Name { name, kind, help } = of;
        self.name = name;
        // Writing to a string cannot fail.
        let _ = write!(self.text, "# HELP {name} ");
        escape(&mut self.text, help, false);
        let _ = writeln!(self.text, "\n# TYPE {name} {}", kind.word());
    }

    /// A sample of that metric.
    pub(super) fn sample(&mut self, labels: &Labels<'_>, value: f64) {
        self.text.push_str(self.name);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            escape(&mut self.text, value, true);
            self.text.push('"');
        }
        let end = if labels.is_empty() { " " } else { "} " };
        self.text.push_str(end);
        write_number(&mut self.text, value);
        self.text.push('\n');
    }

    /// The whole page.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// Whole numbers without a point, others to the millisecond.
fn write_number(out: &mut String, value: f64) {
    // Writing to a string cannot fail.
    let _ = match value.fract() == 0.0 {
        true => write!(out, "{value:.0}"),
        false => write!(out, "{value:.3}"),
    };
}

/// Backslashes and line ends are escaped everywhere, quotes in labels only.
fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
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
        let cases: [(&Labels<'_>, f64, &str); 4] = [
            (&[], 0.0, "a_total 0\n"),
            (
                &[("tag", "x")],
                1e15,
                "a_total{tag=\"x\"} 1000000000000000\n",
            ),
            (
                &[("file", "a\"b\\c\nd"), ("b", "")],
                -1.5,
                "a_total{file=\"a\\\"b\\\\c\\nd\",b=\"\"} -1.500\n",
            ),
            (&[("t", "é")], 1.25, "a_total{t=\"é\"} 1.250\n"),
        ];
        let mut page = Page::default();
        page.family(&NAME);
        assert_eq!(page.into_text(), head, "without samples");
        for (labels, value, wanted) in cases {
            let mut page = Page::default();
            page.family(&NAME);
            page.sample(labels, value);
            assert_eq!(page.into_text(), format!("{head}{wanted}"));
        }
    }
}

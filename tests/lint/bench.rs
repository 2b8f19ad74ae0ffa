//! The bench's figures and its table, which have no harness of their own; and that the README has no
//! other figures than the bench's.

use std::fs;

use crate::figures::{Figures, Unit, number};
use crate::root;
use crate::table::{HEAD, Line, Theirs, between};

const MS: Unit = Unit("ms");

#[test]
fn the_median_is_the_middle_in_whatever_order() {
    assert_eq!(Figures::new(MS, [3.0, 1.0, 2.0]).median(), 2.0);
    assert_eq!(Figures::new(MS, [4.0, 1.0, 2.0, 3.0]).median(), 2.5);
    assert_eq!(Figures::new(MS, [7.0]).median(), 7.0);
}

#[test]
fn what_never_came_is_longer_than_anything() {
    let twice = Figures::new(MS, [f64::INFINITY, 4000.0, f64::INFINITY]);
    assert_eq!(twice.to_string(), "never (4,000 to never, 3 rounds)");
    let once = Figures::new(MS, [f64::INFINITY, 4000.0, 5000.0]);
    assert_eq!(once.to_string(), "5,000 ms (4,000 to never, 3 rounds)");
}

#[test]
fn a_ratio_is_of_the_medians_and_not_of_nothing_or_of_never() {
    let figures = |value| Figures::new(MS, [value]);
    assert_eq!(figures(3.0).ratio(&figures(2.0)), Some(1.5));
    assert_eq!(figures(3.0).ratio(&figures(0.0)), None);
    assert_eq!(figures(0.0).ratio(&figures(0.0)), None);
    assert_eq!(figures(f64::INFINITY).ratio(&figures(2.0)), None);
    assert_eq!(figures(2.0).ratio(&figures(f64::INFINITY)), Some(0.0));
}

#[test]
fn numbers_have_three_digits_that_count() {
    let cases = [
        (0.0, "0"),
        (0.1234, "0.123"),
        (1.0, "1.00"),
        (9.999, "10.0"),
        (12.345, "12.3"),
        (99.96, "100"),
        (123.4, "123"),
        (1234.5, "1,234"),
        (1_234_567.0, "1,234,567"),
    ];
    for (value, wanted) in cases {
        assert_eq!(number(value), wanted);
    }
}

#[test]
fn a_row_has_both_medians_and_the_ratio() {
    let ours = Figures::new(MS, [1.0, 2.0, 3.0]);
    let theirs = Theirs::Measured(Figures::new(MS, [4.0]));
    let line = Line::new("kill", ours, "the floor", theirs).to_string();
    let wanted = "| kill | 2.00 ms (1.00 to 3.00, 3 rounds) | the floor | 4.00 ms | 0.500 |\n";
    assert_eq!(line, wanted);
}

#[test]
fn a_peer_that_is_not_given_has_no_ratio() {
    let ours = Figures::new(MS, [2.0]);
    let line = Line::new("kill", ours, "confd", Theirs::given(None)).to_string();
    assert_eq!(line, "| kill | 2.00 ms | confd | not given | – |\n");
    let line = Line::empty("instructions", "not counted on this machine").to_string();
    let wanted = "| instructions | – | – | not counted on this machine | – |\n";
    assert_eq!(line, wanted);
}

#[test]
fn a_table_is_put_between_two_marks() {
    let page = "a\n<one>\nold\n<two>\nb\n";
    let wanted = "a\n<one>\nnew\n<two>\nb\n";
    assert_eq!(between(page, "<one>\n", "<two>", "new\n").unwrap(), wanted);
    assert_eq!(between(page, "<two>\n", "<one>", "new\n"), None);
}

#[test]
fn the_readme_has_the_figures_of_the_bench() {
    let read = |name: &str| fs::read_to_string(root().join(name)).expect("it is there");
    let (readme, page) = (read("README.md"), read("docs/performance.md"));
    let start = readme
        .find("<!-- make bench: from here -->")
        .expect("a mark");
    let end = readme.find("<!-- to here -->").expect("a mark");
    let rows = readme[start..end]
        .lines()
        .filter(|line| line.starts_with('|'));
    let rows: Vec<&str> = rows.collect();
    assert_eq!(rows[..2], HEAD.lines().collect::<Vec<_>>());
    assert!(rows.len() > 2, "no figures: make bench");
    let lines: Vec<&str> = page.lines().collect();
    let other: Vec<&&str> = rows.iter().filter(|row| !lines.contains(row)).collect();
    assert!(other.is_empty(), "not in docs/performance.md: {other:?}");
}

//! What is read of a file, and what is said about the rest.

use super::*;

fn parsed(text: &str) -> (Table, Findings) {
    let mut findings = Findings::of(Path::new("a.toml"));
    let table = Table::parse(text, &mut findings);
    (table, findings)
}

fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(Problem::to_string).collect()
}

fn shown(findings: &Findings) -> Vec<String> {
    texts(&findings.problems)
}

#[test]
fn values_come_with_their_lines() {
    let (mut table, mut findings) = parsed("\n# x\na = 'x'\n[t]\nN = 0x10\nl = [\n 'p',\n 'q']\n");
    let text = table.text("a", &mut findings).unwrap();
    assert_eq!((text.value.as_str(), text.line), ("x", 3));
    let mut inner = table.table("t", &mut findings).unwrap().value;
    let number = inner.number("n", &mut findings).unwrap();
    assert_eq!((number.value, number.line), (16, 5));
    let list = inner.texts("l", &mut findings).unwrap();
    let items: Vec<_> = list
        .value
        .iter()
        .map(|i| (i.value.as_str(), i.line))
        .collect();
    assert_eq!((list.line, items), (6, vec![("p", 7), ("q", 8)]));
    assert!(table.text("absent", &mut findings).is_none());
    inner.finish(&mut findings);
    table.finish(&mut findings);
    assert!(findings.problems.is_empty() && findings.warnings.is_empty());
}

#[test]
fn every_error_of_the_syntax_has_its_line() {
    let (_, findings) = parsed("a = 'x\nb = 2\nmode = 0644\nc\n");
    let problems = shown(&findings);
    for line in [1, 3, 4] {
        let start = format!("a.toml:{line}: not TOML: ");
        let found = problems.iter().any(|p| p.starts_with(&start));
        assert!(found, "line {line}: {problems:#?}");
    }
    assert!(problems.iter().all(|p| !p.contains('\n')));
}

#[test]
fn a_value_of_the_wrong_type_says_what_is_wanted() {
    let text = "a = 1\nb = 'x'\nc = ['x', 2]\nd = true\ne = 1.5\nf = 1979-05-27\ng = [1]\n";
    let (mut table, mut findings) = parsed(text);
    table.text("a", &mut findings);
    table.number("b", &mut findings);
    table.texts("c", &mut findings);
    table.text("d", &mut findings);
    table.number("e", &mut findings);
    table.text("f", &mut findings);
    table.table("g", &mut findings);
    assert_eq!(
        shown(&findings),
        [
            "a.toml:1: a is a number, not a text in quotes",
            "a.toml:2: b is a text, not a whole number without quotes",
            "a.toml:3: c is a list, not a list of texts in quotes",
            "a.toml:4: d is true or false, not a text in quotes",
            "a.toml:5: e is a fraction, not a whole number without quotes",
            "a.toml:6: f is a date, not a text in quotes",
            "a.toml:7: g is a list, not a table",
        ]
    );
}

#[test]
fn what_nobody_asked_for_is_a_warning_with_the_nearest_name() {
    let (mut table, mut findings) = parsed("[template]\nsrcs = 'x'\ncolour = 1\n[templat]\n");
    let mut inner = table.table("template", &mut findings).unwrap().value;
    inner.text("src", &mut findings);
    inner.finish(&mut findings);
    table.finish(&mut findings);
    assert_eq!(
        texts(&findings.warnings),
        [
            "a.toml:2: unknown key 'srcs' in [template], did you mean 'src'?",
            "a.toml:3: unknown key 'colour' in [template]",
            "a.toml:4: unknown table [templat], did you mean 'template'?",
        ]
    );
}

#[test]
fn a_key_in_two_spellings_is_a_problem() {
    let (mut table, mut findings) = parsed("Src = 'x'\nsrc = 'y'\n");
    assert_eq!(table.text("src", &mut findings).unwrap().value, "y");
    assert_eq!(
        shown(&findings),
        ["a.toml:1: src is already said in line 2"]
    );
}

#[test]
fn a_byte_order_mark_and_cr_lf_are_no_trouble() {
    let (mut table, mut findings) = parsed("\u{feff}a = 'x'\r\nb = 'y'\r\n");
    assert_eq!(table.text("b", &mut findings).unwrap().line, 2);
    assert!(findings.problems.is_empty());
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let path = Path::new("/nonexistent/x.toml");
    let mut findings = Findings::of(path);
    assert!(Table::load(path, &mut findings).is_none());
    let problem = findings.problems[0].to_string();
    let wanted = "/nonexistent/x.toml: cannot be read: No such file";
    assert!(problem.starts_with(wanted), "{problem}");
}

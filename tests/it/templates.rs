//! The template engine: whole templates, against what is expected of them and against Go itself;
//! what is wrong with a template, and templates that are wrong at random.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use confd_haproxy::template::Template;

#[test]
fn every_template_renders_what_is_expected() {
    let cases = cases();
    assert!(cases.len() >= 10, "{cases:?}");
    for case in cases {
        let expected = fs::read_to_string(case.with_extension("expected")).unwrap();
        assert_same(&rendered(&case), &expected, &case);
    }
}

#[test]
fn go_renders_the_same() {
    let Some(lines) = go() else {
        println!("Go is not installed, so nothing is compared with it: tests/setup.sh go");
        return;
    };
    let mut compared = 0;
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| line[name].as_str().unwrap();
        let case = directory().join(field("name")).with_extension("tmpl");
        assert_eq!(field("error"), "", "{}", case.display());
        assert_same(&rendered(&case), field("output"), &case);
        compared += 1;
    }
    assert_eq!(compared, cases().len());
}

#[test]
fn what_is_wrong_with_the_text_is_known_before_anything_is_rendered() {
    for (text, wanted) in [
        ("a\n{{.x", "t.tmpl:2: this action is never closed"),
        ("{{\"a", "t.tmpl:1: this \" is never closed"),
        ("{{`a", "t.tmpl:1: this ` is never closed"),
        ("{{/* a", "t.tmpl:1: this comment is never closed"),
        ("{{/* a */ x}}", "t.tmpl:1: a comment must end with"),
        ("{{ /* a */ }}", "t.tmpl:1: unexpected '/'"),
        ("a\nb{{end}}c", "t.tmpl:2: {{end}} without"),
        ("{{if 1}}\n{{end}}\n{{end}}", "t.tmpl:3: {{end}} without"),
        ("\n\n{{range .}}a", "t.tmpl:3: {{range}} is never closed"),
        (
            "{{if 1}}{{with 2}}{{end}}",
            "t.tmpl:1: {{if}} is never closed",
        ),
        ("{{else}}", "t.tmpl:1: {{else}} without"),
        (
            "{{if 1}}{{else}}{{else}}{{end}}",
            "a second {{else}} for the {{if}} of line 1",
        ),
        (
            "{{if 1}}{{else range .}}{{end}}",
            "unexpected range after {{else",
        ),
        ("{{break}}", "t.tmpl:1: {{break}} outside of {{range}}"),
        (
            "{{range .}}{{block \"b\" .}}{{break}}{{end}}{{end}}",
            "outside of {{range}}",
        ),
        (
            "{{if 1}}{{define \"a\"}}{{end}}{{end}}",
            "{{define}} inside of another",
        ),
        ("{{}}", "nothing between"),
        ("{{if}}{{end}}", "t.tmpl:1: "),
        ("{{(1}}", "t.tmpl:1: this ( is never closed"),
        ("{{1)}}", "t.tmpl:1: this ) closes nothing"),
        ("\n{{nope 1}}", "t.tmpl:2: there is no function \"nope\""),
        (
            "{{if 0}}{{1 | nope}}{{end}}",
            "there is no function \"nope\"",
        ),
        ("{{__line 1}}", "there is no function"),
        (
            "{{add 1}}",
            "wrong number of arguments for add: it takes 2, not 1",
        ),
        ("{{1 | add 2 3}}", "it takes 2, not 3"),
        ("{{1 2}}", "takes no arguments"),
        ("\n{{$x}}", "t.tmpl:2: there is no variable $x here"),
        (
            "{{if 1}}{{$x := 1}}{{end}}{{$x}}",
            "there is no variable $x",
        ),
        ("{{$x = 1}}", "there is no variable $x"),
        (
            "\n{{template \"x\"}}",
            "t.tmpl:2: there is no template \"x\"",
        ),
        (
            "{{define \"a\"}}1{{end}}\n{{define \"a\"}}2{{end}}",
            "t.tmpl:2: the template \"a\" is",
        ),
        ("{{\"\\q\"}}", "not an escape"),
        ("{{\"\\xff\"}}", "bytes above 127"),
        ("{{'ab'}}", "exactly one character"),
        ("{{1x}}", "1x is not a number"),
        ("{{1e999}}", "is not a number"),
        ("{{\"a\"\"b\"}}", "unexpected \"b\" after"),
        (
            "\n\n{{lookupSRV \"a\" \"b\" \"c\"}}",
            "t.tmpl:3: lookupSRV is not supported: ",
        ),
        (
            "{{if 0}}{{cgetv \"/a\"}}{{end}}",
            "t.tmpl:1: cgetv is not supported: ",
        ),
        (
            "{{/* one\ntwo */}}a\n{{- nope}}",
            "t.tmpl:3: there is no function",
        ),
        ("{{printf \"\n", "t.tmpl:1: this \" is never closed"),
    ] {
        let error = Template::parse("/t/t.tmpl", text).expect_err(text);
        assert_says(text, &error.to_string(), wanted);
    }
    let deep = "{{if 1}}".repeat(5000) + &"{{end}}".repeat(5000);
    let error = Template::parse("t.tmpl", &deep).unwrap_err().to_string();
    assert_says("5000 ifs", &error, "nested more than");
    let chain = "{{if 0}}".to_owned() + &"{{else if 0}}".repeat(5000) + "{{end}}";
    let error = Template::parse("t.tmpl", &chain).unwrap_err().to_string();
    assert_says("5000 else-ifs", &error, "nested more than");
}

#[test]
fn what_goes_wrong_while_rendering_says_where() {
    let doubling = "{{$x := \"0123456789\"}}".to_owned() + &"{{$x = print $x $x}}\n".repeat(40);
    let branching = |n| {
        format!(
            "{{{{define \"t{n}\"}}}}{{{{template \"t{0}\"}}}}{{{{template \"t{0}\"}}}}{{{{end}}}}",
            n + 1
        )
    };
    let branching: String =
        (0..60).map(branching).collect::<String>() + "{{define \"t60\"}}{{end}}{{template \"t0\"}}";
    for (text, wanted) in [
        ("\n{{getv \"/no\"}}", "t.tmpl:2: key does not exist: /no"),
        ("{{get \"/no\"}}", "t.tmpl:1: key does not exist: /no"),
        ("{{gets \"/[\"}}", "t.tmpl:1: syntax error in pattern"),
        ("{{gets \"/[a-]\"}}", "syntax error in pattern"),
        ("{{getvs \"/\\\\\"}}", "syntax error in pattern"),
        ("a\n\n{{json \"{\"}}", "t.tmpl:3: this is not JSON"),
        ("{{json \"[]\"}}", "not a JSON object"),
        ("{{jsonArray \"{}\"}}", "not a JSON array"),
        ("{{json \"{} x\"}}", "this is not JSON"),
        ("{{div 1 0}}", "t.tmpl:1: division by zero"),
        ("{{mod 1 0}}", "t.tmpl:1: division by zero"),
        ("{{atoi \"x\"}}", "atoi"),
        ("{{parseBool \"x\"}}", "parseBool"),
        ("{{base64Decode \"*\"}}", "base64Decode"),
        ("{{map \"a\"}}", "has no value"),
        ("{{map 1 2}}", "must be strings"),
        (
            "{{add \"1\" 2}}",
            "argument 1 must be an integer, not string",
        ),
        (
            "{{toUpper (json \"{}\").x}}",
            "argument 1 must be a string, not a missing value",
        ),
        ("{{seq 1 1000000}}", "seq"),
        ("{{(get \"/k\").Valve}}", "memkv.KVPair has no field Valve"),
        (
            "{{range get \"/k\"}}{{end}}",
            "range cannot iterate over {/k v}",
        ),
        ("{{range \"abc\"}}{{end}}", "t.tmpl:1: cannot range over"),
        ("{{index (seq 1 2) 5}}", "t.tmpl:1: index out of range"),
        ("{{len 3}}", "has no length"),
        ("{{eq \"a\" 1}}", "cannot be compared"),
        ("{{call 1}}", "not a function"),
        (
            "{{$x := \"a\"}}\n{{$x.y}}",
            "t.tmpl:2: a string has no field y",
        ),
        ("{{(json \"{\\\"a\\\":null}\").a.b}}", "a is null"),
        ("{{\"a\" | printf \"%[1]s\"}}", "not supported"),
        (
            "{{datetime.AddDate 1 2 3}}",
            "AddDate of a time is not supported",
        ),
        (
            "{{define \"r\"}}{{template \"r\"}}{{end}}\n{{template \"r\"}}",
            "t.tmpl:1: templates call each other without end",
        ),
        (
            "{{range seq 1 99999}}{{range seq 1 99999}}{{.}}{{end}}{{end}}",
            "t.tmpl:1: the template does more than",
        ),
        (&doubling, "larger than 16 MiB"),
        (&branching, "t.tmpl:1: "),
        (
            "{{range seq 1 99999}}{{printf \"%9999d\" .}}{{end}}",
            "t.tmpl:1: a text, a list or a map is larger",
        ),
        (
            "{{define \"a\"}}\n{{range seq 1 2}}{{if eq . 2}}\n{{getv \"/no\"}}{{end}}{{end}}{{end}}{{template \"a\"}}",
            "t.tmpl:3: key does not exist",
        ),
    ] {
        let started = Instant::now();
        let template = Template::parse("t.tmpl", text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let error = template.render(&pairs()).expect_err(text);
        assert_says(text, &error.to_string(), wanted);
        assert!(started.elapsed() < Duration::from_secs(20), "{text}");
    }
}

#[test]
fn a_failed_template_can_be_rendered_again_with_other_keys() {
    let template = Template::parse("t", "{{getv \"/later\"}}").unwrap();
    template.render(&BTreeMap::new()).unwrap_err();
    let pairs = BTreeMap::from([("/later".to_owned(), "now".to_owned())]);
    assert_eq!(template.render(&pairs).unwrap(), "now");
}

#[test]
fn a_random_template_never_panics_and_always_ends() {
    let sources: Vec<String> = cases()
        .iter()
        .map(|c| fs::read_to_string(c).unwrap())
        .collect();
    let mut random = Random(42);
    let started = Instant::now();
    let (mut rendered, mut slowest) = (0, Duration::ZERO);
    for _ in 0..4000 {
        let text = random.template(&sources);
        let begun = Instant::now();
        if let Ok(template) = Template::parse("t", &text) {
            match template.render(&pairs()) {
                Ok(_) => rendered += 1,
                Err(error) => assert!(!error.to_string().contains("failed"), "{error}\n{text}"),
            }
        }
        slowest = slowest.max(begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(5), "{text}");
    }
    println!(
        "4000 in {:?}, slowest {slowest:?}, rendered {rendered}",
        started.elapsed()
    );
    assert!(rendered > 100, "{rendered}");
}

/// A small generator, the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    /// A piece of a real template with some of it removed, doubled or replaced.
    fn template(&mut self, sources: &[String]) -> String {
        let source: Vec<char> = sources[self.below(sources.len())].chars().collect();
        let from = self.below(source.len());
        let length = 1 + self.below(200);
        let mut text: Vec<char> = source[from..source.len().min(from + length)].to_vec();
        for _ in 0..self.below(6) {
            let at = self.below(text.len() + 1);
            let piece = PIECES[self.below(PIECES.len())];
            match self.below(3) {
                0 => drop(text.splice(at..at, piece.chars())),
                1 => drop(text.splice(at.., piece.chars())),
                _ => drop(text.splice(at..text.len().min(at + 3), piece.chars())),
            }
        }
        text.into_iter().collect()
    }
}

const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{end}}",
    "{{else}}",
    "{{if .}}",
    "{{range seq 1 9}}",
    "{{with 1}}",
    "{{- ",
    " -}}",
    "(",
    ")",
    "|",
    ".",
    "$",
    "$x",
    ":=",
    "=",
    "\"",
    "`",
    "'",
    "\\",
    "{{/*",
    "*/}}",
    "\n",
    "-",
    "0x",
    "1e9",
    "nil",
    " ",
    ",",
    "{{define \"a\"}}",
    "{{template \"a\"}}",
    "{{block \"b\" .}}",
    "é",
    "\u{a0}",
    "printf \"%v\"",
    "index",
    "slice",
    "{{break}}",
    "{{continue}}",
    "len",
    "%",
    "9999999999",
    "not",
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates")
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_template = |path: &PathBuf| path.extension().is_some_and(|e| e == "tmpl");
    let mut cases: Vec<PathBuf> = entries.filter(is_template).collect();
    cases.sort();
    cases
}

fn rendered(case: &Path) -> String {
    let text = fs::read_to_string(case).unwrap();
    let keys = fs::read_to_string(case.with_extension("json")).unwrap();
    let template = Template::parse(case.to_str().unwrap(), &text);
    let text = template.and_then(|t| t.render(&serde_json::from_str(&keys).unwrap()));
    text.unwrap_or_else(|e| panic!("{e}"))
}

fn pairs() -> BTreeMap<String, String> {
    BTreeMap::from([("/k".to_owned(), "v".to_owned())])
}

/// What the Go program prints, or none without Go.
fn go() -> Option<String> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/go");
    let program = target.join("confd");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(directory().join("confd.go"))
        .env("GOCACHE", target.join("cache"))
        .env("GOPATH", target.join("path"))
        .env("GO111MODULE", "off")
        .env("GOPROXY", "off")
        .env("GOFLAGS", "")
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    let output = Command::new(&program).arg(directory()).output().unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap())
}

fn assert_same(ours: &str, theirs: &str, case: &Path) {
    for (number, (ours, theirs)) in (1..).zip(ours.lines().zip(theirs.lines())) {
        assert_eq!(
            ours,
            theirs,
            "{}: line {number} of the output",
            case.display()
        );
    }
    assert_eq!(ours, theirs, "{}", case.display());
}

fn assert_says(text: &str, error: &str, wanted: &str) {
    assert!(
        error.contains(wanted),
        "{text}\nsays {error}\n not {wanted}"
    );
    assert!(!error.contains('\n') && !error.ends_with('.'), "{error}");
}

//! A resource in a directory of its own: what each step leaves on disk, and what is said.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::resource::Resource;
use crate::scratch::Scratch;
use crate::source::Pair;

const A: &str = "/haproxy/mysqlslave/a";
const LATER: Duration = Duration::from_secs(10);

/// A directory with a template, a target, and commands that leave marks.
struct Bench {
    dir: Scratch,
    check_cmd: Option<String>,
    reload_cmd: Option<String>,
    manner: Manner,
    start: Instant,
}

impl Bench {
    fn new() -> Bench {
        let dir = Scratch::new();
        let template = "head\n{{range gets \"/haproxy/mysqlslave/*\"}}{{$d := json .Value}}\
                        {{$d.name}} {{$d.host}} {{$d.proxyport}}\n{{end}}";
        fs::write(dir.path().join("t.tmpl"), template).unwrap();
        let mark = |word: &str| format!("echo {word} >> {}", dir.path().join("marks").display());
        Bench {
            check_cmd: Some(mark("check")),
            reload_cmd: Some(mark("reload")),
            manner: Manner::default(),
            start: Instant::now(),
            dir,
        }
    }

    /// A command that leaves a mark.
    fn mark(&self, word: &str) -> String {
        format!("echo {word} >> {}", self.dir.path().join("marks").display())
    }

    fn dest(&self) -> PathBuf {
        self.dir.path().join("dest")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.dest()).unwrap_or_default()
    }

    fn marks(&self) -> String {
        let marks = fs::read_to_string(self.dir.path().join("marks")).unwrap_or_default();
        marks.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A renderer as a new process would have it.
    fn renderer(&self) -> Renderer {
        let resource = Resource {
            file: self.dir.path().join("r.toml"),
            src: self.dir.path().join("t.tmpl"),
            dest: self.dest(),
            uid: None,
            gid: None,
            mode: None,
            prefix: String::new(),
            keys: vec!["/haproxy/mysqlslave".to_owned()],
            check_cmd: self.check_cmd.clone(),
            check_cmd_timeout: Resource::CHECK_CMD_TIMEOUT,
            reload_cmd: self.reload_cmd.clone(),
            reload_cmd_timeout: Resource::RELOAD_CMD_TIMEOUT,
            haproxy: None,
            warnings: Vec::new(),
        };
        Renderer::new(resource, self.manner).unwrap()
    }

    fn pass(&self, renderer: &mut Renderer, pairs: &[(&str, &str)], after: Duration) -> Report {
        renderer.pass(&snapshot(pairs), self.start + after)
    }
}

fn snapshot(pairs: &[(&str, &str)]) -> Snapshot {
    let pair = |value: &str| Pair {
        value: value.to_owned(),
        flags: 0,
    };
    let pairs = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), pair(value)));
    Snapshot {
        pairs: pairs.collect(),
    }
}

fn value(host: u8) -> String {
    format!(r#"{{"name":"a", "host":"10.0.0.{host}", "port":1, "proxyport":2}}"#)
}

fn said(report: &Report) -> String {
    report
        .lines
        .iter()
        .map(|(_, line)| format!("{line}\n"))
        .collect()
}

#[test]
fn a_new_text_is_checked_installed_and_taken_over_by_a_reload() {
    let bench = Bench::new();
    let mut renderer = bench.renderer();
    let report = bench.pass(&mut renderer, &[(A, &value(1))], Duration::ZERO);
    assert!(!report.failed, "{}", said(&report));
    assert_eq!(bench.text(), "head\na 10.0.0.1 2\n");
    assert_eq!(bench.marks(), "check reload");
    assert!(said(&report).contains("has been updated"));
    let again = bench.pass(&mut renderer, &[(A, &value(1))], LATER);
    assert!(said(&again).contains("in sync"));
    assert_eq!(bench.marks(), "check reload");
}

#[test]
fn a_text_that_fails_its_check_touches_nothing() {
    let mut bench = Bench::new();
    bench.pass(&mut bench.renderer(), &[(A, &value(1))], Duration::ZERO);
    bench.check_cmd = Some("grep -q 10.0.0.1 {{.src}}".to_owned());
    let report = bench.pass(&mut bench.renderer(), &[(A, &value(2))], LATER);
    assert!(report.failed);
    assert!(
        said(&report).contains("Config check failed: exit status 1"),
        "{}",
        said(&report)
    );
    assert_eq!(bench.text(), "head\na 10.0.0.1 2\n");
    assert_eq!(bench.marks(), "check reload");
    let left: Vec<String> = fs::read_dir(bench.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(".confd-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_failed_reload_is_tried_again_until_it_succeeds() {
    let mut bench = Bench::new();
    let gate = bench.dir.path().join("gate");
    bench.reload_cmd = Some(format!("test -e {}", gate.display()));
    let mut renderer = bench.renderer();
    let report = bench.pass(&mut renderer, &[(A, &value(1))], Duration::ZERO);
    assert!(report.failed && said(&report).contains("reload failed: exit status 1"));
    assert!(report.again_at.is_some());
    // Too early: nothing is tried, and it is not forgotten.
    let early = bench.pass(&mut renderer, &[(A, &value(1))], Duration::from_millis(100));
    assert!(!early.failed && early.again_at.is_some());
    fs::write(&gate, "").unwrap();
    let late = bench.pass(&mut renderer, &[(A, &value(1))], LATER);
    assert!(said(&late).contains("reloaded with"), "{}", said(&late));
}

#[test]
fn a_reload_that_was_not_made_is_made_up_for_by_the_next_process() {
    let mut bench = Bench::new();
    bench.reload_cmd = Some("false".to_owned());
    bench.pass(&mut bench.renderer(), &[(A, &value(1))], Duration::ZERO);
    bench.reload_cmd = Some(bench.mark("made"));
    let report = bench.pass(&mut bench.renderer(), &[(A, &value(1))], Duration::ZERO);
    assert!(said(&report).contains("in sync") && said(&report).contains("reloaded with"));
    bench.pass(&mut bench.renderer(), &[(A, &value(1))], LATER);
    assert_eq!(bench.marks(), "check made");
}

#[test]
fn a_pending_reload_is_made_even_when_there_is_nothing_new_to_render() {
    let mut bench = Bench::new();
    bench.reload_cmd = Some("false".to_owned());
    bench.pass(&mut bench.renderer(), &[(A, &value(1))], Duration::ZERO);
    bench.reload_cmd = Some(bench.mark("made"));
    let report = bench.pass(&mut bench.renderer(), &[], Duration::ZERO);
    assert!(
        report.failed && said(&report).contains("reloaded with"),
        "{}",
        said(&report)
    );
}

#[test]
fn a_pending_reload_is_made_even_when_the_next_file_fails_its_check() {
    let mut bench = Bench::new();
    bench.reload_cmd = Some("false".to_owned());
    bench.pass(&mut bench.renderer(), &[(A, &value(1))], Duration::ZERO);
    bench.check_cmd = Some("false".to_owned());
    bench.reload_cmd = Some(bench.mark("made"));
    let report = bench.pass(&mut bench.renderer(), &[(A, &value(2))], Duration::ZERO);
    assert!(
        report.failed && said(&report).contains("reloaded with"),
        "{}",
        said(&report)
    );
    assert_eq!(bench.text(), "head\na 10.0.0.1 2\n");
    assert_eq!(bench.marks(), "check made");
}

#[test]
fn two_changes_in_quick_succession_take_one_reload_now_and_one_later() {
    let bench = Bench::new();
    let mut renderer = bench.renderer();
    bench.pass(&mut renderer, &[(A, &value(1))], Duration::ZERO);
    let second = bench.pass(&mut renderer, &[(A, &value(2))], Duration::from_millis(500));
    assert_eq!(bench.text(), "head\na 10.0.0.2 2\n");
    assert_eq!(second.again_at, Some(bench.start + Duration::from_secs(2)));
    assert_eq!(bench.marks(), "check reload check");
    bench.pass(&mut renderer, &[(A, &value(2))], Duration::from_secs(2));
    assert_eq!(bench.marks(), "check reload check reload");
}

#[test]
fn nothing_never_replaces_something_unless_that_is_wanted() {
    let mut bench = Bench::new();
    let mut renderer = bench.renderer();
    bench.pass(&mut renderer, &[(A, &value(1))], Duration::ZERO);
    let report = bench.pass(&mut renderer, &[], LATER);
    assert!(
        report.failed && said(&report).contains("nothing to render"),
        "{}",
        said(&report)
    );
    assert_eq!(bench.text(), "head\na 10.0.0.1 2\n");
    bench.manner.allow_empty = true;
    bench.pass(&mut bench.renderer(), &[], LATER);
    assert_eq!(bench.text(), "head\n");
}

#[test]
fn a_template_sees_keys_without_their_prefix() {
    let bench = Bench::new();
    let mut renderer = bench.renderer();
    renderer.resource.prefix = "/prod".to_owned();
    renderer.resource.keys = vec!["/prod/haproxy/mysqlslave".to_owned()];
    let pairs = [("/prod/haproxy/mysqlslave/a", value(1)), (A, value(2))];
    let pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(key, text)| (*key, text.as_str()))
        .collect();
    bench.pass(&mut renderer, &pairs, Duration::ZERO);
    assert_eq!(bench.text(), "head\na 10.0.0.1 2\n");
}

#[test]
fn the_first_file_may_be_one_without_entries() {
    let bench = Bench::new();
    let report = bench.pass(&mut bench.renderer(), &[], Duration::ZERO);
    assert!(!report.failed, "{}", said(&report));
    assert_eq!(bench.text(), "head\n");
}

#[test]
fn a_dry_run_changes_nothing_and_sync_only_runs_no_command() {
    let mut bench = Bench::new();
    bench.manner.noop = true;
    let report = bench.pass(&mut bench.renderer(), &[(A, &value(1))], Duration::ZERO);
    assert!(said(&report).contains("Noop mode enabled"));
    assert_eq!((bench.text().as_str(), bench.marks().as_str()), ("", ""));
    bench.manner = Manner {
        sync_only: true,
        ..Manner::default()
    };
    bench.pass(&mut bench.renderer(), &[(A, &value(1))], Duration::ZERO);
    assert_eq!(bench.text(), "head\na 10.0.0.1 2\n");
    assert_eq!(bench.marks(), "");
}

#[test]
fn the_last_good_value_stands_in_the_next_process_too() {
    let bench = Bench::new();
    bench.pass(&mut bench.renderer(), &[(A, &value(1))], Duration::ZERO);
    let report = bench.pass(&mut bench.renderer(), &[(A, "broken")], LATER);
    assert!(
        said(&report).contains("its last good value stands, 10.0.0.1:1"),
        "{}",
        said(&report)
    );
    assert_eq!(bench.text(), "head\na 10.0.0.1 2\n");
}

#[test]
fn good_values_are_remembered_also_where_the_file_was_in_sync_from_the_start() {
    let bench = Bench::new();
    let text = "head\na 10.0.0.1 2\nb 10.0.0.9 9\n";
    fs::write(bench.dest(), text).unwrap();
    let b = r#"{"name":"b", "host":"10.0.0.9", "port":1, "proxyport":9}"#;
    let b = ("/haproxy/mysqlslave/b", b);
    let report = bench.pass(&mut bench.renderer(), &[(A, &value(1)), b], Duration::ZERO);
    assert!(said(&report).contains("in sync"), "{}", said(&report));
    bench.pass(&mut bench.renderer(), &[(A, "broken"), b], LATER);
    assert_eq!(bench.text(), text);
    assert_eq!(bench.marks(), "");
}

#[test]
fn the_file_that_was_replaced_is_kept_beside() {
    let bench = Bench::new();
    let mut renderer = bench.renderer();
    bench.pass(&mut renderer, &[(A, &value(1))], Duration::ZERO);
    bench.pass(&mut renderer, &[(A, &value(2))], LATER);
    let kept = fs::read_to_string(bench.dir.path().join("dest.last-good")).unwrap();
    assert_eq!(kept, "head\na 10.0.0.1 2\n");
}

/// No content of a key can add a line that the template does not have.
#[test]
fn no_content_of_keys_adds_a_line() {
    let pieces = [
        "{\"name\":\"",
        "a",
        "\"",
        ", \"host\":\"",
        "10.0.0.1",
        "\\n",
        "\n",
        "\r",
        " ",
        "#",
        "{{",
        "}}",
        "\", \"port\":",
        "1",
        "\"2\"",
        ", \"proxyport\":",
        "2",
        "70000",
        "}",
        "\u{0}",
        "\u{2028}",
        "é",
        "evil evil",
        "server x 10.0.0.9:1",
        ",",
        ":",
        "[",
        "]",
        "null",
    ];
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        usize::try_from(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40).unwrap() % below
    };
    let bench = Bench::new();
    let template = fs::read_to_string(bench.dir.path().join("t.tmpl")).unwrap();
    let template = Template::parse("t.tmpl", &template).unwrap();
    let mut accepted = 0;
    for _ in 0..3000 {
        let names = ["a", "b", "c d", "e\nf", "..", "a/b"];
        let pairs: Vec<(String, String)> = (0..4)
            .map(|_| {
                let name = names[random(names.len())];
                let mut value = match random(3) {
                    0 => format!("{{\"name\":\"{name}\", \"host\":\"10.0.0.{}\", \"port\":1, \"proxyport\":{}}}", random(9), 1 + random(4)),
                    _ => String::new(),
                };
                for _ in 0..random(2) * random(6) {
                    let at = (0..=value.len()).filter(|at| value.is_char_boundary(*at)).nth(random(value.chars().count() + 1)).unwrap();
                    value.insert_str(at, pieces[random(pieces.len())]);
                }
                (format!("/haproxy/mysqlslave/{name}"), value)
            })
            .collect();
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        let checked = Entries::default().check(&snapshot(&pairs));
        let text = template.render(&checked.pairs).unwrap();
        assert_eq!(
            text.lines().count(),
            1 + checked.pairs.len(),
            "{pairs:?}\n{text}"
        );
        for line in text.lines().skip(1) {
            let good = |c: char| c.is_ascii_alphanumeric() || " .:_-".contains(c);
            assert!(line.chars().all(good), "{line:?} of {pairs:?}");
        }
        accepted += checked.pairs.len();
    }
    assert!(accepted > 500, "only {accepted} entries were good at all");
}

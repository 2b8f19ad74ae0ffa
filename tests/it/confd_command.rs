//! The confd and run commands as processes, over the file backend where no other is needed: the
//! steps of a resource, its commands, and what survives a restart of the renderer.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use confd_haproxy::backend::TagName;
use confd_haproxy::render::entries::Entries;
use confd_haproxy::source::{Pair, Snapshot};
use confd_haproxy::template::Template;
use serde_json::{Map, Value, json};

use crate::chain::{Chain, greets};
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::haproxy::HaProxy;
use crate::support::{free_port, seconds, wait_until};

const TEMPLATE: &str = "# head\n{{range gets \"/haproxy/mysqlslave/*\"}}{{$d := json .Value}}\
                        {{$d.name}} {{$d.host}} {{$d.proxyport}}\n{{end}}";

/// A confdir with one resource, and a file of keys.
struct Bench {
    dir: PathBuf,
    /// Keeps the directory.
    _keeper: CheckerBuilder,
}

impl Bench {
    /// With more lines for the resource; `DIR` stands for the directory.
    fn new(more: &str) -> Bench {
        let keeper = CheckerBuilder::new("confd");
        let bench = Bench {
            dir: keeper.dir().to_owned(),
            _keeper: keeper,
        };
        bench.write("templates/t.tmpl", TEMPLATE);
        bench.resource(more);
        bench
    }

    fn resource(&self, more: &str) {
        let text = "[template]\nsrc = \"t.tmpl\"\ndest = \"DIR/dest\"\n\
                    keys = [\"/haproxy/mysqlslave\"]\n";
        self.write("conf.d/a.toml", &format!("{text}{more}\n"));
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = text.replace("DIR", &self.dir.display().to_string());
        // Replaced in one step: a renderer that watches must not see half of it.
        let part = path.with_extension("part");
        fs::write(&part, text).unwrap();
        fs::rename(part, path).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join(name)).unwrap_or_default()
    }

    fn dest(&self) -> String {
        self.read("dest")
    }

    /// The words that commands left, in order.
    fn marks(&self) -> String {
        self.read("marks").trim_end().replace('\n', " ")
    }

    /// Each tag's value as it stands, `haproxy/mysqlslave/<tag>`.
    fn keys(&self, tags: &[(&str, &str)]) {
        let text = |(tag, value): &(&str, &str)| ((*tag).to_owned(), json!(value));
        let tags: Map<String, Value> = tags.iter().map(text).collect();
        let keys = json!({"haproxy": {"mysqlslave": tags}});
        self.write("keys.json", &keys.to_string());
    }

    fn builder(&self, options: &[&str]) -> CheckerBuilder {
        CheckerBuilder::new("confd")
            .args(["-backend", "file", "-file", &self.path("keys.json")])
            .args(["-confdir", &self.path("")])
            .args(options)
    }

    /// One pass: its exit code, and what it said.
    fn once(&self, options: &[&str]) -> (i32, String) {
        let builder = self.builder(options).arg("-onetime");
        let finished = builder.run_to_end(seconds(60));
        let code = finished.code.expect("it ends by itself");
        (code, finished.stdout + &finished.stderr)
    }

    fn watch(&self) -> Checker {
        self.builder(&["-watch"]).start()
    }

    /// The names of staged files that are left, kept ones too.
    fn staged(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.dir).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.contains(".confd-") || name.contains(".kept-"))
            .collect()
    }
}

fn value(name: &str, host: u8, proxy_port: u16) -> String {
    format!(r#"{{"name":"{name}", "host":"10.0.0.{host}", "port":3301, "proxyport":{proxy_port}}}"#)
}

/// Whatever the keys hold, the shipped template's file has the lines of the good entries and no
/// others.
#[test]
fn no_content_of_keys_gives_the_shipped_template_a_line_of_its_own() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("confd/templates/haproxy.cfg.tmpl");
    let text = fs::read_to_string(path).unwrap();
    let template = Template::parse("haproxy.cfg.tmpl", &text).unwrap();
    let render = |pairs: &[(String, Pair)]| {
        let pairs = pairs.iter().cloned().collect();
        let checked = Entries::default().check(&Snapshot { pairs });
        (template.render(&checked.pairs).unwrap(), checked)
    };
    let (head, _) = render(&[]);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..3000 {
        let pairs: Vec<(String, Pair)> = (0..6).map(|_| random.pair()).collect();
        let (text, checked) = render(&pairs);
        let body = text
            .strip_prefix(head.trim_end())
            .expect("the head is as it was");
        let count = |word: &str| {
            let begins = |line: &&str| line.trim_start().starts_with(word);
            body.lines().filter(begins).count()
        };
        let entries = checked.pairs.len();
        for word in ["listen ", "bind ", "server "] {
            assert_eq!(count(word), entries, "{word:?} of {pairs:?}\n{body}");
        }
        for line in body.lines() {
            assert!(is_of_the_template(line), "{line:?} of {pairs:?}");
        }
        accepted += entries;
        refused += checked.problems.len();
    }
    assert!(
        accepted > 1000 && refused > 5000,
        "{accepted} good, {refused} bad"
    );
}

/// A line that the shipped template makes of one entry, or has between entries.
fn is_of_the_template(line: &str) -> bool {
    let tag = |word: &str| word.parse::<TagName>().is_ok();
    let port = |word: &str| word.parse::<u16>().is_ok_and(|port| port > 0);
    let address = |word: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".:-_".contains(c);
        let parts = word.rsplit_once(':');
        parts.is_some_and(|(host, end)| port(end) && !host.is_empty() && host.chars().all(plain))
    };
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [] => true,
        ["listen", name] => tag(name),
        ["bind", at] => at.strip_prefix("0.0.0.0:").is_some_and(port),
        ["server", "mysql" | "memcached" | "redis", at, rest @ ..] => {
            let rest = rest.join(" ");
            address(at) && rest == "check maxconn 1000 on-marked-down shutdown-sessions"
        }
        ["option", "tcp-check"] | ["tcp-check", ..] | ["#", "Only", ..] => true,
        _ => false,
    }
}

/// Values that are good, and the same with something wrong in them.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        usize::try_from(high).unwrap() % end
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn pair(&mut self) -> (String, Pair) {
        let kind = self.one(&["mysqlslave", "memcached", "redismaster"]);
        // Mostly good: of a value with many faults only the first is seen.
        let name = match self.below(3) {
            0 => self.one(&["g h", "i\nj", "..", "k/l", "{{", "", "é"]),
            _ => self.one(&["a", "b", "c.d_e-f", "h", "i", "j"]),
        };
        let host = match self.below(3) {
            0 => self.one(&[
                "10.0.0.1\\n  server evil 10.0.0.9:1",
                "h check port 1",
                "h#",
                "{{getv \\\"/x\\\"}}",
                "h\\u0000",
                "h\\u2028x",
                "",
            ]),
            _ => self.one(&["10.0.0.1", "2001:db8::5", "db1.example.com"]),
        };
        let port = match self.below(3) {
            0 => self.one(&["0", "65536", "-1", "1e3", "\"1 check\"", "null"]),
            _ => self.one(&["3301", "\"3302\""]),
        };
        let proxy_port = 13351 + self.below(6);
        let mut value = format!(
            "{{\"name\":\"{name}\", \"host\":\"{host}\", \"port\":{port}, \
             \"proxyport\":{proxy_port}}}"
        );
        let long = "x".repeat(10_000);
        for _ in 0..self.below(2) * self.below(4) {
            let at = self.below(value.chars().count() + 1);
            let at = value
                .char_indices()
                .nth(at)
                .map_or(value.len(), |(at, _)| at);
            let dirt = [
                "\n", "\r", "\0", "#", " ", "\"", "}", "{{", "}}", "\u{fffd}", ",", &long,
            ];
            value.insert_str(at, self.one(&dirt));
        }
        let key = format!("/haproxy/{kind}/{name}");
        (key, Pair { value, flags: 0 })
    }
}

const MARKS: &str = "check_cmd = \"grep -q head {{.src}} && echo check >> DIR/marks\"\n\
                     reload_cmd = \"echo reload >> DIR/marks\"";

#[test]
fn a_second_pass_finds_the_file_in_sync_and_touches_nothing() {
    let bench = Bench::new(MARKS);
    bench.keys(&[("a", &value("a", 1, 13351))]);
    let (code, said) = bench.once(&[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(bench.marks(), "check reload");
    let stamp = || {
        let found = fs::metadata(bench.path("dest")).unwrap();
        (found.ino(), found.mtime(), found.mtime_nsec())
    };
    let before = stamp();
    let (code, said) = bench.once(&["-log-level", "debug"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("dest in sync"), "{said}");
    assert_eq!(stamp(), before);
    assert_eq!(bench.marks(), "check reload");
}

#[test]
fn noop_runs_no_command_and_leaves_nothing_but_what_it_is_told_to_keep() {
    let bench = Bench::new(MARKS);
    bench.keys(&[("a", &value("a", 1, 13351))]);
    let (code, said) = bench.once(&["-noop"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Noop mode enabled."), "{said}");
    assert!(said.contains("dest will not be modified"), "{said}");
    assert_eq!((bench.dest(), bench.marks()), Default::default());
    assert_eq!(bench.staged(), [""; 0]);
    let (_, said) = bench.once(&["-noop", "-keep-stage-file"]);
    let kept = bench.staged();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(said.contains(&format!("Keeping staged file: {}", bench.path(&kept[0]))));
    assert_eq!(bench.read(&kept[0]), "# head\na 10.0.0.1 13351\n");
}

#[test]
fn sync_only_writes_the_file_and_runs_no_command() {
    let bench = Bench::new(MARKS);
    bench.keys(&[("a", &value("a", 1, 13351))]);
    let (code, said) = bench.once(&["-sync-only"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(bench.dest(), "# head\na 10.0.0.1 13351\n");
    assert_eq!(bench.marks(), "");
}

#[test]
fn a_prefix_stands_before_the_keys_and_not_in_the_template() {
    let bench = Bench::new("prefix = \"/test\"");
    let tag = |host| json!({"haproxy": {"mysqlslave": {"a": value("a", host, 13351)}}});
    let mut keys = tag(1);
    keys["test"] = tag(2);
    keys["production"] = tag(3);
    bench.write("keys.json", &keys.to_string());
    let (code, said) = bench.once(&[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(bench.dest(), "# head\na 10.0.0.2 13351\n");
    let (code, said) = bench.once(&["-prefix", "production"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(bench.dest(), "# head\na 10.0.0.3 13351\n");
}

#[test]
fn a_resource_that_lacks_a_field_is_told_which_one() {
    let bench = Bench::new("");
    bench.keys(&[("a", &value("a", 1, 13351))]);
    let fields = [
        "src = \"t.tmpl\"\n",
        "dest = \"DIR/other\"\n",
        "keys = [\"/a\"]\n",
    ];
    for (missing, name) in ["src", "dest", "keys"].into_iter().enumerate() {
        let others = |at: &usize| *at != missing;
        let lines: String = (0..3).filter(others).map(|at| fields[at]).collect();
        bench.write("conf.d/b.toml", &format!("[template]\n{lines}"));
        let (code, said) = bench.once(&[]);
        let wanted = format!("b.toml:1: [template] has no {name}=");
        assert!(code == 1 && said.contains(&wanted), "{wanted}\n{said}");
        assert_eq!(bench.dest(), "# head\na 10.0.0.1 13351\n");
    }
}

#[test]
fn a_target_that_cannot_be_written_is_told_and_the_others_go_on() {
    let bench = Bench::new("");
    bench.keys(&[("a", &value("a", 1, 13351))]);
    bench.write("file", "");
    fs::create_dir(bench.path("directory")).unwrap();
    for dest in ["file/dest", "missing/dest", "directory"] {
        let text = bench.read("conf.d/a.toml");
        let text = text.replace("/dest\"", &format!("/{dest}\""));
        bench.write("conf.d/0.toml", &text);
        let _ = fs::remove_file(bench.path("dest"));
        let (code, said) = bench.once(&[]);
        assert!(
            code == 1 && said.contains("0.toml:3: dest: "),
            "{dest}\n{said}"
        );
        assert_eq!(bench.dest(), "# head\na 10.0.0.1 13351\n", "{dest}");
    }
}

#[test]
fn a_check_that_never_ends_is_ended_with_all_that_it_started() {
    let bench = Bench::new("");
    bench.keys(&[("a", &value("a", 1, 13351))]);
    bench.once(&[]);
    let check = "check_cmd = \"sleep 1000 & echo $! > DIR/pid; wait\"\ncheck_cmd_timeout = 1";
    bench.resource(check);
    bench.keys(&[("a", &value("a", 2, 13351))]);
    let (code, said) = bench.once(&[]);
    assert!(
        code == 1 && said.contains("Config check failed: no end after 1 s"),
        "{said}"
    );
    assert_eq!(bench.dest(), "# head\na 10.0.0.1 13351\n");
    let process = PathBuf::from("/proc").join(bench.read("pid").trim());
    wait_until("what the check started is gone", seconds(10), || {
        !process.join("exe").exists()
    });
}

#[test]
fn a_reload_that_never_ends_is_ended_and_made_up_for() {
    let reload = "echo begun >> DIR/marks; test -e DIR/gate || sleep 1000";
    let bench = Bench::new(&format!(
        "reload_cmd = \"{reload}\"\nreload_cmd_timeout = 1"
    ));
    bench.keys(&[("a", &value("a", 1, 13351))]);
    let watch = bench.watch();
    watch.wait_for_log("reload failed: no end after 1 s");
    bench.write("gate", "");
    watch.wait_for_log("reloaded with");
    assert!(bench.marks().starts_with("begun begun"));
}

#[test]
fn a_failing_reload_is_tried_again_until_it_succeeds_and_then_no_more() {
    let reload = "echo tried >> DIR/marks; test -e DIR/gate";
    for mode in [&["-watch"][..], &["-interval", "1000"]] {
        let bench = Bench::new(&format!("reload_cmd = \"{reload}\""));
        bench.keys(&[("a", &value("a", 1, 13351))]);
        let confd = bench.builder(mode).start();
        confd.wait_for_count("reload failed: exit status 1", 2);
        bench.write("gate", "");
        confd.wait_for_log("reloaded with");
        let tried = bench.marks();
        drop(confd);
        let (code, said) = bench.once(&[]);
        assert_eq!((code, bench.marks()), (0, tried), "{said}");
    }
}

#[test]
fn a_burst_of_changes_takes_few_reloads_and_the_last_change_is_in_force() {
    let bench = Bench::new("reload_cmd = \"cat DIR/dest >> DIR/loaded; echo loaded >> DIR/marks\"");
    bench.keys(&[("a", &value("a", 1, 13351))]);
    let watch = bench.watch();
    watch.wait_for_log("reloaded with");
    for host in 2..=20 {
        bench.keys(&[("a", &value("a", host, 13351))]);
        let wanted = format!("a 10.0.0.{host} ");
        wait_until("the file follows at once", seconds(20), || {
            bench.dest().contains(&wanted)
        });
    }
    wait_until("the last change is taken over", seconds(20), || {
        bench.read("loaded").contains("a 10.0.0.20 ")
    });
    // One at first and one each 2 s: twenty of them would have taken 40 s.
    assert!(watch.count("reloaded with") <= 10, "{}", watch.log());
    watch.wait_for_count("has been updated", 20);
}

#[test]
fn a_good_value_stands_in_for_a_broken_one_also_after_a_restart() {
    let bench = Bench::new("");
    bench.keys(&[("a", &value("a", 1, 13351)), ("b", &value("b", 2, 13352))]);
    let watch = bench.watch();
    watch.wait_for_log("has been updated");
    bench.keys(&[("a", "broken {{"), ("b", &value("b", 3, 13352))]);
    let wanted = "# head\na 10.0.0.1 13351\nb 10.0.0.3 13352\n";
    wait_until("b moves and a stands", seconds(20), || {
        bench.dest() == wanted
    });
    watch.wait_for_log("its last good value stands, 10.0.0.1:3301");
    watch.daemon().kill();
    bench.keys(&[("a", "broken {{"), ("b", &value("b", 4, 13352))]);
    let (code, said) = bench.once(&[]);
    assert_eq!(code, 0, "{said}");
    let wanted = "# head\na 10.0.0.1 13351\nb 10.0.0.4 13352\n";
    assert_eq!(bench.dest(), wanted);
    // A key that is gone is gone: its value does not stand for ever.
    bench.keys(&[("b", &value("b", 4, 13352))]);
    bench.once(&[]);
    bench.keys(&[("a", "broken {{"), ("b", &value("b", 4, 13352))]);
    bench.once(&[]);
    assert_eq!(bench.dest(), "# head\nb 10.0.0.4 13352\n");
}

#[test]
fn a_file_that_was_changed_by_hand_is_put_back_by_the_next_pass() {
    let bench = Bench::new(MARKS);
    bench.keys(&[("a", &value("a", 1, 13351))]);
    bench.once(&[]);
    fs::write(bench.path("dest"), "by hand\n").unwrap();
    let watch = bench.watch();
    watch.wait_for_log("reloaded with");
    assert_eq!(bench.dest(), "# head\na 10.0.0.1 13351\n");
    assert_eq!(bench.read("dest.last-good"), "by hand\n");
    assert_eq!(bench.marks(), "check reload check reload");
}

#[test]
fn a_file_of_keys_that_breaks_keeps_the_target_and_is_followed_again_when_it_is_mended() {
    let bench = Bench::new("");
    bench.keys(&[("a", &value("a", 1, 13351))]);
    let watch = bench.watch();
    watch.wait_for_log("has been updated");
    bench.write("keys.json", "{\"haproxy\": ");
    watch.wait_for_log("the files stay as they are");
    assert_eq!(bench.dest(), "# head\na 10.0.0.1 13351\n");
    bench.keys(&[("a", &value("a", 2, 13351))]);
    wait_until("it is followed again", seconds(20), || {
        bench.dest() == "# head\na 10.0.0.2 13351\n"
    });
    watch.wait_for_log("file answers again");
}

#[test]
fn a_directory_that_goes_away_is_an_error_until_it_is_back() {
    let bench = Bench::new("");
    bench.resource("");
    let resource = bench
        .read("conf.d/a.toml")
        .replace("/dest\"", "/sub/dest\"");
    bench.write("conf.d/a.toml", &resource);
    fs::create_dir(bench.path("sub")).unwrap();
    bench.keys(&[("a", &value("a", 1, 13351))]);
    let watch = bench.watch();
    watch.wait_for_log("has been updated");
    fs::remove_dir_all(bench.path("sub")).unwrap();
    bench.keys(&[("a", &value("a", 2, 13351))]);
    watch.wait_for_log("make its directory");
    fs::create_dir(bench.path("sub")).unwrap();
    bench.keys(&[("a", &value("a", 3, 13351))]);
    wait_until("it is written again", seconds(20), || {
        bench.read("sub/dest") == "# head\na 10.0.0.3 13351\n"
    });
}

#[test]
fn a_reload_that_is_due_is_made_while_the_store_does_not_answer() {
    let bench = Bench::new("reload_cmd = \"test -e DIR/gate\"");
    bench.keys(&[("a", &value("a", 1, 13351))]);
    let watch = bench.watch();
    watch.wait_for_log("reload failed");
    fs::remove_file(bench.path("keys.json")).unwrap();
    watch.wait_for_log("the files stay as they are");
    bench.write("gate", "");
    watch.wait_for_log("reloaded with");
    assert_eq!(bench.dest(), "# head\na 10.0.0.1 13351\n");
}

/// An HAProxy whose own file is the target, with a `listen` for each tag.
struct Proxied {
    haproxy: HaProxy,
    bench: Bench,
    port: u16,
}

impl Proxied {
    fn new(table: &str) -> Proxied {
        let (haproxy, port) = (HaProxy::start(""), free_port());
        let bench = Bench::new("");
        let sections = "{{range gets \"/haproxy/mysqlslave/*\"}}{{$d := json .Value}}\
                        listen {{$d.name}}\n    bind 127.0.0.1:{{$d.proxyport}}\n    \
                        server mysql {{$d.host}}:{{$d.port}}\n{{end}}";
        bench.write("templates/t.tmpl", &(haproxy.config() + sections));
        let table = match table {
            "" => String::new(),
            more => format!("[haproxy]\nsocket = \"{}\"\n{more}", haproxy.socket()),
        };
        let text = format!(
            "[template]\nsrc = \"t.tmpl\"\ndest = \"{}\"\nkeys = [\"/haproxy/mysqlslave\"]\n\
             check_cmd = \"haproxy -c -f {{{{.src}}}}\"\nreload_cmd = \"kill -USR2 {}\"\n{table}",
            haproxy.config_path().display(),
            haproxy.daemon().pid(),
        );
        bench.write("conf.d/a.toml", &text);
        Proxied {
            haproxy,
            bench,
            port,
        }
    }

    fn point_at(&self, host: u8) {
        self.bench.keys(&[("a", &value("a", host, self.port))]);
    }

    /// Where HAProxy leads to.
    fn is_at(&self, host: u8) -> bool {
        let wanted = format!(" 10.0.0.{host} ");
        self.haproxy.ask("show servers state").contains(&wanted)
    }

    #[track_caller]
    fn wait_until_at(&self, host: u8) {
        let what = format!("haproxy leads to 10.0.0.{host}");
        wait_until(&what, seconds(20), || self.is_at(host));
    }
}

#[test]
fn a_file_that_haproxy_refuses_reaches_neither_the_disk_nor_the_running_haproxy() {
    let proxied = Proxied::new("");
    proxied.point_at(1);
    let (code, said) = proxied.bench.once(&[]);
    assert_eq!(code, 0, "{said}");
    proxied.wait_until_at(1);
    let before = proxied.haproxy.config();
    let template = proxied.bench.read("templates/t.tmpl");
    let broken = template.replace("    server", "    sever");
    proxied.bench.write("templates/t.tmpl", &broken);
    proxied.point_at(2);
    let (code, said) = proxied.bench.once(&[]);
    assert_eq!(code, 1, "{said}");
    for wanted in [
        "Config check failed: exit status 1",
        "sever",
        "stays as it is",
    ] {
        assert!(said.contains(wanted), "{wanted:?} in\n{said}");
    }
    assert_eq!(proxied.haproxy.config(), before);
    assert!(proxied.is_at(1));
    // The next good file is taken.
    proxied.bench.write("templates/t.tmpl", &template);
    let (code, said) = proxied.bench.once(&[]);
    assert_eq!(code, 0, "{said}");
    proxied.wait_until_at(2);
}

#[test]
fn a_tag_that_is_deleted_loses_its_port_by_a_reload_and_the_others_keep_theirs() {
    let proxied = Proxied::new("sessions = \"auto\"");
    let other = free_port();
    let bench = &proxied.bench;
    let a = value("a", 1, proxied.port);
    bench.keys(&[("a", &a), ("b", &value("b", 2, other))]);
    let watch = bench.watch();
    proxied.wait_until_at(2);
    bench.keys(&[("a", &a)]);
    watch.wait_for_count("reloaded with", 2);
    let knows = |name: &str| {
        let all = proxied.haproxy.ask("show stat");
        all.lines()
            .any(|line| line.starts_with(&format!("{name},")))
    };
    wait_until("b is gone", seconds(20), || knows("a") && !knows("b"));
    assert!(proxied.is_at(1) && !proxied.haproxy.config().contains("listen b"));
}

#[test]
fn an_haproxy_that_comes_back_with_an_older_address_is_put_right() {
    let proxied = Proxied::new("sessions = \"auto\"");
    proxied.point_at(1);
    let watch = proxied.bench.watch();
    watch.wait_for_log("reloaded with");
    proxied.wait_until_at(1);
    proxied.point_at(2);
    watch.wait_for_log("haproxy: a/mysql moved from 10.0.0.1:3301 to 10.0.0.2:3301");
    watch.wait_for_count("has been updated", 2);
    // By hand, as a script of somebody's might.
    proxied
        .haproxy
        .ask("set server a/mysql addr 10.0.0.9 port 9");
    assert!(proxied.is_at(9));
    // Any change makes the renderer look, also one that changes nothing in the file.
    let keys = json!({"haproxy": {"mysqlslave": {"a": value("a", 2, proxied.port), "b": "x"}}});
    proxied.bench.write("keys.json", &keys.to_string());
    watch.wait_for_log("it was not what the file says");
    proxied.wait_until_at(2);
    // Killed and started again it reads its file, which is right.
    proxied.haproxy.kill();
    proxied.haproxy.daemon().restart();
    proxied.wait_until_at(2);
    assert_eq!(watch.count("reloaded with"), 1, "{}", watch.log());
}

#[test]
fn a_switch_stands_when_its_file_fails_the_check_and_the_next_good_one_is_written() {
    let proxied = Proxied::new("sessions = \"auto\"");
    let resource = proxied.bench.read("conf.d/a.toml");
    let gate = proxied.bench.path("gate");
    let gated = resource.replace("haproxy -c -f", &format!("test -e {gate} && haproxy -c -f"));
    proxied.bench.write("gate", "");
    proxied.bench.write("conf.d/a.toml", &gated);
    proxied.point_at(1);
    let watch = proxied.bench.watch();
    watch.wait_for_log("reloaded with");
    proxied.wait_until_at(1);
    fs::remove_file(&gate).unwrap();
    proxied.point_at(2);
    watch.wait_for_log("haproxy has the new addresses all the same");
    assert!(proxied.is_at(2) && proxied.haproxy.config().contains("10.0.0.1:3301"));
    proxied.bench.write("gate", "");
    proxied.point_at(3);
    watch.wait_for_count("has been updated", 2);
    assert!(proxied.is_at(3) && proxied.haproxy.config().contains("10.0.0.3:3301"));
    assert_eq!(watch.count("reloaded with"), 1, "{}", watch.log());
}

#[test]
fn a_tag_moves_through_the_socket_while_a_reload_that_fails_is_due() {
    let proxied = Proxied::new("sessions = \"auto\"");
    let bench = &proxied.bench;
    let gate = bench.path("gate");
    let resource = bench.read("conf.d/a.toml");
    let gated = resource.replace("kill -USR2", &format!("test -e {gate} && kill -USR2"));
    bench.write("conf.d/a.toml", &gated);
    bench.write("gate", "");
    proxied.point_at(1);
    let watch = bench.watch();
    watch.wait_for_log("reloaded with");
    proxied.wait_until_at(1);
    fs::remove_file(&gate).unwrap();
    // A new tag takes a reload, which fails.
    let b = value("b", 7, free_port());
    bench.keys(&[("a", &value("a", 1, proxied.port)), ("b", &b)]);
    watch.wait_for_log("reload failed");
    bench.keys(&[("a", &value("a", 2, proxied.port)), ("b", &b)]);
    watch.wait_for_log("haproxy: a/mysql moved from 10.0.0.1:3301 to 10.0.0.2:3301");
    assert!(proxied.is_at(2) && !proxied.is_at(7));
    bench.write("gate", "");
    watch.wait_for_count("reloaded with", 2);
    proxied.wait_until_at(7);
    assert!(proxied.is_at(2));
}

#[test]
fn a_tag_moves_also_when_the_new_file_is_refused_for_another_reason() {
    let proxied = Proxied::new("sessions = \"auto\"");
    proxied.point_at(1);
    let (code, said) = proxied.bench.once(&[]);
    assert_eq!(code, 0, "{said}");
    proxied.wait_until_at(1);
    let before = proxied.haproxy.config();
    let template = proxied.bench.read("templates/t.tmpl") + "listen broken\n    bin\n";
    proxied.bench.write("templates/t.tmpl", &template);
    proxied.point_at(2);
    let (code, said) = proxied.bench.once(&[]);
    assert!(code == 1 && said.contains("Config check failed"), "{said}");
    assert!(
        said.contains("haproxy has the new addresses all the same"),
        "{said}"
    );
    assert!(proxied.is_at(2));
    assert_eq!(proxied.haproxy.config(), before);
}

#[test]
fn run_names_every_fault_of_its_conf_file_and_starts_nothing() {
    let builder = CheckerBuilder::new("run").conf(
        "[good]\nhost=127.0.0.1\nport=3301\nuser=u\npassword=p\n\
         [bad]\nhost=127.0.0.1\nport=none\nuser=u\npassword=p\n",
    );
    let store = builder.dir().join("keys.json");
    let path = store.display().to_string();
    let finished = builder
        .args(["--once", "--store", &path])
        .run_to_end(seconds(20));
    let said = finished.stdout + &finished.stderr;
    assert!(said.contains("db.conf:8: "), "{said}");
    assert_eq!(finished.code, Some(2), "{said}");
}

#[test]
fn run_without_a_resource_warns_and_checks_all_the_same() {
    let chain = Chain::start(1);
    let builder = CheckerBuilder::new("run").conf(&chain.conf());
    let confdir = builder.dir().join("nothing").display().to_string();
    let store = builder.dir().join("keys.json").display().to_string();
    let run = builder
        .args(["--confdir", &confdir, "--store", &store])
        .start();
    run.wait_for_log("there is no resource in");
    run.wait_for_log("slave in file is ok");
    assert!(!greets(chain.port));
}

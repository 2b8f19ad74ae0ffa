//! The renderer: from a key that changes to the new file in its place.

use std::cell::RefCell;
use std::fmt::Write;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::Bench;
use crate::figures::{Figures, Unit};
use crate::peers::{CONFD, FLOOR};
use crate::support::checker::{Checker, CheckerBuilder};
use crate::support::consul::Consul;
use crate::support::{seconds, wait_until};
use crate::table::{Line, Theirs};
use crate::watch::change_of;

const MS: Unit = Unit("ms");
const TAGS: [usize; 3] = [1, 100, 1000];
const LIMIT: Duration = seconds(20);
/// Between two changes.
const REST: Duration = Duration::from_millis(300);
/// The tag that moves.
const KEY: &str = "haproxy/mysqlslave/t0";

/// Something that renders, and its file.
struct Renderer {
    _process: Checker,
    file: PathBuf,
}

pub fn measure(bench: &Bench) -> Vec<Line> {
    TAGS.into_iter()
        .flat_map(|tags| {
            let mut lines = by_consul(bench, tags);
            lines.extend(by_file(bench, tags));
            lines
        })
        .collect()
}

/// The floor is told of the key by Consul and makes nothing of it.
fn by_consul(bench: &Bench, tags: usize) -> Vec<Line> {
    let consul = Consul::start();
    for number in 0..tags {
        consul.put(&format!("haproxy/mysqlslave/t{number}"), &value(number, 1));
    }
    let node = [
        "-backend".to_owned(),
        "consul".to_owned(),
        "-node".to_owned(),
        consul.endpoint(),
    ];
    let floor = RefCell::new(Vec::new());
    let rounds = |builder: CheckerBuilder| {
        let renderer = Renderer::start(builder, &node, tags);
        let times = (0..bench.rounds(7)).map(|_| {
            let history = consul.history(KEY);
            let next = value(0, floor.borrow().len() + 2);
            let start = Instant::now();
            let took = renderer.after(start, || consul.put(KEY, &next));
            wait_until("the key's history", seconds(5), || history.changes() > 0);
            let told = history.seen()[1].at - start;
            floor.borrow_mut().push(told.as_secs_f64() * 1e3);
            took
        });
        Figures::new(MS, times.collect::<Vec<_>>())
    };
    let ours = rounds(CheckerBuilder::new("confd"));
    let confd = bench.peers.confd().map(rounds);
    let told = Theirs::Measured(Figures::new(MS, floor.take()));
    let what = &format!("key in Consul to the file, {}", named(tags));
    let told = Line::new(
        what,
        ours.clone(),
        &format!("{FLOOR}: Consul tells of the key"),
        told,
    );
    vec![
        if tags == 1000 { told.quoted() } else { told },
        Line::new(what, ours, CONFD, Theirs::given(confd)),
    ]
}

/// The floor writes the same bytes, flushes them and renames the file.
fn by_file(bench: &Bench, tags: usize) -> Vec<Line> {
    let mut floor = Vec::new();
    let mut rounds = |builder: CheckerBuilder| {
        let keys = builder.dir().join("keys.json");
        replace(&keys, &store(tags, 1));
        let words = ["-backend", "file", "-file"].map(str::to_owned);
        let words = [words.as_slice(), &[keys.display().to_string()]].concat();
        let renderer = Renderer::start(builder, &words, tags);
        let times = (0..bench.rounds(7)).map(|round| {
            let text = store(tags, round + 2);
            let took = renderer.after(Instant::now(), || replace(&keys, &text));
            let bytes = fs::read_to_string(&renderer.file).unwrap();
            let start = Instant::now();
            replace(&renderer.file.with_extension("floor"), &bytes);
            floor.push(start.elapsed().as_secs_f64() * 1e3);
            took
        });
        Figures::new(MS, times.collect::<Vec<_>>())
    };
    let ours = rounds(CheckerBuilder::new("confd"));
    let confd = bench.peers.confd().map(&mut rounds);
    let what = &format!("key in a file to the file, {}", named(tags));
    let floor = Theirs::Measured(Figures::new(MS, floor));
    vec![
        Line::new(
            what,
            ours.clone(),
            &format!("{FLOOR}: writes the same bytes"),
            floor,
        ),
        Line::new(what, ours, CONFD, Theirs::given(confd)),
    ]
}

impl Renderer {
    /// Started with `-watch` and these words, and its first file is there.
    fn start(builder: CheckerBuilder, words: &[String], tags: usize) -> Renderer {
        let file = builder.dir().join("haproxy.cfg");
        let confdir = builder.dir().join("confd").display().to_string();
        let resource = format!(
            "[template]\nsrc = \"t.tmpl\"\ndest = \"{}\"\nkeys = [\"/haproxy/mysqlslave\"]\n",
            file.display()
        );
        let shipped =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("confd/templates/haproxy.cfg.tmpl");
        let process = builder
            .file("confd/conf.d/t.toml", &resource)
            .file(
                "confd/templates/t.tmpl",
                &fs::read_to_string(shipped).unwrap(),
            )
            .args(["-confdir", &confdir, "-watch"])
            .args(words)
            .start();
        let ports = || {
            fs::read_to_string(&file)
                .unwrap_or_default()
                .matches("\nlisten ")
                .count()
        };
        wait_until("the first file", LIMIT, || ports() == tags);
        thread::sleep(REST);
        Renderer {
            _process: process,
            file,
        }
    }

    /// From the start of a change until the file is another one, in ms.
    fn after(&self, start: Instant, change: impl FnOnce()) -> f64 {
        let changed = change_of(self.file.clone(), LIMIT);
        change();
        let at = changed.join().expect("it only looks");
        thread::sleep(REST);
        at.map_or(f64::INFINITY, |at| (at - start).as_secs_f64() * 1e3)
    }
}

fn named(tags: usize) -> String {
    match tags {
        1 => "1 tag".to_owned(),
        1000 => "1,000 tags".to_owned(),
        _ => format!("{tags} tags"),
    }
}

fn value(tag: usize, host: usize) -> String {
    let port = 10_000 + tag;
    format!(r#"{{"name":"t{tag}", "host":"10.0.0.{host}", "port":3301, "proxyport":{port}}}"#)
}

/// The keys as a file has them; the first tag is on this host.
fn store(tags: usize, host: usize) -> String {
    let mut text = "{\"haproxy\": {\"mysqlslave\": {".to_owned();
    for tag in 0..tags {
        let value = value(tag, if tag == 0 { host } else { 1 });
        let comma = if tag == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\n\"t{tag}\": {}", serde_json::json!(value));
    }
    text + "\n}}}\n"
}

fn replace(path: &Path, text: &str) {
    let staged = path.with_extension("staged");
    let mut file = fs::File::create(&staged).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.sync_all().unwrap();
    fs::rename(staged, path).unwrap();
}

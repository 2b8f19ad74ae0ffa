//! docs/scaling.md: the tables of what was measured, and the words around them, which are in
//! `scaling.head.md` and `scaling.tail.md` beside this file.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::events::Event;
use crate::measure::Row;
use crate::site::Kind;
use crate::watchers::Watched;

const HEAD: &str = include_str!("scaling.head.md");
const TAIL: &str = include_str!("scaling.tail.md");

pub fn text(rows: &[Row], events: &[Event], watched: &[Watched]) -> String {
    let mut text = HEAD.to_owned();
    let _ = writeln!(text, "Measured on {}, {}.\n", today(), product());
    curve(&mut text, rows);
    starts(&mut text, rows);
    trouble(&mut text, events);
    let (before, after) = TAIL.split_once("WATCHED\n").expect("a place for it");
    text.push_str(before);
    many_watchers(&mut text, watched);
    text.push_str(after);
    text
}

pub fn write(text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/scaling.md");
    fs::write(path, text).expect("the page can be written");
}

fn curve(text: &mut String, rows: &[Row]) {
    text.push_str(
        "| tags | memory | a tag | threads | processor | late: half, 99 %, most | left out | Consul |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let one = rows.iter().find(|row| row.tags == 1);
    for row in rows {
        let (quiet, late) = (&row.quiet, &row.quiet.late);
        let per_tag = one.filter(|_| row.tags > 1).map_or("–".to_owned(), |one| {
            let more = quiet.held.rss_kb.saturating_sub(one.quiet.held.rss_kb);
            format!("{} kB", more / (row.tags as u64 - 1))
        });
        let seconds = quiet.time.as_secs_f64();
        let (reads, writes) = quiet.traffic.count();
        let [ours, servers, consul] = quiet.cpu;
        let _ = writeln!(
            text,
            "| {} {} | {} | {per_tag} | {} | {} (+ {} servers, {} Consul) | {}, {}, {} ms | {} of {} \
             | {:.1} requests/s, {:.0} kB/s |",
            row.tags,
            row.kind.name(),
            megabytes(quiet.held.rss_kb),
            quiet.held.threads,
            percent(ours),
            percent(servers),
            percent(consul),
            milliseconds(late.median),
            milliseconds(late.p99),
            milliseconds(late.most),
            late.missed,
            late.checks,
            (reads + writes) as f64 / seconds,
            (quiet.traffic.bytes.0 + quiet.traffic.bytes.1) as f64 / seconds / 1000.0,
        );
    }
}

fn starts(text: &mut String, rows: &[Row]) {
    let of = |kind: Kind| {
        rows.iter()
            .filter(move |row| row.kind == kind)
            .max_by_key(|row| row.tags)
    };
    let Some(row) = of(Kind::Mysql) else {
        return;
    };
    let counts: Vec<String> = row.starts.iter().map(usize::to_string).collect();
    let _ = writeln!(
        text,
        "\n## Starts\n\nThe first checks of {} tags, in each tenth of the first second: {}.",
        row.tags,
        counts.join(", ")
    );
}

fn trouble(text: &mut String, events: &[Event]) {
    if events.is_empty() {
        return;
    }
    text.push_str(
        "\n## Trouble\n\n| what | keys moved: half, all | most memory, threads, descriptors | processor \
         | the others late: 99 %, most | connections at the other host | Consul: in 0.1 s; reads, writes \
         | afterwards: checks in 0.1 s, memory |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for event in events {
        let moved = event.moved.map_or("–".to_owned(), |(half, all)| {
            format!("{:.2} s, {:.2} s", half.as_secs_f64(), all.as_secs_f64())
        });
        let others = event.others.as_ref().map_or("–".to_owned(), |late| {
            format!("{}, {} ms", milliseconds(late.p99), milliseconds(late.most))
        });
        let or_dash =
            |count: Option<usize>| count.map_or("–".to_owned(), |count| count.to_string());
        let (busiest, reads, writes) = event.consul;
        let _ = writeln!(
            text,
            "| {}{} | {moved} | {}, {}, {} | {} | {others} | {} | {busiest}; {reads}, {writes} | {}, {} |",
            event.what,
            event.note,
            megabytes(event.most.rss_kb),
            event.most.threads,
            event.most.descriptors,
            percent(event.cpu),
            or_dash(event.at_candidate),
            or_dash(event.evenness),
            megabytes(event.after.rss_kb),
        );
    }
}

fn many_watchers(text: &mut String, watched: &[Watched]) {
    for one in watched {
        let _ = writeln!(
            text,
            "- {} watchers of {} keys: {} kB of memory in the server for each query that waits; a change \
             is {} answers of {} bytes, {:.0} MB in all, of which the last was read {:.2} s after the \
             write; it costs the server {:.2} s of a processor.",
            one.watchers,
            one.keys,
            one.held_kb,
            one.watchers,
            one.answer,
            (one.watchers * one.answer) as f64 / 1e6,
            one.took.as_secs_f64(),
            one.cpu,
        );
    }
}

fn megabytes(kb: u64) -> String {
    format!("{:.1} MB", kb as f64 / 1000.0)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

fn today() -> String {
    said(Command::new("date").args(["-u", "+%Y-%m-%d"]))
}

/// The product's version and the commit that was measured. The page itself does not count.
fn product() -> String {
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        said(command.args(words).current_dir(env!("CARGO_MANIFEST_DIR")))
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"]);
    let changed = git(&["status", "--porcelain", "--", ".", ":!docs/scaling.md"]);
    let changed = if changed.is_empty() { "" } else { ", changed" };
    format!(
        "with confd_haproxy {} ({commit}{changed})",
        env!("CARGO_PKG_VERSION")
    )
}

fn said(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

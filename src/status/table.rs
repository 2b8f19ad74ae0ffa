//! The picture for people: one line for everything, then a table with what to do below each tag.

use std::collections::BTreeMap;

use super::layout::{self, Cell, fold};
use super::paint::{Paint, Tint};
use super::{Current, Picture, Route, Row, Severity, Standing, Warning, state};
use crate::checker::{Degraded, Fault, Health};
use crate::endpoint::Endpoint;

/// Wider tags and servers get a line of their own.
const WIDEST_TAG: usize = 16;
const WIDEST_SERVER: usize = 30;

/// What the last picture showed, so that the next can mark what is new in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// By tag and server; `None` before the first picture.
    shown: Option<BTreeMap<String, String>>,
}

/// A row of the table.
struct Entry {
    /// Which row it is, whatever it says.
    id: String,
    /// What it says, but for what changes all the time.
    says: String,
    cells: Vec<Cell>,
    warnings: Vec<Warning>,
}

/// The table. A `*` in front marks rows that say something else than in the picture before.
pub fn table(picture: &Picture, paint: Paint, marks: &mut Marks) -> String {
    let with_haproxy = picture
        .tags
        .iter()
        .any(|(row, _)| row.route != Route::NotAsked);
    let mut entries: Vec<Entry> = picture
        .tags
        .iter()
        .flat_map(|(row, warnings)| entries(row, warnings, with_haproxy))
        .collect();
    let mut head = head(with_haproxy);
    marks.set(&mut head, &mut entries);
    let widths = widths(&head, &entries);
    let summary = paint.apply(Tint::of(picture.worst()), &picture.summary());
    let mut lines = vec![summary, String::new()];
    lines.extend(layout::row(&head, &widths, paint));
    for entry in &entries {
        lines.extend(layout::row(&entry.cells, &widths, paint));
        lines.extend(entry.warnings.iter().flat_map(|w| warning(w, paint)));
    }
    if !picture.general.is_empty() || !picture.notes.is_empty() {
        lines.push(String::new());
    }
    lines.extend(picture.general.iter().flat_map(|w| warning(w, paint)));
    lines.extend(picture.notes.iter().flat_map(|n| fold(n, layout::WIDTH)));
    lines.join("\n").trim_end().to_owned()
}

impl Marks {
    /// Marks what is new, and remembers what there is.
    fn set(&mut self, head: &mut [Cell], entries: &mut [Entry]) {
        let now = entries.iter().map(|e| (e.id.clone(), e.says.clone()));
        let Some(before) = self.shown.replace(now.collect()) else {
            return;
        };
        let put = |cells: &mut [Cell], mark| {
            if let Some(first) = cells.first_mut() {
                first.text.insert_str(0, mark);
            }
        };
        put(head, " ");
        for entry in entries {
            let is_new = before.get(&entry.id) != Some(&entry.says);
            put(&mut entry.cells, if is_new { "*" } else { " " });
        }
    }
}

fn head(with_haproxy: bool) -> Vec<Cell> {
    let words: &[&str] = match with_haproxy {
        true => &["TAG", "PORT", "SERVER", "HAPROXY", "HEALTH"],
        false => &["TAG", "PORT", "SERVER", "HEALTH"],
    };
    let cells = words.iter().map(|word| Cell::new(*word, Tint::Bold));
    cells.collect()
}

/// Of all columns but the last.
fn widths(head: &[Cell], entries: &[Entry]) -> Vec<usize> {
    let most = [WIDEST_TAG, usize::MAX, WIDEST_SERVER, usize::MAX];
    let columns = head.iter().zip(most).enumerate().take(head.len() - 1);
    let width = |(index, (title, most)): (usize, (&Cell, usize))| {
        let texts = entries.iter().filter_map(|entry| entry.cells.get(index));
        let texts = texts.map(|cell| cell.text.as_str());
        layout::width(texts.chain([title.text.as_str()]), most)
    };
    columns.map(width).collect()
}

/// The rows of one tag, with its warnings below the last.
fn entries(row: &Row, warnings: &[Warning], with_haproxy: bool) -> Vec<Entry> {
    let tag = Cell::new(row.key.tag().as_str(), Tint::of(state(row, warnings)));
    let port = Cell::new(row.port.to_string(), Tint::None);
    let mut all = vec![match &row.current {
        Current::Server(server, health) => {
            entry(row, [tag, port], server, health, true, with_haproxy)
        }
        Current::Nobody(why) | Current::Malformed(why) | Current::Unknown(why) => {
            let tint = match row.current {
                Current::Unknown(_) => Tint::Odd,
                Current::Server(..) | Current::Nobody(_) | Current::Malformed(_) => Tint::Bad,
            };
            without_server(row, [tag, port], Cell::new(why, tint), with_haproxy)
        }
    }];
    let or = || [Cell::new("", Tint::None), Cell::new("   or", Tint::Faint)];
    let others = row.others.iter();
    all.extend(others.map(|c| entry(row, or(), &c.server, &c.health, false, with_haproxy)));
    all.extend(notes(row).into_iter().map(|(id, text)| {
        let blank = [Cell::new("", Tint::None), Cell::new("", Tint::None)];
        let mut note = without_server(row, blank, Cell::new(text, Tint::Poor), with_haproxy);
        note.id.push_str(&id);
        note
    }));
    if let Some(last) = all.last_mut() {
        last.warnings = warnings.to_vec();
    }
    all
}

/// What else there is to say of a tag, each with what tells it from the others.
fn notes(row: &Row) -> Vec<(String, String)> {
    let is_shown = |why: &&String| !says_of_primary(row, why);
    let incomplete = row.incomplete.as_ref().filter(is_shown);
    let incomplete = incomplete.map(|why| format!("the list may be incomplete: {why}"));
    let incomplete = incomplete.map(|text| (" incomplete".to_owned(), text));
    let excluded = row.orders().into_iter().flat_map(|orders| &orders.exclude);
    let excluded = excluded.map(|each| {
        (
            format!(" excluded {}", each.what),
            format!("excluded: {each}"),
        )
    });
    incomplete.into_iter().chain(excluded).collect()
}

/// Whether a note repeats what the primary's own line says.
fn says_of_primary(row: &Row, note: &str) -> bool {
    let mut others = row.others.iter();
    let primary = others.find(|other| row.primary.as_ref() == Some(&other.server));
    primary.is_some_and(|p| note == format!("primary {}: {}", p.server, p.health))
}

fn entry(
    row: &Row,
    first: [Cell; 2],
    server: &Endpoint,
    health: &Health,
    in_use: bool,
    with_haproxy: bool,
) -> Entry {
    let routed = with_haproxy.then(|| routed(row, server, in_use));
    let what = described(row, server, health, in_use);
    let says = match health {
        Health::Up { .. } => "up".to_owned(),
        Health::Degraded(Degraded::Lagging { .. }) => "lagging".to_owned(),
        Health::Degraded(_) | Health::Down(_) | Health::Unknown(_) => what.text.clone(),
    };
    let haproxy = routed.as_ref().map_or("", |cell| cell.text.as_str());
    Entry {
        id: format!("{} {server}", row.key),
        says: format!("{in_use} {haproxy} {says}"),
        cells: first
            .into_iter()
            .chain([Cell::new(server.to_string(), Tint::None)])
            .chain(routed)
            .chain([what])
            .collect(),
        warnings: Vec::new(),
    }
}

fn without_server(row: &Row, first: [Cell; 2], what: Cell, with_haproxy: bool) -> Entry {
    let [tag, _] = &first;
    let server = Cell::new(if tag.text.is_empty() { "" } else { "-" }, Tint::None);
    let routed = with_haproxy.then(|| Cell::new("", Tint::None));
    Entry {
        id: row.key.to_string(),
        says: what.text.clone(),
        cells: first
            .into_iter()
            .chain([server])
            .chain(routed)
            .chain([what])
            .collect(),
        warnings: Vec::new(),
    }
}

/// What HAProxy does with a server.
fn routed(row: &Row, server: &Endpoint, in_use: bool) -> Cell {
    match (row.standing(server), &row.route) {
        (Some(Standing::Up), _) => Cell::new("here", Tint::Good),
        (Some(Standing::Down), _) => Cell::new("down", Tint::Bad),
        (Some(Standing::Held), _) => Cell::new("maint", Tint::Poor),
        (None, Route::To(_)) if in_use => Cell::new("no", Tint::Bad),
        (None, Route::NoSection) if in_use => Cell::new("?", Tint::Poor),
        (None, _) => Cell::new("", Tint::None),
    }
}

/// A server's health, in view of its part in the tag: a primary that could stand in, and a replica
/// of a Redis master, are as they should be.
fn described(row: &Row, server: &Endpoint, health: &Health, in_use: bool) -> Cell {
    let is_primary = row.primary.as_ref() == Some(server);
    let plain = |text: String| Cell::new(text, Tint::None);
    match health {
        Health::Degraded(Degraded::StandIn) if !in_use => {
            plain("the primary, which can stand in".to_owned())
        }
        Health::Down(Fault::NotReplica) if is_primary && !in_use => {
            plain("the primary, never used (fallback=keep)".to_owned())
        }
        Health::Down(fault @ Fault::NotMaster(_)) if !in_use => plain(fault.to_string()),
        Health::Degraded(degraded @ Degraded::Excluded) if !in_use => plain(degraded.to_string()),
        Health::Up { .. } | Health::Degraded(_) | Health::Down(_) | Health::Unknown(_) => {
            let text = health.to_string();
            let note = match is_primary && !text.contains("primary") {
                true => " (the primary)",
                false => "",
            };
            Cell::new(text + note, Tint::of_health(health))
        }
    }
}

/// A warning, and what to do about it.
fn warning(warning: &Warning, paint: Paint) -> Vec<String> {
    let tint = match warning.severity() {
        Severity::Warning => Tint::Poor,
        Severity::Critical => Tint::Bad,
    };
    let text = fold(&warning.text(), layout::WIDTH - 4);
    let next = fold(&warning.next(), layout::WIDTH - 8);
    let lines = |parts: Vec<String>, first: &'static str, later: &'static str, tint| {
        let line = move |(index, part): (usize, String)| {
            let lead = if index == 0 { first } else { later };
            format!("{lead}{}", paint.apply(tint, &part))
        };
        parts.into_iter().enumerate().map(line)
    };
    let said = lines(text, "  ! ", "    ", tint);
    said.chain(lines(next, "    do: ", "        ", Tint::None))
        .collect()
}

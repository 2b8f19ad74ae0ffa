//! What must be true all along.

use std::time::{Duration, Instant};

use crate::diary::{Diary, Event, Who};
use crate::support::patience;

/// How old the knowledge may be on which a server is written: a survey asks the primary and then
/// the candidates, each for two timeouts of a second at most, and the write follows.
const KNOWLEDGE: Duration = Duration::from_secs(5);
/// How long the port may be without a server although there is one.
const OUTAGE: Duration = Duration::from_secs(5);
/// How late this test may notice what has changed on its own.
const NOTICE: Duration = Duration::from_secs(1);
/// How soon before a move something else may have happened that the next move follows from.
const OVERLAP: Duration = Duration::from_millis(700);

/// A new value of the key.
#[derive(Debug, Clone)]
pub struct Move {
    pub at: Instant,
    pub from: Option<usize>,
    pub to: usize,
}

/// No write names a server that was dead, foreign or excluded for as long as knowledge may last.
pub fn names_a_fit_server(diary: &Diary, excluded: usize, step: &Move) -> Result<(), String> {
    if step.to == excluded {
        return Err(format!("the excluded server was written: {step:?}"));
    }
    match diary.was_bad_throughout(step.to, step.at, patience(KNOWLEDGE)) {
        true => Err(format!("a bad server was written: {step:?}")),
        false => Ok(()),
    }
}

/// Between two moves something has changed: not what the first of them was the answer to.
pub fn has_a_reason(diary: &Diary, before: &Move, step: &Move) -> Result<(), String> {
    let from = before.at.checked_sub(OVERLAP).unwrap_or(diary.start);
    let until = step.at + patience(NOTICE);
    let answered = |event: &Event| {
        event.at < before.at
            && before
                .from
                .is_some_and(|server| event.who == Who::Server(server))
    };
    let mut between = diary
        .events
        .iter()
        .filter(|event| event.at > from && event.at <= until && !answered(event));
    match between.next() {
        Some(_) => Ok(()),
        None => Err(format!(
            "two moves, and nothing between: {before:?}, {step:?}"
        )),
    }
}

/// With somebody well, everything else well, and nothing new, the port answers after five seconds.
pub fn answers(diary: &Diary, electable: &[usize], last_good: Instant) -> Result<(), String> {
    let (Some(well), Some(infra)) = (
        diary.somebody_well_since(electable),
        diary.infra_well_since(),
    ) else {
        return Ok(());
    };
    let news = diary.events.last().map_or(diary.start, |event| event.at);
    let since = well.max(infra).max(news).max(last_good);
    match since.elapsed() > patience(OUTAGE) {
        true => Err(format!(
            "the port has not answered for {:?}, and there is a server since {:?}",
            last_good.elapsed(),
            well.elapsed()
        )),
        false => Ok(()),
    }
}

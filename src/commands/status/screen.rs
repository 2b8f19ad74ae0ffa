//! Where pictures go: once to stdout, or again and again until nobody looks any more.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::status::{self, Marks, Paint, Picture};

/// To the upper left corner, and from there on nothing.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Shows what `look` sees, once or `every` so often, and gives the exit code of the last picture.
/// A reader that is gone ends it quietly.
///
/// # Errors
/// What kept it from looking.
pub(super) fn show(
    wants_json: bool,
    every: Option<Duration>,
    look: impl Fn() -> Result<Picture, Error>,
) -> Result<u8, Error> {
    let is_terminal = io::stdout().is_terminal();
    let variable = |name| env::var(name).ok();
    let (no_color, term) = (variable("NO_COLOR"), variable("TERM"));
    let paint = Paint::choose(is_terminal, no_color.as_deref(), term.as_deref());
    let mut marks = Marks::default();
    loop {
        let started = Instant::now();
        let picture = look()?;
        let text = match wants_json {
            true => status::json(&picture),
            false => status::table(&picture, paint, &mut marks),
        };
        let code = picture.worst().code();
        let Some(every) = every else {
            // Nobody may be listening any more, as with `status | head -1`.
            let _ = writeln!(io::stdout(), "{text}");
            return Ok(code);
        };
        let frame = match is_terminal && !wants_json {
            true => format!("{CLEAR}{text}\n"),
            false if wants_json => format!("{text}\n"),
            false => format!("{text}\n\n"),
        };
        let mut out = io::stdout().lock();
        if out
            .write_all(frame.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            return Ok(code);
        }
        drop(out);
        thread::sleep(every.saturating_sub(started.elapsed()));
    }
}

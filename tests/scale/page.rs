//! docs/scaling.md: tables of what was measured, and words.
use crate::events::Event;
use crate::measure::Row;
pub fn text(rows: &[Row], events: &[Event]) -> String { format!("{} {}", rows.len(), events.len()) }
pub fn write(_: &str) {}

//! What the renderer knows of HAProxy: whether two files differ in server addresses only, and how
//! to move the servers of a running HAProxy without a reload.
//!
//! Owns the reading of haproxy.cfg and the Runtime API. When to switch and when to reload is the
//! renderer's.

pub mod diff;
pub mod error;
pub mod runtime;

mod line;
mod socket;
mod state;

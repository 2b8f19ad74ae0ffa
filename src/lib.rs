//! Keeps a port on an HAProxy host on one live server of a group.

pub mod backend;
pub mod backoff;
pub mod checker;
pub mod cycle;
pub mod elect;
pub mod endpoint;
pub mod hysteresis;
pub mod idle;
pub mod outcome;
pub mod random;
pub mod report;
pub mod resolve;
pub mod secret;
pub mod store;
pub mod supervisor;

//! Keeps a port on an HAProxy host on one live server of a group.

pub mod backend;
pub mod checker;
pub mod endpoint;
pub mod idle;
pub mod resolve;
pub mod secret;
pub mod store;

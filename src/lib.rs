//! Keeps a port on an HAProxy host on one live server of a group.

pub mod backend;
pub mod backoff;
pub mod endpoint;
pub mod random;
pub mod resolve;
pub mod secret;
pub mod store;

//! Keeps a port on an HAProxy host on one live server of a group.

pub mod backend;
pub mod cli;
pub mod config;
pub mod endpoint;
pub mod error;
pub mod logger;
pub mod nearest;
pub mod resolve;
pub mod secret;
pub mod store;

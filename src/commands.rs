//! The commands: each builds its parts from the options and sets them to work. They alone know all
//! the rooms of the program.

pub mod check;
pub mod confd;
pub mod operate;
pub mod run;
pub mod status;
mod watching;

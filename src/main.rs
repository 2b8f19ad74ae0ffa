//! `confd_haproxy`: one binary, several commands.

fn main() {}

//! Tests with real servers. `support` starts them; each file tests one thing.

mod confd_files;

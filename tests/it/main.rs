//! Tests with real servers. `support` starts them; each file tests one thing.

// Tests may fail loudly and print what a person wants to see; nobody uses this crate's items.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub
)]

// The servers, and what most tests begin with.
mod chain;
mod listed;
mod scene;
mod shipped;
mod site;
mod support;

// checkmysqlslave.
mod accounts;
mod channels;
mod failover;
mod ipv6;
mod mysql;
mod networks;
mod never_hangs;
mod once;
mod rivals;
mod store_down;

// What is said of all that, and counted; who asks for it, and who is told.
mod explained;
mod listen;
mod metrics;

// What every tag points at.
mod status;
mod status_warnings;

// What an operator does with a tag.
mod operate;
mod operate_mysql;

// checkmemcached.
mod memcached;
mod memcached_faults;

// checkredismaster.
mod redis;
mod redis_faults;
mod redis_split;
mod sentinel;

// How checkers read their keys; TLS, and Consul's ACLs.
mod consul_acl;
mod consul_tls;
mod keys;
mod mysql_tls;
mod redis_tls;

// Where a renderer's keys come from, and the store that needs no Consul.
mod sources;
// The Runtime API of a real HAProxy.
mod confd;
mod confd_command;
mod lists_to_the_port;
mod runtime_api;
mod to_the_port;

// What is shipped besides the program, and what the program may weigh.
mod completion;
mod confd_files;
mod other_machine;
mod packaging;
mod sizes;
mod systemd;
mod templates;

// What the fuzz tests mutate, recorded; and README's picture.
mod corpus;
mod picture;

// The fixtures themselves.
mod fixtures;
mod list_fixtures;

//! The usage texts: one screen each.

use super::{Command, PROGRAM};

/// For the program without a command.
pub(super) fn program() -> String {
    let commands: Vec<String> = Command::ALL
        .iter()
        .map(|command| format!("  {:17} {}", command.word(), command.summary()))
        .collect();
    format!(
        "\
usage: {PROGRAM} COMMAND [options]     or, by a link: COMMAND [options]

Keeps a port on an HAProxy host on one live server of a group.

commands:
{}

  {PROGRAM} COMMAND --help     the command's options
  {PROGRAM} --list             the names for links, one a line
  {PROGRAM} --version",
        commands.join("\n")
    )
}

/// For checkmysqlslave.
pub(super) fn check_mysql_slave() -> String {
    CHECK_MYSQL_SLAVE.to_owned()
}

const CHECK_MYSQL_SLAVE: &str = "\
usage: checkmysqlslave [--conf FILE] [--tag TAG]... [options]

Keeps the Consul key haproxy/mysqlslave/TAG on a live replica.

  checkmysqlslave --conf etc/db.conf --tag slave3301 --consul localhost:8500
  CONSUL_HTTP_TOKEN_FILE=/etc/confd_haproxy/token checkmysqlslave
  checkmysqlslave --tag slave3301 --once --dry-run --debug

  --conf FILE       the sections to read (/etc/confd_haproxy/db.conf)
  --tag TAG,...     the sections to run; may be repeated (all)
  --consul ADDR     host:port, http://host:port, unix:///path (localhost:8500)
  --token TOKEN     Consul's token; shows in ps, better in the environment
  --once            decide once, then exit: 0 ok, 1 degraded, 2 down, 3 unknown
  --dry-run         decide and log, write nothing
  --debug           log more
  --help            this text
  --version         the version

For sections that do not say it themselves:
  --max-lag SEC     how far a replica may be behind (30)
  --timeout SEC     the time a check may take, as in 0.25 (1)
  --fall N          a server is down after N failures in a row (2)
  --rise N          a server is up after N good checks in a row (2)
  --interval SEC    the pause between two checks (1)
  --fallback WORD   without a replica: master, or keep the server (master)
  --replicas LIST   more candidates: host or host:port,...
  --exclude LIST    servers never to use: host or host:port,...
  --proxyport PORT  the port of HAProxy, for one tag only (MySQL's port + 10050)
  --tls WORD        off: this build has no TLS to MySQL yet (off)
  --ca FILE         certificates for tls

environment, if there is no option: CONSUL_HTTP_ADDR,
CONSUL_HTTP_TOKEN_FILE, CONSUL_HTTP_TOKEN";

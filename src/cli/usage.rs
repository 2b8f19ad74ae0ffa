//! The usage texts: one screen each, of 24 lines and 80 columns.

use super::{Command, Operation, PROGRAM};
use crate::backend::Kind;

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

  {PROGRAM} run --store /var/lib/confd_haproxy/keys.json
  {PROGRAM} status --watch

  {PROGRAM} COMMAND --help     the command's options
  {PROGRAM} --list             the names for links, one a line
  {PROGRAM} --version",
        commands.join("\n")
    )
}

/// For run.
pub(super) fn run() -> String {
    RUN.to_owned()
}

/// For a checker.
pub(super) fn check(kind: Kind) -> String {
    let text = match kind {
        Kind::MysqlSlave => CHECK_MYSQL_SLAVE,
        Kind::Memcached => CHECK_MEMCACHED,
        Kind::RedisMaster => CHECK_REDIS_MASTER,
    };
    text.to_owned()
}

/// For status.
pub(super) fn status() -> String {
    STATUS.to_owned()
}

/// For what an operator does with one tag.
pub(super) fn operate(operation: Operation) -> String {
    let text = match operation {
        Operation::Move => MOVE,
        Operation::Pin => PIN,
        Operation::Unpin => UNPIN,
        Operation::Exclude => EXCLUDE,
        Operation::Include => INCLUDE,
    };
    format!("{text}{OPERATE}")
}

/// For confd.
pub(super) fn confd() -> String {
    CONFD.to_owned()
}

const CONFD: &str = "\
usage: confd_haproxy confd [-onetime | -watch | -interval SEC] [flags]
Renders CONFDIR/conf.d/*.toml and templates, as confd v0.16 does: -x, --x, -x=y.

  confd_haproxy confd -watch -backend consul -node localhost:8500
  confd_haproxy confd -onetime -noop -log-level debug

  -backend WORD      consul, env or file (consul)
  -node ADDR,...     Consul, in this order (CONSUL_HTTP_ADDR, 127.0.0.1:8500)
  -file PATH         a file of the file backend; may be repeated
  -confdir DIR       where conf.d and templates are (/etc/confd)
  -config-file FILE  settings under the flags' names (/etc/confd/confd.toml)
  -onetime           once: exit 0 good    -watch        whenever a key changes
  -interval SEC      without either: render every SEC seconds (600)
  -prefix KEY        before all keys, in place of the resources' own prefix
  -noop              change nothing       -sync-only    run no commands
  -keep-stage-file   keep staged files    -allow-empty  no keys empty a file
  -scheme WORD       http or https (http)
  -client-ca-keys FILE, -client-cert FILE, -client-key FILE   for https
  -auth-token TOKEN  shows in ps: better CONSUL_HTTP_TOKEN_FILE=/path
  -log-level WORD    debug, info, warn, error (info)
  -log-format WORD   text or json    -metrics FILE, -listen IP:PORT  numbers
  -help, -version    this text, the version
Refused if used: -basic-auth -srv-domain -srv-record -secret-keyring.";

const CHECK_MYSQL_SLAVE: &str = "\
usage: checkmysqlslave [--conf FILE] [--tag TAG]... [options]
Keeps the Consul key haproxy/mysqlslave/TAG on a live replica.

  checkmysqlslave --conf etc/db.conf --tag slave3301 --consul localhost:8500
  checkmysqlslave --tag slave3301 --once --dry-run --debug

  --conf FILE       the sections to read (/etc/confd_haproxy/db.conf)
  --tag TAG,...     the sections to run; may be repeated (all)
  --consul ADDR,... [http[s]://]host:port, unix:///path (localhost:8500)
  --token TOKEN     shows in ps: better CONSUL_HTTP_TOKEN_FILE=/path
  --once            decide once, then exit: 0 ok, 1 degraded, 2 down, 3 unknown
  --dry-run         decide and log, write nothing      --debug    log more
  --log-format json for collectors (text)  --exec COMMAND  run after a move
  --metrics FILE    numbers for Prometheus     --listen IP:PORT  serves them
  --help            this text                          --version  the version
For sections that do not say it themselves; LIST is host or host:port,...
  --max-lag SEC     how far a replica may be behind (30)
  --timeout SEC     for a check (1)       --interval SEC  between two checks (1)
  --fall N          until it is down (2)  --rise N        until it is up (2)
  --fallback WORD   without a replica: master, or keep the server (master)
  --replicas LIST   more candidates       --exclude LIST  servers never to use
  --proxyport PORT  the port of HAProxy, for one tag only (MySQL's port + 10050)
  --tls WORD --ca FILE                    off, on, verify-ca, verify; authority
  --tls-cert FILE --tls-key FILE --get-server-public-key yes         see README";

const CHECK_MEMCACHED: &str = "\
usage: checkmemcached --server LIST --tag TAG [options]
       checkmemcached --conf FILE [--tag TAG]... [options]
Keeps the Consul key haproxy/memcached/TAG on one live memcached of a list.

  checkmemcached --server 10.0.21.5:11211,10.0.21.7:11211 --tag mem11211
  checkmemcached --conf etc/db.conf --tag mem11211 --consul localhost:8500

  --server LIST     the servers, host or host:port,...; the first is preferred
  --conf FILE       read the servers from its sections of type memcached
  --tag TAG,...     with --server, the tag; else the sections to run (all)
  --flush           empty a server before it is elected: no stale data
  --consul ADDR,... [http[s]://]host:port, unix:///path (localhost:8500)
  --token TOKEN     shows in ps: better CONSUL_HTTP_TOKEN_FILE=/path
  --once            decide once, then exit: 0 ok, 1 degraded, 2 down, 3 unknown
  --dry-run         decide and log, write and flush nothing
  --debug           log more; --verbose is the same
  --log-format json for collectors (text)  --exec COMMAND  run after a move
  --metrics FILE    numbers for Prometheus     --listen IP:PORT  serves them
  --help            this text             --version       the version
For sections that do not say it themselves:
  --timeout SEC     for a check (1)       --interval SEC  between two checks (1)
  --fall N          until it is down (2)  --rise N        until it is up (2)
  --exclude LIST    servers never to use: host or host:port,...
  --proxyport PORT  the port of HAProxy, for one tag (the first server's + 5000)";

const CHECK_REDIS_MASTER: &str = "\
usage: checkredismaster --server LIST --tag TAG [options]
       checkredismaster --sentinel LIST --master-name NAME --tag TAG [options]
       checkredismaster [--conf FILE] [--tag TAG]... [options]
Keeps the Consul key haproxy/redismaster/TAG on the Redis master.

  checkredismaster --server 10.0.21.5:6379,10.0.21.7:6379 --tag redis6379

  --server LIST     all servers of the replication: host or host:port,...
  --sentinel LIST --master-name NAME      the Sentinels, and their master's name
  --user USER       the servers' user; the password is in REDISCLI_AUTH
  --conf FILE       without the above: its sections (/etc/confd_haproxy/db.conf)
  --tag TAG,...     with --server, the tag; else the sections to run (all)
  --consul ADDR,... [http[s]://]host:port, unix:///path (localhost:8500)
  --token TOKEN     shows in ps: better CONSUL_HTTP_TOKEN_FILE=/path
  --once            decide once, then exit: 0 ok, 1 degraded, 2 down, 3 unknown
  --dry-run         write nothing; --debug log more; --help --version as usual
  --log-format json for collectors (text)  --exec COMMAND  run after a move
  --metrics FILE    numbers for Prometheus     --listen IP:PORT  serves them
For sections that do not say it themselves:
  --timeout SEC     for a check (1)       --interval SEC  between two checks (1)
  --fall N          until it is down (2)  --rise N        until it is up (2)
  --exclude LIST    never to be used      --proxyport PORT  of HAProxy
  --tls WORD --ca FILE                    off, on, verify-ca, verify; authority
  --tls-cert FILE --tls-key FILE --tls-server-name NAME   certificates' names";

const STATUS: &str = "\
usage: confd_haproxy status [--conf FILE] [--tag TAG]... [options]
Says what every tag points at, how every server of it is, whether HAProxy sends
clients there, and what to do: one line for all, then a table. Changes nothing.

  confd_haproxy status
  confd_haproxy status --watch --tag slave3301
  confd_haproxy status --store /var/lib/confd_haproxy/keys.json --json

  --conf FILE       the sections to look at (/etc/confd_haproxy/db.conf)
  --tag TAG,...     only these; may be repeated (all)
  --consul ADDR,... [http[s]://]host:port, unix:///path (localhost:8500)
  --token TOKEN     shows in ps: better CONSUL_HTTP_TOKEN_FILE=/path
  --store FILE      the keys are in this file, and not in Consul
  --timeout SEC     the time a check may take, for sections without it (1)
  --confdir DIR     its conf.d names HAProxy's stats socket (/etc/confd)
  --haproxy-socket ADDR   or this one: /path or host:port; may be repeated
  --watch [SEC]     look again every SEC seconds (2); * marks what is new
  --json            for programs
  --help            this text             --version       the version

exit code: 0 ok, 1 warning, 2 critical, 3 unknown, as Nagios wants it; the worst
of all tags counts. Colours are for terminals without NO_COLOR.";

const MOVE: &str = "\
usage: confd_haproxy move TAG HOST:PORT [options]
Points a tag at another server, after checking it as a checker would: one that
is not up is refused. If a checker is quicker, nothing is written.

  confd_haproxy move slave3301 10.0.21.8:3301
  confd_haproxy move redis6379 10.0.21.7:6379 --store keys.json

Checkers keep a healthy server that they find. From any other they move on as
soon as a better one is up: confd_haproxy pin TAG keeps it.

  --force           move to a server that is not up, or although the tag is
                    pinned elsewhere
";

const PIN: &str = "\
usage: confd_haproxy pin TAG [HOST:PORT] [options]
Keeps a tag on the server in use, or moves it to that one and keeps it there: no
checker moves it until it is let go, also if the server fails. The log says so
each time a move is due, and status warns. Checkers obey within 5 s.

  confd_haproxy pin slave3301 --until 2h --why 'reindexing'
  confd_haproxy pin slave3301 10.0.21.8:3301

  --until TIME      let it go after this time: 90s, 30m, 2h, 1d (never)
  --why TEXT        shown by status and in the log
  --force           with HOST:PORT: as for move
";

const UNPIN: &str = "\
usage: confd_haproxy unpin TAG [options]

Lets a tag move again that was pinned. What is excluded stays excluded. Orders
that are malformed are removed.

  confd_haproxy unpin slave3301
  confd_haproxy unpin slave3301 --store /var/lib/confd_haproxy/keys.json

";

const EXCLUDE: &str = "\
usage: confd_haproxy exclude TAG HOST[:PORT]... [options]

Takes servers out of use, for maintenance: they are not elected, and a checker
leaves one that is in use as soon as another is up. As exclude= in the conf
file, but without a restart. Hosts are compared as they are written.

  confd_haproxy exclude slave3301 10.0.21.8:3301 --why 'new disk'
  confd_haproxy exclude slave3301 db7 db8

  --why TEXT        shown by status and in the log
";

const INCLUDE: &str = "\
usage: confd_haproxy include TAG [HOST[:PORT]]... [options]

Uses servers again that were excluded with exclude; all of them, if none is
named. What exclude= in the conf file says stays.

  confd_haproxy include slave3301 10.0.21.8:3301
  confd_haproxy include slave3301

";

const OPERATE: &str = "  \
--conf FILE       where the tag's section is (/etc/confd_haproxy/db.conf)
  --consul ADDR,... [http[s]://]host:port, unix:///path (localhost:8500)
  --token TOKEN     shows in ps: better CONSUL_HTTP_TOKEN_FILE=/path
  --store FILE      the keys are in this file, and not in Consul
  --timeout SEC     the time a check may take, if its section has none (1)
  --help            this text             --version       the version

exit code: 0 done, 1 refused, 2 an error in the options or the conf file,
3 the store cannot be asked.";

const RUN: &str = "\
usage: confd_haproxy run [--conf FILE] [--tag TAG]... [options]

Everything for one host in one process: the checkers of all sections of the
conf file, and the renderer that moves HAProxy.

  confd_haproxy run --store /var/lib/confd_haproxy/keys.json
  confd_haproxy run --conf etc/db.conf --consul localhost:8500 --confdir confd
  confd_haproxy run --store keys.json --once --dry-run

  --store FILE      keep the keys in this JSON file instead of Consul
  --confdir DIR     the directory with conf.d and templates (/etc/confd)
  --allow-empty     let an empty store empty a file

The options of checkmysqlslave hold here too:
  --conf --tag --consul --token --once --dry-run --debug --help --version
  --log-format --metrics --listen --max-lag --timeout --fall --rise --interval
  --fallback --replicas --exclude --exec --proxyport --tls --ca --tls-cert
  --tls-key --get-server-public-key";

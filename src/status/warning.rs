//! What may be wrong around a tag, how bad that is, and what to type next. All advice of `status`
//! is in this file.

use crate::backend::{Key, Kind, TagName};
use crate::endpoint::{Endpoint, Port};
use crate::outcome::State;
use crate::overrides::Pin;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Clients are served, and somebody should look.
    Warning,
    /// Clients are not served, or not by whom they should be.
    Critical,
}

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The server in use is down, or there is none, and one could take over: nobody moved the tag.
    NotMoved {
        /// The tag's key.
        key: Key,
        /// Who could take over.
        best: Endpoint,
    },
    /// The key's value is malformed.
    KeyMalformed {
        /// The key.
        key: Key,
    },
    /// Another program listens on the tag's port.
    PortTaken {
        /// The port.
        port: Port,
        /// The program.
        program: String,
        /// Its process.
        pid: u32,
        /// HAProxy runs here, so the port ought to be its own.
        haproxy_answers: bool,
    },
    /// Two tags want one port.
    SharedPort {
        /// The port.
        port: Port,
        /// The other tag.
        other: TagName,
    },
    /// HAProxy has no section of the tag's name.
    NoSection {
        /// The tag.
        tag: TagName,
        /// The port, if nobody listens on it.
        silent: Option<Port>,
    },
    /// HAProxy sends clients to another server than the key's.
    Elsewhere {
        /// Where it sends them.
        at: String,
        /// Whether that is known to serve.
        serves: bool,
    },
    /// HAProxy takes a server that is well for dead: clients get nothing.
    HaproxySaysDown,
    /// Somebody has put the server into maintenance in HAProxy: clients get nothing.
    HaproxyHolds {
        /// What HAProxy calls it.
        name: String,
        /// HAProxy's socket.
        socket: String,
    },
    /// The primary is in use.
    OnPrimary {
        /// How many replicas there are, none of which is ready.
        replicas: usize,
    },
    /// A server replicates from somebody else.
    Foreign {
        /// The server.
        server: Endpoint,
        /// What it says of its source.
        what: String,
        /// The configured primary.
        primary: Option<Endpoint>,
    },
    /// The account lacks a privilege.
    Grant {
        /// The statement that gives it.
        statement: String,
        /// The primary, where it is to be run.
        primary: Option<Endpoint>,
    },
    /// If the server in use fails, nobody takes over; or it has failed already.
    NobodyLeft {
        /// The kind of tag.
        kind: Kind,
        /// The server in use, if it serves.
        server: Option<Endpoint>,
    },
    /// The tag moves nowhere, by order.
    Pinned {
        /// The tag.
        tag: TagName,
        /// Where, until when, and by whom.
        pin: Pin,
    },
    /// An operator's orders are malformed.
    OrdersMalformed {
        /// The tag's key.
        key: Key,
        /// What is wrong with them.
        problem: String,
    },
    /// The store does not tell the orders, though it tells the tag's key.
    OrdersUnread {
        /// What it says.
        error: String,
    },
    /// SELinux keeps HAProxy from its ports.
    Selinux,
}

impl Severity {
    /// The state that a tag is in at best.
    pub(super) fn state(self) -> State {
        match self {
            Severity::Warning => State::Degraded,
            Severity::Critical => State::Down,
        }
    }

    /// The word for it, for programs.
    pub(super) fn word(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

impl Warning {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        let is_critical = match self {
            Warning::NotMoved { .. } | Warning::HaproxySaysDown | Warning::HaproxyHolds { .. } => {
                true
            }
            Warning::PortTaken {
                haproxy_answers, ..
            } => *haproxy_answers,
            Warning::NoSection { silent, .. } => silent.is_some(),
            Warning::Elsewhere { serves, .. } => !serves,
            Warning::NobodyLeft { server, .. } => server.is_none(),
            Warning::KeyMalformed { .. }
            | Warning::SharedPort { .. }
            | Warning::OnPrimary { .. }
            | Warning::Foreign { .. }
            | Warning::Grant { .. }
            | Warning::Pinned { .. }
            | Warning::OrdersMalformed { .. }
            | Warning::OrdersUnread { .. }
            | Warning::Selinux => false,
        };
        match is_critical {
            true => Severity::Critical,
            false => Severity::Warning,
        }
    }

    /// Its name, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Warning::NotMoved { .. } => "not-moved",
            Warning::KeyMalformed { .. } => "key-malformed",
            Warning::PortTaken { .. } => "port-taken",
            Warning::SharedPort { .. } => "shared-port",
            Warning::NoSection { .. } => "no-section",
            Warning::Elsewhere { .. } => "haproxy-elsewhere",
            Warning::HaproxySaysDown => "haproxy-down",
            Warning::HaproxyHolds { .. } => "haproxy-maintenance",
            Warning::OnPrimary { .. } => "on-primary",
            Warning::Foreign { .. } => "foreign-replica",
            Warning::Grant { .. } => "missing-grant",
            Warning::NobodyLeft { .. } => "nobody-left",
            Warning::Pinned { .. } => "pinned",
            Warning::OrdersMalformed { .. } => "orders-malformed",
            Warning::OrdersUnread { .. } => "orders-unread",
            Warning::Selinux => "selinux",
        }
    }

    /// What is wrong, in one line.
    pub fn text(&self) -> String {
        match self {
            Warning::NotMoved { best, .. } => {
                format!("{best} could take over, and no checker has moved the tag there")
            }
            Warning::KeyMalformed { key } => format!("the value of {key} is not one of ours"),
            Warning::PortTaken {
                port, program, pid, ..
            } => {
                format!("port {port} is taken by {program} (process {pid}), which is not HAProxy")
            }
            Warning::SharedPort { port, other } => {
                format!("port {port} is wanted by {other} too: only one of them has it")
            }
            Warning::NoSection { tag, silent: None } => {
                format!("HAProxy has no section {tag}: it cannot be told where its port leads")
            }
            Warning::NoSection {
                tag,
                silent: Some(port),
            } => format!("HAProxy has no section {tag}, and nobody listens on port {port}"),
            Warning::Elsewhere { at, .. } => {
                format!("HAProxy sends clients to {at}, which is not what the key says")
            }
            Warning::HaproxySaysDown => {
                "HAProxy's own check says that the server is down: clients get nothing".to_owned()
            }
            Warning::HaproxyHolds { name, .. } => format!(
                "{name} is in maintenance in HAProxy, where somebody put it: clients get nothing"
            ),
            Warning::OnPrimary { replicas: 0 } => {
                "clients read from the primary, for there is no replica".to_owned()
            }
            Warning::OnPrimary { replicas } => {
                format!("clients read from the primary, for none of {replicas} replicas is ready")
            }
            Warning::Foreign { server, what, .. } => {
                format!("{server} is a replica of another primary: {what}")
            }
            Warning::Grant { .. } => "the account lacks a privilege".to_owned(),
            Warning::NobodyLeft {
                server: Some(server),
                ..
            } => format!("nobody can take over when {server} fails"),
            Warning::NobodyLeft { server: None, .. } => {
                "no server is left that could take over: clients get nothing".to_owned()
            }
            Warning::Pinned { pin, .. } => {
                let until = pin.until.map(|until| format!(" until {until}"));
                format!(
                    "no checker moves it: pinned to {}{} by {}",
                    pin.server,
                    until.unwrap_or_default(),
                    pin.origin
                )
            }
            Warning::OrdersMalformed { key, problem } => {
                format!(
                    "the orders in {} are malformed: {problem}",
                    key.override_path()
                )
            }
            Warning::OrdersUnread { error } => format!("orders are not known: {error}"),
            Warning::Selinux => "SELinux keeps HAProxy from these ports".to_owned(),
        }
    }

    /// What to type, or to look at, next.
    pub fn next(&self) -> String {
        match self {
            Warning::NotMoved { key, best } => {
                let (tag, checker) = (key.tag(), checker(key.kind()));
                format!(
                    "systemctl status '{checker}@*' confd_haproxy: is its checker running? \
                     By hand: confd_haproxy move {tag} {best}"
                )
            }
            Warning::KeyMalformed { key } => {
                let checker = checker(key.kind());
                format!("{checker} --tag {} --once writes it anew", key.tag())
            }
            Warning::PortTaken { port, pid, .. } => {
                format!("stop process {pid}, or give the tag another proxyport= than {port}")
            }
            Warning::SharedPort { other, .. } => {
                format!("give one of the two another proxyport=; {other} has its own section")
            }
            Warning::NoSection { .. } => {
                "systemctl status confd_haproxy; confd_haproxy confd -onetime -noop".to_owned()
            }
            Warning::Elsewhere { .. } => {
                "systemctl status confd_haproxy: is the renderer running, and what does it say?"
                    .to_owned()
            }
            Warning::HaproxySaysDown => {
                "journalctl -u haproxy: can this host reach it? Is a firewall in between?"
                    .to_owned()
            }
            Warning::HaproxyHolds { name, socket } => {
                format!("echo 'set server {name} state ready' | socat - {socket}")
            }
            Warning::OnPrimary { .. } => {
                "SHOW SLAVE STATUS (SHOW REPLICA STATUS) on the replicas above says why".to_owned()
            }
            Warning::Foreign {
                primary: Some(primary),
                ..
            } => format!(
                "is {primary} still the primary? Then correct host= and port= or take the server \
                 out; else set it up as a replica of {primary}"
            ),
            Warning::Foreign { primary: None, .. } => "take the server out of the list".to_owned(),
            Warning::Grant {
                statement,
                primary: Some(primary),
            } => format!("on {primary}: {statement};"),
            Warning::Grant {
                statement,
                primary: None,
            } => format!("{statement};"),
            Warning::NobodyLeft { kind, .. } => match kind {
                Kind::MysqlSlave => "start another replica, or mend those above".to_owned(),
                Kind::Memcached => "start another memcached, or mend those above".to_owned(),
                Kind::RedisMaster => "start another replica of it, or mend those above".to_owned(),
            },
            Warning::Pinned { tag, .. } => format!("confd_haproxy unpin {tag} lets it move again"),
            Warning::OrdersMalformed { key, .. } => {
                format!("confd_haproxy unpin {} removes them", key.tag())
            }
            Warning::OrdersUnread { .. } => "the checkers obey the last orders that they know; \
                 they need to read below haproxy/overrides/ as well"
                .to_owned(),
            Warning::Selinux => "setsebool -P haproxy_connect_any on".to_owned(),
        }
    }
}

/// The checker of a kind of tag.
fn checker(kind: Kind) -> &'static str {
    match kind {
        Kind::MysqlSlave => "checkmysqlslave",
        Kind::Memcached => "checkmemcached",
        Kind::RedisMaster => "checkredismaster",
    }
}

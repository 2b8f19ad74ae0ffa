//! The names of all metrics, with what they mean. A name that is in use is an interface: dashboards
//! and alerts know it.

/// A name, its type, and its help.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
}

/// The types that there are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        }
    }
}

const fn counter(name: &'static str, help: &'static str) -> Name {
    let kind = Kind::Counter;
    Name { name, kind, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Name {
    let kind = Kind::Gauge;
    Name { name, kind, help }
}

pub(super) const BUILD: Name = gauge(
    "confd_haproxy_build_info",
    "The version that runs. Always 1.",
);
pub(super) const CYCLES: Name = counter(
    "confd_haproxy_cycles_total",
    "Cycles: the key read, its server checked, and what follows from that.",
);
pub(super) const CHECKS: Name =
    counter("confd_haproxy_checks_total", "Checks of the server in use.");
pub(super) const FAILURES: Name = counter(
    "confd_haproxy_check_failures_total",
    "Checks that found the server in use not well, by reason.",
);
pub(super) const MOVES: Name = counter(
    "confd_haproxy_moves_total",
    "Moves to another server, by reason: down, degraded, or that the key named no_server.",
);
pub(super) const REFUSALS: Name = counter(
    "confd_haproxy_refusals_total",
    "Cycles with a reason to move, and no move, by why not.",
);
pub(super) const STORE_ERRORS: Name = counter(
    "confd_haproxy_store_errors_total",
    "Cycles in which the store could not be read or written.",
);
pub(super) const HOOK_FAILURES: Name = counter(
    "confd_haproxy_hook_failures_total",
    "Commands of exec= that failed, took too long or were not run.",
);
pub(super) const STATE: Name = gauge(
    "confd_haproxy_state",
    "How the tag is: 0 well, 1 on a server that serves but is degraded, 2 on none that serves, \
     3 nobody can tell.",
);
pub(super) const SERVER: Name = gauge(
    "confd_haproxy_current_server_info",
    "The server that the tag points at. Always 1.",
);
pub(super) const LAG: Name = gauge(
    "confd_haproxy_lag_seconds",
    "How far the server in use is behind its source.",
);
pub(super) const LAST_CYCLE: Name = gauge(
    "confd_haproxy_last_cycle_timestamp_seconds",
    "When the last cycle ended.",
);
pub(super) const LAST_GOOD: Name = gauge(
    "confd_haproxy_last_good_check_timestamp_seconds",
    "When the server in use was last found well.",
);
pub(super) const LAST_MOVE: Name = gauge(
    "confd_haproxy_last_move_timestamp_seconds",
    "When the tag was last moved by this process.",
);
pub(super) const RENDERS: Name = counter(
    "confd_haproxy_renders_total",
    "Passes of the renderer over a file.",
);
pub(super) const RENDER_FAILURES: Name = counter(
    "confd_haproxy_render_failures_total",
    "Passes in which something failed: the template, the check, the file or the reload.",
);
pub(super) const SWITCHES: Name = counter(
    "confd_haproxy_switches_total",
    "Servers that HAProxy was moved to without a reload.",
);
pub(super) const RELOADS: Name = counter(
    "confd_haproxy_reloads_total",
    "Reloads of HAProxy that were tried.",
);
pub(super) const RELOAD_FAILURES: Name = counter(
    "confd_haproxy_reload_failures_total",
    "Reloads of HAProxy that failed.",
);
pub(super) const SOURCE_ERRORS: Name = counter(
    "confd_haproxy_source_errors_total",
    "Passes of the renderer in which the keys could not be read.",
);

/// All of them.
#[cfg(test)]
pub(super) const ALL: [&Name; 20] = [
    &BUILD,
    &CYCLES,
    &CHECKS,
    &FAILURES,
    &MOVES,
    &REFUSALS,
    &STORE_ERRORS,
    &HOOK_FAILURES,
    &STATE,
    &SERVER,
    &LAG,
    &LAST_CYCLE,
    &LAST_GOOD,
    &LAST_MOVE,
    &RENDERS,
    &RENDER_FAILURES,
    &SWITCHES,
    &RELOADS,
    &RELOAD_FAILURES,
    &SOURCE_ERRORS,
];

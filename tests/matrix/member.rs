//! What the servers of all kinds can be made to do.

use crate::support::daemon::Daemon;
use crate::support::mariadb::MariaDb;
use crate::support::memcached::Memcached;
use crate::support::mysql97::Mysql97;
use crate::support::{seconds, wait_until};

/// A server of a group.
pub trait Member {
    fn endpoint(&self) -> String;
    fn daemon(&self) -> &Daemon;
    /// Starts it again, after a kill, and waits until it is what it was.
    fn restart(&self);

    fn kill(&self) {
        self.daemon().kill();
    }

    fn stop(&self) {
        self.daemon().stop();
    }

    fn cont(&self) {
        self.daemon().cont();
    }
}

impl Member for MariaDb {
    fn endpoint(&self) -> String {
        (**self).endpoint()
    }

    fn daemon(&self) -> &Daemon {
        (**self).daemon()
    }

    fn restart(&self) {
        (**self).restart();
        wait_until("it replicates again", seconds(30), || self.replicates());
    }
}

impl Member for Mysql97 {
    fn endpoint(&self) -> String {
        (**self).endpoint()
    }

    fn daemon(&self) -> &Daemon {
        (**self).daemon()
    }

    fn restart(&self) {
        (**self).restart();
        wait_until("it replicates again", seconds(30), || self.replicates());
    }
}

impl Member for Memcached {
    fn endpoint(&self) -> String {
        self.endpoint()
    }

    fn daemon(&self) -> &Daemon {
        self.daemon()
    }

    fn restart(&self) {
        self.restart();
    }
}

/// The one that is in use, and another.
pub fn used_and_other<'a>(
    members: &[&'a dyn Member],
    current: &str,
) -> (&'a dyn Member, &'a dyn Member) {
    let find = |used: bool| {
        let mut members = members.iter().copied();
        members.find(|one| (one.endpoint() == current) == used)
    };
    (
        find(true).unwrap_or_else(|| panic!("{current} is none of ours")),
        find(false).expect("another one"),
    )
}

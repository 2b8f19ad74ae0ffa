//! What so many tags need of the system's limits for one process: open files. Threads have no limit
//! that can be asked for; where one cannot be had, the start says so.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a tag may have open at a time: the connection that is waited on, a check, and a survey of
/// its candidates.
const PER_TAG: u64 = 8;
/// What there is besides: Consul, the log, files and commands.
const BESIDES: u64 = 256;

/// Raises the soft limit of open files to what so many tags need, where it is lower. With few tags
/// it stays as it is, also for the commands that a renderer runs.
///
/// # Errors
/// A sentence, if the hard limit is too low.
pub fn make_room(tags: usize) -> Result<(), String> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = needed(tags);
    let Some(soft) = raised(limit.current, limit.maximum, wanted) else {
        return Ok(());
    };
    let new = Rlimit {
        current: Some(soft),
        ..limit
    };
    setrlimit(Resource::Nofile, new)
        .map_err(|error| format!("cannot raise the limit of open files to {soft}: {error}"))?;
    match soft < wanted {
        true => Err(format!(
            "{tags} tags may need {wanted} open files, and the limit is {soft}: raise it \
             (LimitNOFILE= in a unit, or ulimit -Hn)"
        )),
        false => Ok(()),
    }
}

fn needed(tags: usize) -> u64 {
    let tags = u64::try_from(tags).unwrap_or(u64::MAX);
    tags.saturating_mul(PER_TAG).saturating_add(BESIDES)
}

/// The soft limit to set, if it is too low; no limit is `None`.
fn raised(soft: Option<u64>, hard: Option<u64>, wanted: u64) -> Option<u64> {
    let most = hard.unwrap_or(u64::MAX);
    soft.filter(|soft| *soft < wanted).map(|_| wanted.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_as_far_as_is_needed_and_may_be() {
        let cases = [
            // Soft, hard, tags, and what is set.
            (Some(1024), Some(524_288), 20, None),
            (Some(1024), Some(524_288), 1000, Some(8256)),
            (Some(1024), Some(4096), 1000, Some(4096)),
            (Some(1024), None, 1000, Some(8256)),
            (None, None, 1000, None),
            (Some(65_536), Some(65_536), 3000, None),
        ];
        for (soft, hard, tags, wanted) in cases {
            assert_eq!(raised(soft, hard, needed(tags)), wanted, "{soft:?} {tags}");
        }
    }

    #[test]
    fn one_tag_has_room() {
        assert_eq!(make_room(1), Ok(()));
    }
}

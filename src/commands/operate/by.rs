//! Who is at the keyboard.

use std::{env, fs};

/// `user@host`, as far as that can be told; the one behind sudo.
pub(super) fn whom() -> String {
    let named = ["SUDO_USER", "LOGNAME", "USER"];
    let user = named
        .iter()
        .find_map(|name| env::var(name).ok().filter(|user| !user.is_empty()));
    let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    match fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(host) => format!("{user}@{}", host.trim()),
        Err(_) => user,
    }
}

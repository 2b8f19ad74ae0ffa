//! Who is at the keyboard.

use std::{env, fs};

/// `user@host`, as far as that can be told; the one behind sudo.
pub(super) fn whom() -> String {
    let named = ["SUDO_USER", "LOGNAME", "USER"];
    let user = named
        .iter()
        .find_map(|name| env::var(name).ok().filter(|user| !user.is_empty()));
    let user = user.unwrap_or_else(|| account(rustix::process::getuid().as_raw()));
    match fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(host) => format!("{user}@{}", host.trim()),
        Err(_) => user,
    }
}

/// The account's name, where no variable says it.
fn account(uid: u32) -> String {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    named(&accounts, uid).unwrap_or_else(|| format!("uid {uid}"))
}

/// The name before this number in a file such as /etc/passwd.
fn named(accounts: &str, uid: u32) -> Option<String> {
    let wanted = uid.to_string();
    let mut lines = accounts.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1) == Some(&wanted)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_by_its_number() {
        let accounts = "root:x:0:0:root:/r:/bin/sh\nbroken\n:x:7:7\nadm:x:3:4:adm:/:/bin/false\n";
        assert_eq!(named(accounts, 0).as_deref(), Some("root"));
        assert_eq!(named(accounts, 3).as_deref(), Some("adm"));
        for nobody in [4, 7] {
            assert_eq!(named(accounts, nobody), None);
        }
    }
}

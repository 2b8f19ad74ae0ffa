//! Reads `/proc/net/tcp` (man 5 proc_pid_net) and the links of `/proc/PID/fd`. Pure.

/// The state of a socket that listens (linux/net/tcp_states.h).
const LISTEN: &str = "0A";

/// The ports that are listened on, each with its socket's inode.
pub(super) fn listening(text: &str) -> impl Iterator<Item = (u16, u64)> {
    text.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, port) = words.get(1)?.rsplit_once(':')?;
        let listens = words.get(3) == Some(&LISTEN);
        let inode = words.get(9)?.parse().ok()?;
        listens.then_some((u16::from_str_radix(port, 16).ok()?, inode))
    })
}

/// The inode in `socket:[1234]`.
pub(super) fn inode(link: &str) -> Option<u64> {
    let inside = link.strip_prefix("socket:[")?.strip_suffix(']')?;
    inside.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:3427 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0
   1: 0100007F:3427 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0
   2: cut
   3: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 9 1
";

    #[test]
    fn only_what_listens_counts() {
        let found: Vec<_> = listening(TEXT).collect();
        assert_eq!(found, [(13351, 4711), (80, 9)]);
        assert_eq!(listening("").count(), 0);
    }

    #[test]
    fn a_link_to_a_socket_names_its_inode() {
        assert_eq!(inode("socket:[4711]"), Some(4711));
        assert_eq!(inode("/dev/null"), None);
        assert_eq!(inode("pipe:[4711]"), None);
    }
}

#!/bin/bash
# A throwaway copy of this machine under a systemd of its own, for tests of the package. As root:
#
#   tests/systemd-lab.sh DIRECTORY
#
# boots it and writes "ready PID": `nsenter -t PID -m -u -i -p -C` leads into it. DIRECTORY is seen
# there as /packages. It shares this machine's network, so that it reaches the servers of a test. When
# standard input ends, all is taken down: so it goes with the test, however that ends.
#
# Its mounts are in a mount namespace of their own and its changes in memory: when the processes are
# gone, nothing is left but empty cgroups, and those go with the next start at the latest.
set -u

name=confd_haproxy-lab
packages=$1

if [ "${2:-}" != inside ]; then
    packages=$(realpath "$packages") || exit 1
    exec unshare --mount --propagation slave -- "$0" "$packages" inside
fi

lab=/mnt
unshare=
leader=

die() { printf 'systemd-lab: %s\n' "$*" >&2; exit 1; }

# Where cgroups are made: this machine has one hierarchy, or systemd's two among the old ones.
cgroup_roots() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo /sys/fs/cgroup
    else
        printf '%s\n' /sys/fs/cgroup/unified /sys/fs/cgroup/systemd
    fi
}

# Fails, and does no harm, where a process is left.
remove_cgroups() {
    local root
    for root in $(cgroup_roots); do
        [ -d "$root/$1" ] && find "$root/$1" -depth -type d -exec rmdir {} + 2>/dev/null
    done
    return 0
}

cgroups_exist() {
    local root
    for root in $(cgroup_roots); do [ -d "$root/$1" ] && return 0; done
    return 1
}

# What a lab that was killed has left.
sweep() {
    local root old
    for root in $(cgroup_roots); do
        for old in "$root/$name"-*; do
            [ -d "$old" ] && [ ! -d "/proc/${old##*-}" ] && remove_cgroups "${old##*/}"
        done
    done
    return 0
}

take_down() {
    trap '' TERM INT HUP
    if [ -n "$unshare" ]; then
        # nspawn, which is the first process of its namespace; unshare waits for it, and ends.
        kill -KILL $(pgrep -P "$unshare" || echo "$unshare") 2>/dev/null
        wait "$unshare" 2>/dev/null
    fi
    # Processes take a moment to go.
    for _ in $(seq 100); do
        remove_cgroups "$name-$$"
        cgroups_exist "$name-$$" || break
        sleep 0.05
    done
}

furnish() {
    local system=$lab/tree/etc/systemd/system
    mount -t tmpfs -o mode=755 lab "$lab" || die "no tmpfs"
    mkdir "$lab"/{upper,work,tree}
    mount -t overlay lab -o "lowerdir=/,upperdir=$lab/upper,workdir=$lab/work" "$lab/tree" ||
        die "no overlay of this machine's root"
    # As on CentOS: a package's units are not enabled.
    mkdir -p "$lab/tree/etc/systemd/system-preset" "$lab/tree/packages"
    echo 'disable *' >"$lab/tree/etc/systemd/system-preset/00-lab.preset"
    # The network is this machine's, and up; nobody in there is to look after it, or to use its ports.
    rm -rf "$system/network-online.target.wants" "$system/sockets.target.wants" \
        "$lab/tree/usr/lib/systemd/system/network-online.target.wants"
    # Its own log only.
    rm -rf "$lab/tree/var/log/journal"
}

boot() {
    local inside
    (
        for root in $(cgroup_roots); do
            mkdir -p "$root/$name-$$" && echo "$BASHPID" >"$root/$name-$$/cgroup.procs"
        done
        # If this script is killed, unshare is, and with it everything in its process namespace.
        exec env SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 setpriv --pdeathsig KILL \
            unshare --pid --mount-proc --fork --kill-child=SIGKILL \
            systemd-nspawn -q -D "$lab/tree" --boot --register=no --keep-unit --private-users=no \
            --link-journal=no --resolv-conf=off --timezone=off --console=pipe \
            --machine="lab$$" --bind-ro="$packages:/packages" systemd.unit=basic.target
    ) </dev/null >"$lab/nspawn.log" 2>&1 &
    unshare=$!
    for _ in $(seq 600); do
        kill -0 "$unshare" 2>/dev/null || die "systemd-nspawn ended: $(cat "$lab/nspawn.log")"
        # unshare's child is nspawn, and that one's is systemd.
        leader=$(pgrep -P "$(pgrep -P "$unshare" | head -n 1)" 2>/dev/null | head -n 1)
        inside=/proc/$leader/root
        [ -n "$leader" ] && [ -S "$inside/run/systemd/private" ] && break
        sleep 0.05
    done
    [ -n "$leader" ] || die "systemd does not start: $(cat "$lab/nspawn.log")"
    timeout 60 nsenter -t "$leader" -m -u -i -p -C systemctl is-system-running --wait >/dev/null
    return 0
}

command -v systemd-nspawn >/dev/null || die "systemd-nspawn is not installed: run tests/setup.sh as root"
trap take_down EXIT
trap 'exit 1' TERM INT HUP
sweep
furnish
boot
echo "ready $leader"
# Until whoever started this closes our standard input, or is gone.
cat >/dev/null

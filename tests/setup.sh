#!/bin/bash
# Installs the real servers that the tests run against, on Debian 12, as root.
#
#   tests/setup.sh                   everything
#   tests/setup.sh mariadb consul    only these groups
#   tests/setup.sh redis@bullseye    Redis as that suite has it, for `make test-matrix`
#
# Groups: tools packaging qemu mariadb haproxy memcached redis go consul mysql. Run again, it does only
# what is missing. Debian packages go into the system; Consul and MySQL, which Debian 12 does not have,
# go into target/servers, from the suites of the same Debian mirror that do.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
servers=$root/target/servers
all_groups=(tools packaging qemu mariadb haproxy memcached redis go consul mysql)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
updated=

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

update_once() {
    [ -n "$updated" ] && return
    say "apt-get update"
    quietly apt-get -qq update
    updated=yes
}

# An existing policy-rc.d is the machine's own and stays; ours goes when the script ends.
without_daemons() {
    local policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] && return
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# packages GROUP PACKAGE...
packages() {
    local group=$1 package missing=()
    shift
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        say "$group: packages are there"
        return
    fi
    update_once
    without_daemons
    say "$group: installing ${missing[*]}"
    quietly env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o Dpkg::Use-Pty=0 install "${missing[@]}"
}

# Runs a command; what it says is of interest only when it fails.
quietly() {
    local said
    said=$("$@" 2>&1) || die "$* failed:"$'\n'"$said"
}

# The archive this machine's own apt uses. Release files tell Debian from other people's archives.
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
        'Origin: Debian' 'Label: Debian' 'Component: main' | awk 'NR == 1'
}

find_mirror() {
    mirror=$(mirror)
    if [ -z "$mirror" ]; then
        update_once
        mirror=$(mirror)
    fi
    [ -n "$mirror" ] || die "no Debian main archive in this machine's apt sources"
}

# An apt of its own, so that the machine's never hears of another suite.
bullseye_apt() {
    local state=$servers/apt-bullseye
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/parts"
    : >"$state/status"
    printf 'deb [signed-by=%s] %s bullseye main\n' "$keyring" "$mirror" >"$state/sources.list"
    (cd "$state" && apt-get -qq \
        -o Dir::State="$state" -o Dir::State::status="$state/status" \
        -o Dir::Cache="$state/cache" -o Dir::Etc::sourcelist="$state/sources.list" \
        -o Dir::Etc::sourceparts="$state/parts" -o Dir::Etc::preferencesparts="$state/parts" \
        -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root "$@")
}

setup_consul() {
    if [ -x "$servers/consul/usr/bin/consul" ]; then
        say "consul: is there"
        return
    fi
    packages consul debian-archive-keyring ca-certificates
    find_mirror
    say "consul: fetching from bullseye"
    rm -rf "$servers/apt-bullseye" "$servers/consul" "$servers/consul.part"
    quietly bullseye_apt update
    quietly bullseye_apt download consul
    dpkg-deb -x "$servers"/apt-bullseye/consul_*.deb "$servers/consul.part"
    mv "$servers/consul.part" "$servers/consul"
    rm -rf "$servers/apt-bullseye"
}

# unpack NAME SUITE PACKAGE...: a tree of their files, to be entered with chroot. Nothing in it is
# configured, so the accounts that servers ask for are written here.
unpack() {
    local tree=$servers/$1 suite=$2
    shift 2
    packages "$(basename "$tree")" mmdebstrap debian-archive-keyring
    find_mirror
    say "$(basename "$tree"): unpacking from $suite"
    mkdir -p "$servers"
    rm -rf "$tree" "$tree.part"
    quietly mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
        --include="$(IFS=,; printf '%s' "$*"),bash,coreutils,sed,grep" "$suite" "$tree.part" "$mirror"
    (cd "$tree.part" && rm -rf var/lib/apt/lists var/cache/apt usr/share/doc \
        usr/share/man usr/share/locale usr/share/mysql-test usr/share/perl* usr/share/zoneinfo \
        usr/lib/*/gconv usr/lib/*/perl*)
    mkdir -p "$tree.part/etc" "$tree.part/tests" "$tree.part/tmp" "$tree.part/var/lib/haproxy"
    [ -e "$tree.part/bin/sh" ] || ln -s bash "$tree.part/bin/sh"
    printf '%s:x:%d:%d::/:/bin/sh\n' root 0 0 haproxy 101 101 >"$tree.part/etc/passwd"
    printf '%s:x:%d:\n' root 0 haproxy 101 >"$tree.part/etc/group"
    printf '127.0.0.1 localhost\n::1 localhost\n' >"$tree.part/etc/hosts"
    printf '%s: files\n' passwd group hosts >"$tree.part/etc/nsswitch.conf"
    mv "$tree.part" "$tree"
}

setup_mysql() {
    if [ -x "$servers/mysql/usr/sbin/mysqld" ]; then
        say "mysql: is there"
        return
    fi
    unpack mysql sid mysql-server-core mysql-client-core
}

# setup_tree SERVER@SUITE
setup_tree() {
    local server=${1%@*} suite=${1#*@} wanted
    case $server in
    mariadb) wanted=(mariadb-server-core mariadb-client-core) ;;
    haproxy) wanted=(haproxy) ;;
    memcached) wanted=(memcached) ;;
    redis) wanted=(redis-server redis-sentinel) ;;
    valkey) wanted=(valkey-server valkey-sentinel) ;;
    *) die "unknown server $server; there are: mariadb haproxy memcached redis valkey" ;;
    esac
    # Before Debian 12 these names had the version in them.
    [ "$1" = mariadb@bullseye ] && wanted=(mariadb-server-core-10.5 mariadb-client-core-10.5)
    if [ -d "$servers/$1" ]; then
        say "$1: is there"
        return
    fi
    unpack "$1" "$suite" "${wanted[@]}"
}

setup_group() {
    case $1 in
    tools) packages tools iproute2 nftables util-linux procps curl ca-certificates gcc libc6-dev file openssl faketime ;;
    # systemd itself is not on every machine, and systemd-analyze looks for manual pages with man.
    packaging) packages packaging rpm rpmlint mandoc man-db systemd systemd-container ;;
    # The compiler for what ring has in C, and what runs the result. Headers only of libc.
    qemu) packages qemu qemu-user-static gcc-aarch64-linux-gnu libc6-dev-arm64-cross ;;
    mariadb) packages mariadb mariadb-server ;;
    haproxy) packages haproxy haproxy ;;
    memcached) packages memcached memcached ;;
    redis) packages redis redis-server redis-sentinel ;;
    go) packages go golang-go ;;
    consul) setup_consul ;;
    mysql) setup_mysql ;;
    *@*) setup_tree "$1" ;;
    *) die "unknown group $1; there are: ${all_groups[*]}" ;;
    esac
}

version() {
    case $1 in
    tools) ip -V ;;
    packaging) printf '%s, %s\n' "$(rpm --version)" "$(systemd-nspawn --version | head -n 1)" ;;
    qemu) qemu-aarch64-static --version | head -n 1 ;;
    mariadb) mariadbd --version ;;
    haproxy) haproxy -v | head -n 1 ;;
    memcached) memcached --version ;;
    redis) redis-server --version ;;
    go) go version ;;
    consul) "$servers/consul/usr/bin/consul" version | head -n 1 ;;
    mysql) chroot "$servers/mysql" /usr/sbin/mysqld --version ;;
    *@*) du -sh "$servers/$1" ;;
    esac
}

[ "$(id -u)" = 0 ] || die "must be run by root"
groups=("$@")
[ ${#groups[@]} -gt 0 ] || groups=("${all_groups[@]}")
for group in "${groups[@]}"; do setup_group "$group"; done
for group in "${groups[@]}"; do say "$group: $(version "$group")"; done

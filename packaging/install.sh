#!/bin/bash
# Puts everything that belongs to an installation in its place. `make install` and the RPM's spec
# call it, with these variables:
#
#   BINARY       the program that is installed
#   LICENCES     the text of LICENSE.dependencies
#   DESTDIR      before every path (none)
#   PREFIX       /usr/local
#   SYSCONFDIR   /etc, which is where the program looks
#
# Links, units, completions, manual pages and defaults follow from the commands that the program lists. A
# configuration that is there already stays as it is.
set -euo pipefail
export LC_ALL=C
umask 022

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
destdir=${DESTDIR:-}
prefix=${PREFIX:-/usr/local}
etc=$destdir${SYSCONFDIR:-/etc}
bin=$destdir$prefix/bin
share=$destdir$prefix/share
units=$destdir$prefix/lib/systemd/system
man=$share/man
completions=$share/bash-completion/completions

# place MODE FILE TARGET
place() { install -D -p -m "$1" "$2" "$3"; }

# Configuration: not over what somebody may have edited.
configure() { [ -e "$3" ] || place "$@"; }

# The units say /usr; an installation elsewhere has its program elsewhere.
unit() {
    local target=$units/$1.service
    place 0644 "$root/packaging/systemd/$1.service" "$target"
    sed -i "s|^ExecStart=/usr/bin/|ExecStart=$prefix/bin/|" "$target"
}

page() {
    local section=${1##*.}
    mkdir -p "$man/man$section"
    gzip -9nc "$root/packaging/man/$1" >"$man/man$section/$1.gz"
}

mapfile -t commands < <("$BINARY" --list)

place 0755 "$BINARY" "$bin/confd_haproxy"
place 0644 "$root/packaging/bash-completion/confd_haproxy" "$completions/confd_haproxy"
for name in "${commands[@]}"; do
    ln -sfn confd_haproxy "$bin/$name"
    # bash looks for a file of the command's own name.
    ln -sfn confd_haproxy "$completions/$name"
    unit "$name@"
    page "$name.8"
    configure 0644 "$root/packaging/sysconfig/$name" "$etc/sysconfig/$name"
done
unit confd_haproxy
for page in "$root"/packaging/man/confd_haproxy*; do page "${page##*/}"; done
configure 0644 "$root/packaging/sysconfig/confd_haproxy" "$etc/sysconfig/confd_haproxy"
place 0644 "$root/packaging/sysusers.conf" "$destdir$prefix/lib/sysusers.d/confd_haproxy.conf"

install -d -m 0750 "$etc/confd_haproxy"
configure 0640 "$root/etc/db.conf" "$etc/confd_haproxy/db.conf"
configure 0600 "$root/packaging/consul.env" "$etc/confd_haproxy/consul.env"
# Without the directory for one kind of tag: two resources must not write one file.
for file in "$root"/confd/conf.d/* "$root"/confd/templates/*; do
    configure 0644 "$file" "$etc/confd/${file#"$root"/confd/}"
done
install -d "$destdir/var/lib/confd_haproxy"

for file in README.md CHANGELOG.md etc/haproxy.sample.cfg; do
    place 0644 "$root/$file" "$share/doc/confd_haproxy/${file##*/}"
done
for file in "$root"/confd/conf.d.single/*; do
    place 0644 "$file" "$share/doc/confd_haproxy/conf.d.single/${file##*/}"
done
place 0644 "$root/docs/metrics.md" "$share/doc/confd_haproxy/docs/metrics.md"
for file in grafana/confd_haproxy.json prometheus/confd_haproxy.rules.yml; do
    place 0644 "$root/packaging/$file" "$share/doc/confd_haproxy/$file"
done
place 0644 "$root/LICENSE" "$share/licenses/confd_haproxy/LICENSE"
place 0644 "$LICENCES" "$share/licenses/confd_haproxy/LICENSE.dependencies"

# The checkers' group may read the conf file. Where there is no such group yet: systemd-sysusers.
if [ -z "$destdir" ] && getent group confd_haproxy >/dev/null; then
    chgrp confd_haproxy "$etc/confd_haproxy" "$etc/confd_haproxy/db.conf"
fi

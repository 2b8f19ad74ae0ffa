#!/bin/bash
# Builds the RPM, the same bytes from the same sources wherever they are:
#
#   packaging/rpm.sh DIRECTORY
#
# Variables: VERSION, BINARY and LICENCES (as for install.sh), and SOURCE_DATE_EPOCH, the time of
# everything in it.
set -euo pipefail
export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH
umask 022

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
build=$out/build
name=confd_haproxy-$VERSION-1.x86_64.rpm

BINARY=$(realpath "$BINARY")
LICENCES=$(realpath "$LICENCES")
export BINARY LICENCES
rm -rf "$build"
# The vendor and the payload are said here, so that no machine's own settings come in.
cd "$root"
rpmbuild -bb --build-in-place --quiet --target x86_64-redhat-linux \
    --define "_topdir $build" --define "_dbpath $build/db" --define "_tmppath $build/tmp" \
    --define "_rpmdir $build" --define "_rpmfilename $name" --define "version_ $VERSION" \
    packaging/confd_haproxy.spec
# What rpm 4.11 of CentOS 7 does not know, it refuses.
if rpm -qp --requires "$build/$name" | grep -E 'Zstd|RichDep|Caret|LargeFiles|rtld'; then
    echo "rpm: rpm 4.11 would refuse this package" >&2
    exit 1
fi
mv "$build/$name" "$out/$name"
rm -rf "$build"

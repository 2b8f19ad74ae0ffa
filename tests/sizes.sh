#!/bin/bash
# What each crate costs in the binary, in kB: the sizes of the symbols in an unstripped build of the
# release profile, added up by crate. A generic counts for the first crate in its name that is not
# std's, what was inlined for the one that it was inlined into.
#
#   tests/sizes.sh                   (make sizes)
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${TARGET:-x86_64-unknown-linux-musl}
cargo=${CARGO:-cargo}
cd "$root"
# The stripped build's files are kept apart.
export CARGO_TARGET_DIR=$root/target/sizes
CARGO_PROFILE_RELEASE_STRIP=false RUSTFLAGS='-C symbol-mangling-version=v0' \
    "$cargo" build --release --locked --quiet --target "$target"
binary=$CARGO_TARGET_DIR/$target/release/confd_haproxy

# names DEPTH [PACKAGE]: the crates of a tree, as they are called in symbols.
names() {
    "$cargo" tree --locked --target "$target" --edges normal --prefix none --depth "$1" ${2:+-p "$2"} |
        awk '{ gsub("-", "_", $1); print $1 }' | sort -u
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
names 99 >"$work/all"
# rust-ini calls its library ini.
echo ini >>"$work/all"
nm --size-sort --print-size --demangle "$binary" | awk -v list="$work/all" '
    BEGIN { while ((getline name < list) > 0) known[name] = 1 }
    {
        size = strtonum("0x" $2); name = " " $0; crate = "std"
        sub(/^ [^ ]+ [^ ]+ [^ ]+/, "", name)
        # A crate is the beginning of a path: "gotmpl::" and not the "time::" of "core::time::".
        while (match(name, /[^a-z0-9_:][a-z_][a-z0-9_]*::/)) {
            word = substr(name, RSTART + 1, RLENGTH - 3)
            if (word in known) { crate = word; break }
            name = substr(name, RSTART + RLENGTH)
        }
        sum[crate] += size
    }
    END { for (crate in sum) print crate, sum[crate] }' | sort >"$work/sums"

# total FILE: of the crates that it names.
total() { join "$work/sums" "$1" | awk '{ sum += $2 } END { printf "%.0f", sum / 1024 }'; }

versions=$("$cargo" tree --locked --target "$target" --edges normal --prefix none --depth 1 |
    awk 'NR > 1 { sub("^v", "", $2); print $1 "@" $2 }' | sort -u)
direct=$(sed 's/@.*//' <<<"$versions")
for version in $versions; do
    names 99 "$version" | sed 's/^rust_ini$/ini/' | sort -u >"$work/of-${version%@*}"
done
printf '%-14s %8s %8s\n' crate own with
for package in $direct; do
    sed 's/^rust_ini$/ini/' <<<"${package//-/_}" >"$work/own"
    # Those that nobody else brings.
    others=$(for other in $direct; do [ "$other" = "$package" ] || echo "$work/of-$other"; done)
    # shellcheck disable=SC2086
    sort -u $others | comm -23 "$work/of-$package" - | sort -u - "$work/own" >"$work/alone"
    printf '%-14s %8s %8s\n' "$package" "$(total "$work/own")" "$(total "$work/alone")"
done
for package in $direct; do cat "$work/of-$package"; done | sort | uniq -d >"$work/shared"
for package in $direct; do sed 's/^rust_ini$/ini/' <<<"${package//-/_}"; done | sort >"$work/direct"
comm -23 "$work/shared" "$work/direct" >"$work/between"
printf '%-14s %8s %8s\n' '(shared)' '' "$(total "$work/between")"
for name in confd_haproxy std; do
    echo "$name" >"$work/own"
    printf '%-14s %8s\n' "$name" "$(total "$work/own")"
done
printf '\nThe largest, in bytes:\n'
sort -k2 -rn "$work/sums" | head -n 25

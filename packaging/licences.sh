#!/bin/bash
# Writes the licences of everything that is linked into the binary, for LICENSE.dependencies.
#
#   packaging/licences.sh FILE
#
# From the crates' own files, as cargo has unpacked them. Where a crate may be used under MIT or
# something else, its MIT text is taken. The same text is there once, with all crates it is of.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$1
registry=${CARGO_HOME:-$HOME/.cargo}/registry/src

# name, version and licence, one crate a line.
crates() {
    (cd "$root" && "${CARGO:-cargo}" tree --locked --edges normal,no-proc-macro --prefix none \
        --target x86_64-unknown-linux-musl --format '{p}|{l}') |
        sed -e 's/ (\*)$//' -e 's/^\([^ ]*\) v\([^ |]*\)[^|]*|/\1|\2|/' |
        grep -v '^$\|^confd_haproxy|' | sort -u
}

# texts DIRECTORY LICENCE: the files to take.
texts() {
    local all
    all=$(find "$1" -maxdepth 1 -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' \) | sort)
    if [[ $2 == *MIT* ]] && grep -qi 'mit' <<<"${all//$1/}"; then
        grep -i '/[^/]*mit[^/]*$' <<<"$all"
    else
        printf '%s\n' "$all"
    fi
}

declare -A users=()
declare -A wording=()
order=()
nobody=()
while IFS='|' read -r name version licence; do
    directory=$(find "$registry" -mindepth 2 -maxdepth 2 -type d -name "$name-$version" | sort | head -n 1)
    [ -n "$directory" ] || { echo "licences: $name $version is not unpacked: build first" >&2; exit 1; }
    files=$(texts "$directory" "$licence")
    if [ -z "$files" ]; then
        nobody+=("$name $version, $licence")
        continue
    fi
    while read -r file; do
        text=$(tr -d '\r' <"$file" | sed 's/[[:space:]]*$//')
        sum=$(sha256sum <<<"$text" | cut -d ' ' -f 1)
        [ -n "${wording[$sum]:-}" ] || order+=("$sum")
        wording[$sum]=$text
        users[$sum]+="$name $version, ${licence:-as follows}"$'\n'
    done <<<"$files"
done < <(crates)

rule=$(printf '%.0s-' {1..79})
{
    printf 'confd_haproxy is one static binary. These are the licences of what is linked into it.\n'
    printf '\n%s\n\n' "$rule"
    cat "$root/packaging/LICENSE.runtime"
    if [ ${#nobody[@]} -gt 0 ]; then
        printf '\n%s\n\nWithout a text of their own; each is of its authors:\n\n' "$rule"
        printf '%s\n' "${nobody[@]}"
    fi
    for sum in "${order[@]}"; do
        printf '\n%s\n\n%s\n%s\n' "$rule" "${users[$sum]}" "${wording[$sum]}"
    done
} >"$out.new"
mv "$out.new" "$out"

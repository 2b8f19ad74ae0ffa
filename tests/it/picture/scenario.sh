# What is typed for README's picture, in a directory with db.conf, confd and `pids` (address and process
# of each server), on the host of HAProxy. `make picture` records it.
set -eu
ln -s "$PROGRAM" confd_haproxy
PATH=$PWD:$PATH
unset NO_COLOR

type_in() { printf '\e[1;36m$\e[0m \e[1m%s\e[0m\n' "$*"; sleep 0.8; }
say() { printf '\e[2m# %s\e[0m\n' "$*"; sleep 0.8; }
ask() {
    mariadb --no-defaults --host=127.0.0.1 --port=13351 --protocol=tcp --user=app --password=app \
        --connect-timeout=1 --batch --skip-column-names -e 'SELECT @@bind_address' 2>/dev/null
}

# Asks all the time, and says when somebody else answers.
application() {
    local last= lost=0 n=0 at began since=
    while :; do
        began=${EPOCHREALTIME//[.,]/}
        if at=$(ask); then
            if [ "$at" != "$last" ]; then
                [ -z "$last" ] || printf 'application: %s of %s queries failed%s\n' "$lost" "$n" \
                    "${since:+, within $(((began - since) / 1000)) ms}"
                printf 'application: served by \e[32m%s\e[0m\n' "$at"
                last=$at
            fi
        else
            lost=$((lost + 1))
            since=${since:-$began}
        fi
        n=$((n + 1))
    done
}

# The program's own lines, without those of each second, their times and what is before a move.
shown() {
    sed -u -n -e 's/^[^ ]* \(WARN \|ERROR\) \[\(slave3301\|confd\)\]/\1/' \
        -e '/set new\|moved from/s/^/\x1b[33m/' -e '/set new\|moved from/s/$/\x1b[0m/p'
}

type_in 'confd_haproxy run --conf db.conf --store keys.json --confdir confd &'
confd_haproxy run --conf db.conf --store keys.json --confdir confd >log 2>&1 &
program=$!
until ask >/dev/null; do sleep 0.1; done
sleep 2.2
tail -n 0 -f log | shown &
type_in 'confd_haproxy status --conf db.conf --store keys.json --confdir confd'
confd_haproxy status --conf db.conf --store keys.json --confdir confd
echo
type_in './application 127.0.0.1 13351 &'
application &
application=$!
sleep 1.2
used=$(ask)
say "kill -9 of the server on $used"
kill -9 "$(sed -n "s/^$used //p" pids)"
sleep 2.5
echo
type_in 'confd_haproxy status --conf db.conf --store keys.json --confdir confd'
confd_haproxy status --conf db.conf --store keys.json --confdir confd || true
kill "$application" "$program"
pkill -P $$ || true

#!/bin/bash
# Shows failovers on this machine, with real servers on loopback, to the port that an application
# uses: `make demo`.
#
# Starts a MariaDB primary, two replicas, HAProxy and Consul on free ports, and an application that
# connects through HAProxy all the time. The replica in use is killed, and the next one hung: once
# under `confd_haproxy run` with a file for a store, once under checkmysqlslave, Consul and
# `confd_haproxy confd`. Then the same `run` looks after a memcached tag, whose server is killed and
# hung, and a Redis tag, whose master is killed under three Sentinels. Says how long the application
# was without a server each time. Ends by itself, with 0 if the port moved all seven times, and
# leaves nothing behind: no process, no file.
# Debian 12, as root; what is missing is installed by tests/setup.sh and built by make.
#
# CONFD_HAPROXY_BIN names a program that is already built; then nothing is.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
consul_program=$root/target/servers/consul/usr/bin/consul
key=haproxy/mysqlslave/demo
# How long a move may take before the demo fails.
limit=30
dir=
names=(primary replica1 replica2)
caches=(cache1 cache2)
redises=(redis1 redis2 redis3)
sentinels=(sentinel1 sentinel2 sentinel3)
# What the closing table shows.
rows=()
# Of servers, by name: their ports, their processes. And all processes of ours that may be running.
declare -A port pid running

bold= dim= plain=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
fi

heading() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
say() { printf '   %s\n' "$*"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }

clean_up() {
    local status=$? one
    trap '' INT TERM HUP
    for one in "${!running[@]}"; do kill -KILL -- "-$one" "$one" || true; done 2>/dev/null
    for one in "${!running[@]}"; do wait "$one" || true; done 2>/dev/null
    if [ -n "$dir" ]; then rm -rf "$dir" 2>/dev/null || { sleep 0.5 && rm -rf "$dir"; }; fi
    exit "$status"
}

# A process of ours; $! is its pid. It leads a group of its own, so that Ctrl-C leaves its end to
# clean_up, and is killed too if this script is.
start() { setsid setpriv --pdeathsig KILL "$@" </dev/null & running[$!]=yes; }

# Waits for its end, and gives its status; a later process may have the same pid.
ended() {
    local status=0
    wait "$1" 2>/dev/null || status=$?
    unset "running[$1]"
    return "$status"
}

# wait_until SECONDS WHAT COMMAND...
wait_until() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || die "waited in vain: $what"
        sleep 0.05
    done
}

# --- ports ---------------------------------------------------------------------------------------

# Sets `free` to a port that no socket uses, below those that the kernel gives to connections.
declare -A taken
free_port() {
    local first=10000 last hex
    read -r last _ </proc/sys/net/ipv4/ip_local_port_range
    [ "$last" -gt 11000 ] || last=32768
    while :; do
        free=$((first + SRANDOM % (last - first)))
        printf -v hex ':%04X ' "$free"
        [ -z "${taken[$free]:-}" ] || continue
        # Two files that may be missing: a machine without IPv6.
        grep -qsF "$hex" /proc/net/{tcp,tcp6,udp,udp6} || break
    done
    taken[$free]=yes
}

# --- MariaDB -------------------------------------------------------------------------------------

# Small and quick; their data are thrown away. A server that starts empties its tmpdir, so each gets
# one of its own.
install_options=(
    --no-defaults --user=root --auth-root-authentication-method=normal --skip-test-db
    --skip-name-resolve --innodb-log-file-size=4M
)
server_options=(
    --no-defaults --user=root --bind-address=127.0.0.1 --skip-name-resolve --log-bin=binlog
    --log-slave-updates --performance-schema=OFF --debug-no-sync --innodb-flush-method=nosync
    --innodb-flush-log-at-trx-commit=2 --innodb-doublewrite=0 --innodb-use-native-aio=0
    --innodb-log-file-size=4M --innodb-buffer-pool-size=16M
    --innodb-buffer-pool-load-at-startup=0 --aria-pagecache-buffer-size=8M --key-buffer-size=1M
)

make_data() {
    cat >"$dir/users.sql" <<'SQL'
FLUSH PRIVILEGES;
CREATE USER monitor@'%' IDENTIFIED BY 's3cret';
GRANT PROCESS, SLAVE MONITOR, REPLICATION MASTER ADMIN ON *.* TO monitor@'%';
CREATE USER repl@'%' IDENTIFIED BY 'repl';
GRANT REPLICATION SLAVE ON *.* TO repl@'%';
SQL
    mkdir "$dir/tmp"
    start mariadb-install-db "${install_options[@]}" --datadir="$dir/data" --tmpdir="$dir/tmp" \
        --extra-file="$dir/users.sql" >"$dir/install.log" 2>&1
    ended $! || die "mariadb-install-db failed:"$'\n'"$(head -n 20 "$dir/install.log")"
    local name
    for name in "${names[@]}"; do
        cp -a --reflink=auto "$dir/data" "$dir/$name"
        mkdir "$dir/tmp/$name"
    done
}

# mariadbd itself: what is killed is the server and not a wrapper.
start_server() {
    local name=$1 id=1
    [ "$name" = primary ] || id=$((1 + ${name#replica}))
    start mariadbd "${server_options[@]}" --datadir="$dir/$name" --tmpdir="$dir/tmp/$name" \
        --socket="$dir/$name/sock" --port="${port[$name]}" --server-id="$id" \
        --report-host=127.0.0.1 --report-port="${port[$name]}" >>"$dir/$name.log" 2>&1
    pid[$name]=$!
}

sql() { mariadb --no-defaults --socket="$dir/$1/sock" --user=root --batch -e "$2" 2>/dev/null; }
answers() {
    kill -0 "${pid[$1]}" 2>/dev/null || die "$1 ended:"$'\n'"$(tail -n 20 "$dir/$1.log")"
    sql "$1" 'SELECT 1' >/dev/null
}
replicates() {
    local status
    status=$(sql "$1" 'SHOW SLAVE STATUS\G') || return 1
    [[ $status == *'Slave_IO_State: Waiting for master to send'* &&
        $status == *'Slave_SQL_Running: Yes'* ]]
}

start_replication() {
    local name
    for name in "${names[@]}"; do start_server "$name"; done
    for name in "${names[@]}"; do wait_until 60 "$name answers" answers "$name"; done
    for name in replica1 replica2; do
        sql "$name" "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${port[primary]},
            MASTER_USER='repl', MASTER_PASSWORD='repl', MASTER_CONNECT_RETRY=1,
            MASTER_USE_GTID=current_pos; START SLAVE" || die "$name cannot replicate"
    done
    for name in replica1 replica2; do wait_until 30 "$name replicates" replicates "$name"; done
}

# --- Consul --------------------------------------------------------------------------------------

start_consul() {
    local serf server
    free_port && port[consul]=$free
    free_port && serf=$free
    free_port && server=$free
    cat >"$dir/consul.json" <<JSON
{
  "server": true, "node_name": "demo-${port[consul]}", "log_level": "warn",
  "bind_addr": "127.0.0.1", "advertise_addr": "127.0.0.1", "addresses": {"http": "127.0.0.1"},
  "ports": {"http": ${port[consul]}, "https": -1, "dns": -1, "grpc": -1, "serf_wan": -1,
            "serf_lan": $serf, "server": $server},
  "performance": {"raft_multiplier": 1}, "disable_update_check": true
}
JSON
    start "$consul_program" agent -dev -config-file="$dir/consul.json" >"$dir/consul.log" 2>&1
    pid[consul]=$!
}

consul_answers() {
    kill -0 "${pid[consul]}" 2>/dev/null || die "consul ended:"$'\n'"$(tail "$dir/consul.log")"
    # Any key will do: a read is answered once there is a leader.
    local status
    status=$(curl -s -m 2 -o /dev/null -w '%{http_code}' "$(url "$key")") || return 1
    [ "$status" = 404 ]
}

url() { printf 'http://127.0.0.1:%s/v1/kv/%s' "${port[consul]}" "$1"; }

consul_value() { value=$(curl -s -f -m 2 "$(url "$key")?raw"); }

# --- HAProxy -------------------------------------------------------------------------------------

# The template is a small head and the shipped template's sections; HAProxy starts with the head.
start_haproxy() {
    mkdir -p "$dir/confd/conf.d" "$dir/confd/templates"
    cat >"$dir/haproxy.cfg" <<CFG
global
    stats socket $dir/stats.sock mode 600 level admin
    hard-stop-after 5s
defaults
    mode tcp
    timeout queue 10s
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    timeout check 2s
    default-server init-addr last,libc,none inter 2s fastinter 500ms downinter 2s fall 3 rise 2
CFG
    {
        cat "$dir/haproxy.cfg"
        sed -n '/^{{range gets/,$p' "$root/confd/templates/haproxy.cfg.tmpl"
    } >"$dir/confd/templates/haproxy.cfg.tmpl"
    start haproxy -W -db -f "$dir/haproxy.cfg" >"$dir/haproxy.log" 2>&1
    pid[haproxy]=$!
    cat >"$dir/confd/conf.d/haproxy.toml" <<TOML
[template]
src = "haproxy.cfg.tmpl"
dest = "$dir/haproxy.cfg"
keys = ["/haproxy/mysqlslave", "/haproxy/memcached", "/haproxy/redismaster"]
check_cmd = "haproxy -c -f {{.src}}"
reload_cmd = "kill -USR2 ${pid[haproxy]}"

[haproxy]
socket = "$dir/stats.sock"
sessions = "auto"
TOML
    wait_until 10 "haproxy answers" haproxy_listens
    # A signal that comes within some milliseconds of its start is lost.
    sleep 0.5
}

haproxy_listens() {
    kill -0 "${pid[haproxy]}" 2>/dev/null || die "haproxy ended:"$'\n'"$(tail "$dir/haproxy.log")"
    [ -S "$dir/stats.sock" ]
}

# Sets `current` to the name of the server that HAProxy's port leads to.
look_through_port() {
    local name at
    current=
    at=$(timeout 2 mariadb --no-defaults --host=127.0.0.1 --port="${port[haproxy]}" \
        --protocol=tcp --user=monitor --password=s3cret --connect-timeout=1 --batch \
        --skip-column-names -e 'SELECT @@port' 2>/dev/null) || return 1
    for name in "${names[@]}"; do [ "$at" != "${port[$name]}" ] || current=$name; done
    [ -n "$current" ]
}

# look_elsewhere NAME: whether the port leads to another server than this one. `look` is the way to
# see where it leads.
look=look_through_port
look_elsewhere() { "$look" && [ "$current" != "$1" ]; }

# --- memcached -----------------------------------------------------------------------------------

start_cache() {
    start memcached -u root -U 0 -t 1 -l 127.0.0.1 -p "${port[$1]}" >>"$dir/$1.log" 2>&1
    pid[$1]=$!
}

# ask_port PORT REQUEST PATTERN: sets `answer` to the first line that matches, within a second.
ask_port() {
    local line end=$((SECONDS + 2))
    answer=
    { exec 5<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
    printf '%s\r\n' "$2" 2>/dev/null >&5 || true
    while [ -z "$answer" ] && [ "$SECONDS" -lt "$end" ] && IFS= read -r -t 1 -u 5 line; do
        [[ $line != $3 ]] || answer=${line%$'\r'}
    done
    exec 5>&-
    [ -n "$answer" ]
}

cache_answers() {
    kill -0 "${pid[$1]}" 2>/dev/null || die "$1 ended:"$'\n'"$(tail "$dir/$1.log")"
    ask_port "${port[$1]}" version 'VERSION*'
}

# Sets `current` to the name of the memcached that HAProxy's port leads to.
look_for_cache() {
    local name
    current=
    ask_port "${port[haproxy]}" stats 'STAT pid *' || return 1
    for name in "${caches[@]}"; do [ "${answer##* }" != "${pid[$name]}" ] || current=$name; done
    [ -n "$current" ]
}

# --- Redis and its Sentinels ---------------------------------------------------------------------

# Each has a file of its own, into which it writes what it learns: from whom to replicate.
start_redis() {
    local name=$1
    start redis-server "$dir/$name/conf" >>"$dir/$name.log" 2>&1
    pid[$name]=$!
}

redis_answers() {
    kill -0 "${pid[$1]}" 2>/dev/null || die "$1 ended:"$'\n'"$(tail "$dir/$1.log")"
    ask_port "${port[$1]}" PING '+PONG*'
}

redis_is_replica() { ask_port "${port[$1]}" 'INFO replication' 'master_link_status:up*'; }

# A master, two replicas, and three Sentinels of which two must agree.
start_redises() {
    local name conf
    for name in "${redises[@]}"; do
        mkdir "$dir/$name"
        conf="bind 127.0.0.1\nport ${port[$name]}\ndir $dir/$name\nsave \"\"\nrepl-diskless-sync-delay 0\n"
        [ "$name" = redis1 ] || conf+="replicaof 127.0.0.1 ${port[redis1]}\n"
        printf '%b' "$conf" >"$dir/$name/conf"
        start_redis "$name"
    done
    for name in "${redises[@]}"; do wait_until 20 "$name answers" redis_answers "$name"; done
    for name in redis2 redis3; do wait_until 20 "$name replicates" redis_is_replica "$name"; done
    for name in "${sentinels[@]}"; do
        mkdir "$dir/$name"
        printf '%s\n' "bind 127.0.0.1" "port ${port[$name]}" "dir $dir/$name" \
            "sentinel monitor demo 127.0.0.1 ${port[redis1]} 2" \
            "sentinel down-after-milliseconds demo 2000" \
            "sentinel failover-timeout demo 3000" >"$dir/$name/conf"
        start redis-sentinel "$dir/$name/conf" >>"$dir/$name.log" 2>&1
        pid[$name]=$!
    done
    for name in "${sentinels[@]}"; do
        wait_until 30 "$name knows the others" sentinel_knows "$name"
    done
}

sentinel_knows() {
    kill -0 "${pid[$1]}" 2>/dev/null || die "$1 ended:"$'\n'"$(tail "$dir/$1.log")"
    ask_port "${port[$1]}" 'INFO sentinel' 'master0:*,status=ok,*,slaves=2,sentinels=3*'
}

# Sets `current` to the name of the Redis that HAProxy's port leads to, if that is a master.
look_for_redis() {
    local name at
    current=
    ask_port "${port[haproxy]}" 'INFO server' 'tcp_port:*' || return 1
    at=${answer#*:}
    ask_port "${port[haproxy]}" 'INFO replication' 'role:master*' || return 1
    for name in "${redises[@]}"; do [ "$at" != "${port[$name]}" ] || current=$name; done
    [ -n "$current" ]
}

# --- the application -----------------------------------------------------------------------------

# Connects, says what is to be said, waits at most 250 ms for a line, closes, pauses for 5 ms; for
# ever. A greeting of MySQL's protocol 10 is a line: four bytes, then a 10, which is a newline to
# `read`. Each try is a line: when it began, when it ended, what came. It forks nothing, so that a
# try and a pause are hardly longer than the pause.
application='
    trap : PIPE
    exec 4<>"$2"
    while :; do
        began=$EPOCHREALTIME
        got=nothing
        if { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null; then
            [ -z "$3" ] || printf "%s\r\n" "$3" >&3
            if IFS= read -r -t 0.25 -u 3 _; then got=greeting; fi
            exec 3>&-
        fi
        printf "%s %s %s\n" "$began" "$EPOCHREALTIME" "$got"
        read -r -t 0.005 -u 4 _
    done'

# start_application [REQUEST]
start_application() {
    [ -p "$dir/pause" ] || mkfifo "$dir/pause"
    start env LC_ALL=C bash -c "$application" application "${port[haproxy]}" "$dir/pause" \
        "${1:-}" >"$dir/tries" 2>/dev/null
    pid[application]=$!
}

# outage SINCE: sets `took`, in ms from the last greeting before the first failed try after SINCE to
# the first greeting after the last failed one, and `lost`, how many tries failed. Where none did,
# `took` is the longest time between two greetings.
outage() {
    read -r took lost < <(LC_ALL=C awk -v since="$1" '
        $2 < since { if ($3 == "greeting") before = $2; next }
        $3 != "greeting" { lost++; after = 0; next }
        lost { if (!after) after = $2; next }
        { if ($2 - before > longest) longest = $2 - before; before = $2 }
        END {
            if (lost && !after) exit 1
            printf "%.0f %d\n", 1000 * (lost ? after - before : longest), lost
        }' "$dir/tries")
}

# fault WHO WHAT SIGNAL: sends it to the server in use, waits until the port leads to another one,
# and says what the application saw.
fault() {
    local left=$current since
    # `date` and not EPOCHREALTIME, whose point may be a comma here.
    since=$(date +%s.%N)
    kill -s "$3" "${pid[$left]}"
    [ "$3" != KILL ] || ended "${pid[$left]}" || true
    # Looking costs time on a small machine: not while it is measured.
    sleep 1.5
    wait_until "$limit" "the port leads to another server" look_elsewhere "$left"
    sleep 1
    outage "$since" || die "the application gets no greeting"
    rows+=("$(printf '%-44s %-9s %6s ms %9s' "$1" "$2" "$took" "$lost")")
    say "${bold}the port leads to $current now; the application was without a server for $took ms${plain}"
    say "and $lost of its connections failed."
}

# The same server again: the next fault is another one's.
bring_back() {
    local name=$1
    start_server "$name"
    wait_until 60 "$name answers" answers "$name"
    wait_until 30 "$name replicates" replicates "$name"
    sleep 2.2
}

# kill_and_hang WHO: both faults, with what is said of them.
kill_and_hang() {
    local killed=$current hung
    heading "kill -9 of $killed, the replica in use: look for 'connection refused' and 'moved from'"
    fault "$1" "kill -9" KILL
    heading "Starting $killed again: nothing moves, for the server in use is well"
    bring_back "$killed"
    hung=$current
    heading "SIGSTOP to $hung: it hangs, but its port still accepts. Look for '(1 of 2)'"
    say "With timeout=1 and fall=2, the defaults, two checks have to time out first."
    fault "$1" "hang" STOP
    kill -s CONT "${pid[$hung]}"
    wait_until 30 "$hung replicates" replicates "$hung"
}

# --- the programs --------------------------------------------------------------------------------

# Shows what programs write to the fifo $dir/log, but the lines of each second.
show_log() {
    rm -f "$dir/log"
    mkfifo "$dir/log"
    start sed -u -e '/ connect to /d' -e '/ is ok: /d' -e "s|$dir/||g" \
        -e "s/^/      $dim/" -e "s/\$/$plain/" "$dir/log"
    pid[log]=$!
}

# run_program NAME WORD...
run_program() {
    local name=$1
    shift
    start "$program" "$@" >"$dir/log" 2>&1
    pid[$name]=$!
}

stop_program() {
    kill -TERM "${pid[$1]}"
    ended "${pid[$1]}" || true
}

# --- the story -----------------------------------------------------------------------------------

trap clean_up EXIT
# A port may close while something is written to it.
trap : PIPE
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

heading "What the demo needs: MariaDB, memcached, Redis, HAProxy, Consul, and the program"
"$root/tests/setup.sh" tools mariadb haproxy memcached redis consul
program=${CONFD_HAPROXY_BIN:-}
if [ -z "$program" ]; then
    command -v cargo >/dev/null || die "there is no cargo: install Rust 1.89 or later (rustup.rs)"
    make -C "$root" --no-print-directory
    program=$root/bin/confd_haproxy
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/confd_haproxy-demo.XXXXXX")
heading "Starting a primary, two replicas and HAProxy on free ports of 127.0.0.1"
for name in "${names[@]}" haproxy; do free_port && port[$name]=$free; done
make_data
start_replication
start_haproxy
for name in "${names[@]}"; do say "$name: 127.0.0.1:${port[$name]}"; done
say "haproxy:  127.0.0.1:${port[haproxy]}, which nobody listens on yet"

cat >"$dir/db.conf" <<CONF
[demo]
host=127.0.0.1
port=${port[primary]}
user=monitor
password=s3cret
proxyport=${port[haproxy]}
CONF
chmod 0640 "$dir/db.conf"

heading "1. One process and a file: no Consul. Its log is indented, without the lines of each second"
say "confd_haproxy run --conf db.conf --store keys.json --confdir confd"
say "It finds the replicas by asking the primary, and opens HAProxy's port."
show_log
run_program run run --conf "$dir/db.conf" --store "$dir/keys.json" --confdir "$dir/confd"
wait_until "$limit" "the port leads to a server" look_through_port
start_application
sleep 2.2
say "${bold}the port leads to $current${plain}; an application connects to it all the time; keys.json is"
sed 's/^/   /' "$dir/keys.json"
kill_and_hang "run --store, without Consul"

heading "2. Consul, a checker and a renderer, each a process; HAProxy and the application go on"
stop_program run
ended "${pid[log]}" || true
start_consul
wait_until 30 "consul answers" consul_answers
say "checkmysqlslave --conf db.conf --tag demo --consul localhost:${port[consul]}"
say "confd_haproxy confd -watch -backend consul -node localhost:${port[consul]} -confdir confd"
show_log
run_program checker checkmysqlslave --conf "$dir/db.conf" --tag demo \
    --consul "localhost:${port[consul]}"
wait_until "$limit" "the first election" consul_value
run_program confd confd -watch -backend consul -node "localhost:${port[consul]}" \
    -confdir "$dir/confd"
sleep 3.2
wait_until "$limit" "the port leads to a server" look_through_port
say "${bold}the port leads to $current${plain}; Consul's key holds"
say "$value"
kill_and_hang "Consul, checkmysqlslave and confd -watch"

# The application of before says how often it connected.
pace() {
    read -r tries period < <(LC_ALL=C awk '
        $3 == "greeting" { if (last) { sum += $1 - last; n++ } last = $1; next }
        { last = 0 }
        END { printf "%d %.1f\n", NR, 1000 * sum / n }' "$dir/tries")
}
pace

heading "3. memcached and Redis under one run: HAProxy goes on, each tag has the port for a while"
for name in checker confd application; do stop_program "$name"; done
ended "${pid[log]}" || true
for name in "${caches[@]}" "${redises[@]}" "${sentinels[@]}"; do free_port && port[$name]=$free; done
for name in "${caches[@]}"; do start_cache "$name"; done
for name in "${caches[@]}"; do wait_until 10 "$name answers" cache_answers "$name"; done
start_redises

# list NAME...: their addresses, as db.conf takes them.
list() {
    local name all=
    for name in "$@"; do all+=,127.0.0.1:${port[$name]}; done
    printf '%s' "${all#,}"
}

# run_tag: `run` with the conf file that it is given, on HAProxy's port, which is free again.
run_tag() {
    rm -f "$dir/keys.json"
    { cat; printf 'proxyport=%s\n' "${port[haproxy]}"; } >"$dir/db.conf"
    show_log
    run_program run run --conf "$dir/db.conf" --store "$dir/keys.json" --confdir "$dir/confd"
    wait_until "$limit" "the port leads to a server" "$look"
    sleep 2.2
    say "${bold}the port leads to $current${plain}; keys.json is"
    sed 's/^/   /' "$dir/keys.json"
}

end_tag() {
    stop_program application
    stop_program run
    ended "${pid[log]}" || true
}

look=look_for_cache
run_tag <<CONF
[demo]
type=memcached
server=$(list "${caches[@]}")
CONF
start_application version
sleep 1.2
killed=$current
heading "kill -9 of $killed, the memcached in use"
fault "memcached, run --store" "kill -9" KILL
heading "Starting $killed again: nothing moves, as what it knew would be old. Then $current hangs"
start_cache "$killed"
wait_until 10 "$killed answers" cache_answers "$killed"
sleep 2.2
hung=$current
fault "memcached, run --store" "hang" STOP
kill -s CONT "${pid[$hung]}"
end_tag

look=look_for_redis
run_tag <<CONF
[demo]
type=redismaster
server=$(list "${redises[@]}")
sentinel=$(list "${sentinels[@]}")
master_name=demo
CONF
start_application PING
sleep 1.2
killed=$current
heading "kill -9 of $killed, the Redis master: three Sentinels choose another one"
say "They wait for two seconds (down-after-milliseconds), then vote; the port follows them."
fault "Redis, three Sentinels, run --store" "kill -9" KILL
heading "Starting $killed again: it says that it is a master, too, until the Sentinels demote it"
start_redis "$killed"
wait_until 10 "$killed answers" redis_answers "$killed"
kept=$current
wait_until 40 "$killed replicates" redis_is_replica "$killed"
look_for_redis && [ "$current" = "$kept" ] || die "the port went back to $killed"
say "$killed is a replica of $kept now, and the port stayed on $kept."
end_tag

heading "The end: how long the application was without a server"
printf '   %-44s %-9s %9s %9s\n' "" "" "outage" "failed"
printf '   %s\n' "${rows[@]}"
say "To MySQL it connected $tries times, every $period ms; 'failed' counts connections without a greeting."
say "What was started ends now, and its files go with it."

#!/bin/bash
# Shows two failovers on this machine, with real servers on loopback: `make demo`.
#
# Starts a MariaDB primary, two replicas and Consul on free ports, runs checkmysqlslave with its
# log in view, kills the replica in use, hangs the next one, and says how long the key took to
# move. Ends by itself, with 0 if the key moved both times, and leaves nothing behind: no process,
# no file. Debian 12, as root; what is missing is installed by tests/setup.sh and built by make.
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
moves=()
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

# Starts to ask for the key: at once, or as soon as it has changed since an index. curl runs beside,
# so that Ctrl-C is heard at once.
ask_key() {
    local since=${1:-0}
    start curl -s -f -m "$((limit + 1))" -D "$dir/headers" -o "$dir/value" \
        "$(url "$key")?raw&index=$since&wait=${limit}s"
    asking=$!
}

# Takes the answer: sets `value`, `index` and `current`, the name of the server in it.
take_key() {
    local name
    ended "$asking" || return 1
    index=$(awk 'tolower($1) == "x-consul-index:" { print $2 + 0 }' "$dir/headers")
    value=$(<"$dir/value") current=
    for name in "${names[@]}"; do
        [[ $value != *"\"port\":${port[$name]},"* ]] || current=$name
    done
}

read_key() { ask_key && take_key; }
is_elected() { read_key && [ -n "$current" ]; }

# --- a move --------------------------------------------------------------------------------------

# fault SIGNAL: sends it to the server in use, waits until the key names another one, and says how
# long that took.
fault() {
    local left=$current began end took
    # The question is under way before the signal: curl's own start is not measured.
    ask_key "$index"
    sleep 0.3
    began=${EPOCHREALTIME/[.,]/}
    end=$((SECONDS + limit))
    kill -s "$1" "${pid[$left]}"
    while :; do
        take_key || die "the key has not moved in $limit s"
        took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
        [ "$current" = "$left" ] || break
        [ "$SECONDS" -lt "$end" ] || die "the key has not moved in $limit s"
        ask_key "$index"
    done
    moves+=("$took")
    sleep 1
    say "${bold}the key moved from $left to $current after $took ms${plain}; it holds now"
    say "$value"
}

# --- the story -----------------------------------------------------------------------------------

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

heading "What the demo needs: MariaDB, Consul, and the program"
"$root/tests/setup.sh" tools mariadb consul
program=${CONFD_HAPROXY_BIN:-}
if [ -z "$program" ]; then
    command -v cargo >/dev/null || die "there is no cargo: install Rust 1.89 or later (rustup.rs)"
    make -C "$root" --no-print-directory
    program=$root/bin/confd_haproxy
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/confd_haproxy-demo.XXXXXX")
heading "Starting a primary, two replicas and Consul on free ports of 127.0.0.1"
for name in "${names[@]}"; do free_port && port[$name]=$free; done
start_consul
make_data
start_replication
wait_until 30 "consul answers" consul_answers
for name in "${names[@]}"; do say "$name: 127.0.0.1:${port[$name]}"; done
say "consul:   127.0.0.1:${port[consul]}, where $key is not there yet"

cat >"$dir/db.conf" <<CONF
[demo]
host=127.0.0.1
port=${port[primary]}
user=monitor
password=s3cret
CONF
chmod 0640 "$dir/db.conf"
heading "Running the checker, as an operator would; its log is indented"
say "checkmysqlslave --conf db.conf --tag demo --consul localhost:${port[consul]}"
say "It finds the replicas by asking the primary, and points the key at one of them."
mkfifo "$dir/log"
start sed -u "s/^/      $dim/; s/\$/$plain/" "$dir/log"
start "$program" checkmysqlslave --conf "$dir/db.conf" --tag demo \
    --consul "localhost:${port[consul]}" >"$dir/log" 2>&1
wait_until "$limit" "the first election" is_elected
sleep 3.2
say "${bold}the key names $current${plain}; it holds"
say "$value"

killed=$current
heading "kill -9 of $killed, the replica in use: look for 'connection refused' and 'set new'"
fault KILL
ended "${pid[$killed]}" || true

heading "Starting $killed again: nothing moves, for the server in use is well"
start_server "$killed"
wait_until 60 "$killed answers" answers "$killed"
wait_until 30 "$killed replicates" replicates "$killed"
sleep 2.2

heading "SIGSTOP to $current: it hangs, but its port still accepts. Look for '(1 of 2)'"
say "With timeout=1 and fall=2, the defaults, two checks have to time out first."
fault STOP

heading "The end"
say "kill -9: ${bold}${moves[0]} ms${plain}    hang: ${bold}${moves[1]} ms${plain}"
say "What was started ends now, and its files go with it."

#!/usr/bin/env bash
# Moves a live set from Redis to Valkey behind Steadfast, one step at a time:
#
#   move.sh join    NEW...   the new nodes, already running, become replicas and catch up
#   move.sh abort   NEW...   before the switch: they leave again, and all is as it was
#   move.sh switch  NEW...   Sentinel makes one of them the primary; there is no way back from here
#   move.sh leave   OLD...   the old nodes are shut down, and Sentinel forgets them
#
# Nodes are HOST:PORT. SENTINELS names all of them, by spaces; NAME is theirs for the set. With a
# password: export REDISCLI_AUTH.
set -euo pipefail

NAME=${NAME:-mymaster}
LIMIT=${LIMIT:-240} # s; more than Sentinel's failover-timeout (180 s unless told otherwise)
: "${SENTINELS:?say where all Sentinels are, for example: SENTINELS='s1:26379 s2:26379 s3:26379'}"
CLI=$(command -v valkey-cli || command -v redis-cli)

say() { printf 'move: %s\n' "$*" >&2; }
ask() { "$CLI" -h "${1%:*}" -p "${1##*:}" "${@:2}"; }
info() { ask "$1" INFO "$2" | tr -d '\r' | sed -n "s/^$3://p"; }

# The primary, as a Sentinel names it: the first one, if none is given.
primary() { ask "${1-${SENTINELS%% *}}" SENTINEL GET-MASTER-ADDR-BY-NAME "$NAME" | paste -sd:; }

# Its replicas, as it knows them itself.
replicas() {
    ask "$(primary)" INFO replication | sed -n 's/^slave[0-9]*:ip=\([^,]*\),port=\([0-9]*\),.*/\1:\2/p'
}

# Replicas as one Sentinel sees them: "ADDRESS PRIORITY " for each.
seen_by() {
    ask "$1" SENTINEL REPLICAS "$NAME" | awk '
        key == "name" { address = $0 }
        key == "slave-priority" { print address, $0, "" }
        { key = NR % 2 ? $0 : "" }'
}

# Waits until the rest of the line succeeds.
wait_until() {
    local end=$((SECONDS + LIMIT))
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || { say "gave up after $LIMIT s: $*"; exit 1; }
        sleep 0.2
    done
}

follows() { [ "$(info "$1" replication master_link_status)" = up ]; }

# Whether every Sentinel would promote this node (priority 1), or never would (0).
seen_by_all() {
    local sentinel
    for sentinel in $SENTINELS; do
        seen_by "$sentinel" | grep -q "^$1 $2 " || return 1
    done
}

join() {
    local old node
    old=$(primary)
    for node in "$@"; do
        say "$node follows $old"
        ask "$node" CONFIG SET replica-priority 1 >/dev/null
        ask "$node" REPLICAOF "${old%:*}" "${old##*:}" >/dev/null
        wait_until follows "$node"
    done
    # Only the new ones may be promoted from now on, in a crash as well.
    for node in $(replicas); do
        [[ " $* " == *" $node "* ]] || ask "$node" CONFIG SET replica-priority 0 >/dev/null
    done
    for node in "$@"; do
        wait_until seen_by_all "$node" 1
    done
}

abort() {
    local node
    for node in $(replicas); do
        ask "$node" CONFIG SET replica-priority 100 >/dev/null
    done
    leave "$@"
}

# Whether every Sentinel has come to the end of the failover. While one has not, it names the new
# primary but remembers the old one, and SENTINEL RESET would take it back there.
all_have_switched() {
    local sentinel
    for sentinel in $SENTINELS; do
        [[ " $* " == *" $(primary "$sentinel") "* ]] || return 1
        ask "$sentinel" SENTINEL MASTER "$NAME" | grep -q failover_in_progress && return 1
    done
    return 0
}

# Whether the new nodes are the primary and its replicas: one that is forgotten before that follows
# nobody for good.
all_follow() {
    local now node
    now=$(primary)
    for node in "$@"; do
        [ "$node" = "$now" ] || replicas | grep -qx "$node" || return 1
    done
}

switch() {
    local old node
    old=$(primary)
    for node in $(replicas); do
        [[ " $* " == *" $node "* ]] || wait_until seen_by_all "$node" 0
    done
    ask "${SENTINELS%% *}" SENTINEL FAILOVER "$NAME" >/dev/null
    wait_until all_have_switched "$@"
    wait_until all_follow "$@"
    # The old primary comes back as a replica: it must never be promoted.
    ask "$old" CONFIG SET replica-priority 0 >/dev/null
    say "the primary is $(primary) now, and was $old"
}

leave() {
    local node sentinel
    for node in "$@"; do
        say "$node is shut down"
        ask "$node" SHUTDOWN NOSAVE >/dev/null 2>&1 || true
    done
    for sentinel in $SENTINELS; do
        ask "$sentinel" SENTINEL RESET "$NAME" >/dev/null
        wait_until knows_the_set "$sentinel"
    done
}

# Whether a Sentinel has found the others and all replicas again.
knows_the_set() {
    local others
    others=$(ask "$1" SENTINEL SENTINELS "$NAME" | grep -c '^runid$')
    [ "$others" -eq $(($(wc -w <<<"$SENTINELS") - 1)) ] &&
        [ "$(seen_by "$1" | wc -l)" -eq "$(replicas | wc -l)" ]
}

case "${1-}" in
join | abort | switch | leave) "$@" ;;
*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2 && exit 64 ;;
esac

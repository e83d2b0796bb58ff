#!/usr/bin/env bash
# The command line client: strings, errors, a transaction, RESP3, mass insertion, a blocking pop.
set -euo pipefail

cli=$(command -v valkey-cli || command -v redis-cli)
call() { "$cli" -h "${STEADFAST_ADDR%:*}" -p "${STEADFAST_ADDR##*:}" "$@"; }
expect() {
    if [ "$1" != "$2" ]; then
        echo "expected '$1', got '$2'"
        exit 1
    fi
}

expect PONG "$(call PING)"
expect OK "$(call SET cli:a 'two words')"
expect 'two words' "$(call GET cli:a)"
expect '' "$(call GET cli:none)"
expect "ERR unknown command" "$(call NOSUCHCOMMAND 2>&1 | cut -c1-19)"
expect $'OK\nQUEUED\nQUEUED\nOK\n1' \
    "$(printf 'MULTI\nSET cli:t 1\nDEL cli:t\nEXEC\n' | call)"
expect '1# "field" => "value"' "$(call -3 --no-raw EVAL 'return 0' 0 >/dev/null &&
    call HSET cli:h field value >/dev/null && call -3 --no-raw HGETALL cli:h)"
expect 1000 "$(for n in $(seq 1000); do echo "SADD cli:set $n"; done |
    call --pipe >/dev/null && call SCARD cli:set)"

(sleep 0.3 && call RPUSH cli:queue job >/dev/null) &
expect $'cli:queue\njob' "$(call BLPOP cli:queue 10)"
wait

# A value beyond every buffer in between arrives whole.
expect 3000000 "$(head -c 3000000 /dev/zero | call -x SET cli:big >/dev/null && call STRLEN cli:big)"
expect 3000001 "$(call GET cli:big | wc -c)"
expect 4 "$(call DEL cli:a cli:h cli:set cli:big)"

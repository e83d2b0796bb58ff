#!/usr/bin/env bash
# The README's commands: `check` names the primary, and the proxy they start serves.
set -euo pipefail

folder=$(mktemp -d)
proxy=
# shellcheck disable=SC2317 # called by the trap
end() {
    if [ -n "$proxy" ]; then
        kill "$proxy" 2>/dev/null || true
        wait "$proxy" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap end EXIT

ln -s "$STEADFAST" "$folder/steadfast"
export PATH=$folder:$PATH
python tests/clients/readme.py shell >"$folder/block"
[ "$(wc -l <"$folder/block")" -eq 2 ]

bash -c "$(sed -n 1p "$folder/block")" >"$folder/checked" || {
    cat "$folder/checked"
    exit 1
}
grep -q 127.0.0.1: "$folder/checked"

# The block serves on the default port; here it gets free ones.
free_port() { python -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
export STEADFAST_LISTEN=127.0.0.1:$port
STEADFAST_ADMIN_LISTEN=127.0.0.1:$(free_port)
export STEADFAST_ADMIN_LISTEN
bash -c "exec $(sed -n 2p "$folder/block")" >"$folder/log" 2>&1 &
proxy=$!
cli=$(command -v valkey-cli || command -v redis-cli)
for _ in $(seq 100); do
    if [ "$("$cli" -p "$port" PING 2>/dev/null)" = PONG ]; then
        exit 0
    fi
    sleep 0.1
done
cat "$folder/log"
exit 1

#!/usr/bin/env bash
# TLS with certificates on both sides: redis-cli --tls, redis-py by a rediss:// URL and valkey-py by a
# valkeys:// one, through a Steadfast of its own in front of the same bed. What the README shows, which needs
# servers with TLS, can be used with these files.
set -euo pipefail

dir=$(mktemp -d)
proxy=
end() {
    if [ -n "$proxy" ]; then kill "$proxy" 2>/dev/null || true; fi
    rm -rf "$dir"
}
trap end EXIT

key() { openssl ecparam -genkey -name prime256v1 -noout -out "$dir/$1.key"; }
sign() { # NAME SUBJECT-ALTERNATIVE-NAMES
    key "$1"
    openssl req -new -key "$dir/$1.key" -subj "/CN=$1" -out "$dir/$1.csr"
    openssl x509 -req -in "$dir/$1.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial \
        -days 2 -extfile <(echo "subjectAltName=$2") -out "$dir/$1.crt" 2>/dev/null
}
key ca
openssl req -x509 -key "$dir/ca.key" -subj '/CN=tests' -days 2 -out "$dir/ca.crt"
sign server IP:127.0.0.1,DNS:localhost
sign client DNS:client

mkdir "$dir/readme"
ln -s "$dir/ca.crt" "$dir/readme/ca.crt"
ln -s "$dir/server.crt" "$dir/readme/tls.crt"
ln -s "$dir/server.key" "$dir/readme/tls.key"
ln -s "$STEADFAST" "$dir/readme/steadfast"
shown=$(python tests/clients/readme.py tls)
(cd "$dir/readme" && PATH=$PWD:$PATH bash -c "$shown --check-config" >"$dir/checked" 2>&1) || {
    cat "$dir/checked"
    exit 1
}

"$STEADFAST" run --sentinel "$SENTINELS" --primary-name "$PRIMARY_NAME" --listen off \
    --listen-tls 127.0.0.1:0 --admin-listen off --log-format json \
    --listen-tls-ca-file "$dir/ca.crt" \
    --listen-tls-cert-file "$dir/server.crt" --listen-tls-key-file "$dir/server.key" \
    2>"$dir/log" &
proxy=$!
for _ in $(seq 100); do
    port=$(sed -n '/"clients_tls"/s/.*"address":"127.0.0.1:\([0-9]*\)".*/\1/p' "$dir/log")
    if [ -n "$port" ]; then break; fi
    sleep 0.1
done

call() {
    redis-cli --tls --cacert "$dir/ca.crt" --cert "$dir/client.crt" --key "$dir/client.key" \
        -h 127.0.0.1 -p "$port" "$@"
}
expect() {
    if [ "$1" != "$2" ]; then
        echo "expected '$1', got '$2'"
        cat "$dir/log"
        exit 1
    fi
}
expect OK "$(call SET tls:a 'two words')"
expect 'two words' "$(call GET tls:a)"
expect 3000000 "$(head -c 3000000 /dev/zero | call -x SET tls:big >/dev/null && call STRLEN tls:big)"
expect 3000001 "$(call GET tls:big | wc -c)"
expect 1000 "$(for n in $(seq 1000); do echo "SADD tls:set $n"; done |
    call --pipe >/dev/null && call SCARD tls:set)"
expect 3 "$(call DEL tls:a tls:big tls:set)"

python - "$dir" "$port" <<'PYTHON'
import sys

import redis
import valkey

directory, port = sys.argv[1:]
options = f"ssl_ca_certs={directory}/ca.crt"
own = f"ssl_certfile={directory}/client.crt&ssl_keyfile={directory}/client.key"
for library, scheme in ((redis.Redis, "rediss"), (valkey.Valkey, "valkeys")):
    for protocol in (2, 3):
        url = f"{scheme}://localhost:{port}/0?{options}&{own}&protocol={protocol}"
        client = library.from_url(url, socket_timeout=20, decode_responses=True)
        assert client.set("tls:py", "wert") is True
        assert client.get("tls:py") == "wert"
        with client.pipeline() as pipe:
            for _ in range(500):
                pipe.incr("tls:n")
            assert pipe.execute() == list(range(1, 501))
        client.delete("tls:py", "tls:n")
for library, scheme in ((redis, "rediss"), (valkey, "valkeys")):
    try:
        library.from_url(f"{scheme}://localhost:{port}/0?{options}", socket_timeout=20).ping()
        raise SystemExit("a client without a certificate got in")
    except library.exceptions.ConnectionError:
        pass
PYTHON

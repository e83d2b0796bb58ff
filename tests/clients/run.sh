#!/usr/bin/env bash
# Runs unchanged, real clients and the README's copy blocks through Steadfast on a real bed:
# primary, two replicas, three Sentinels. Prints one line for each check and a last line with the
# counts; exits with 1 if any failed. A check that cannot be made here says so (exit code 77). Needs what
# tests/setup.sh installs.
#
#   tests/clients/run.sh [CHECK...]      for example: tests/clients/run.sh redis_py.py
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly TOOLS=$PWD/target/tools
readonly LIMIT=240
readonly CANNOT=77
export NODE_PATH=$TOOLS/node/node_modules
export STEADFAST=$PWD/target/debug/steadfast
export PATH=$TOOLS/venv/bin:$PATH:$TOOLS/bin
export PYTHONDONTWRITEBYTECODE=1

cargo build --quiet --locked --bin steadfast --example failover_demo --example load

# The bed ends when its standard input does: with this script, however that ends.
coproc BED { exec target/debug/examples/failover_demo --print-env; }
# shellcheck disable=SC2153 # set by coproc
bed_pid=$BED_PID
# Kept under a name of its own: bash drops the array once the bed has ended.
exec {bed_input}>&"${BED[1]}"
end_bed() {
    exec {bed_input}>&-
    kill "$bed_pid" 2>/dev/null || true
    wait "$bed_pid" 2>/dev/null || true
}
trap end_bed EXIT
while read -r -t 60 -u "${BED[0]}" line; do
    case $line in
    READY=1) ready=1 && break ;;
    STEADFAST_ADDR=* | STEADFAST_ADMIN=* | SENTINELS=* | PRIMARY_NAME=*) export "${line?}" ;;
    esac
done
if [ -z "${ready-}" ]; then
    echo "the bed did not come up" >&2
    exit 1
fi

run_check() {
    case $1 in
    *.py) timeout "$LIMIT" python "tests/clients/$1" ;;
    *.php) timeout "$LIMIT" php "tests/clients/$1" ;;
    *.cjs) timeout "$LIMIT" node "tests/clients/$1" ;;
    failover/run.sh) "tests/clients/$1" ;; # bounded by itself
    *.sh) timeout "$LIMIT" bash "tests/clients/$1" ;;
    esac
}

if [ $# -eq 0 ]; then
    set -- cli.sh tls.sh redis_py.py php_client.php ioredis.cjs \
        readme_shell.py readme_systemd.py readme_django.py readme_php.sh \
        readme_kubernetes.py readme_deployment.py \
        bench.py rolling/main.py browser/main.py failover/judge_test.py failover/run.sh
fi
passed=0
failed=0
skipped=0
for check in "$@"; do
    status=0
    output=$(run_check "$check" </dev/null 2>&1) || status=$?
    case $status in
    0) passed=$((passed + 1)) && echo "ok      $check" && continue ;;
    "$CANNOT") skipped=$((skipped + 1)) && echo "SKIPPED $check" ;;
    *) failed=$((failed + 1)) && echo "FAILED  $check" ;;
    esac
    printf '%s\n' "$output" | sed 's/^/        /'
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]

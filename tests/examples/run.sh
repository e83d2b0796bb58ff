#!/usr/bin/env bash
# Tries the examples through a planned failover and a crash on real deployments (story.py). Prints what
# the users of each saw and a last line with the counts; exits with 1 if any failed. Needs what
# tests/setup.sh examples installs. Logs of every process stay in target/examples.
#
#   tests/examples/run.sh [EXAMPLE...]      for example: tests/examples/run.sh django
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly LIMIT=300
export PATH=$PWD/target/tools/examples/bin:$PATH
export PYTHONPATH=$PWD/tests/clients/failover
export PYTHONDONTWRITEBYTECODE=1

if [ -z "${STEADFAST_BIN-}" ]; then
    cargo build --quiet --locked --bin steadfast
    export STEADFAST_BIN=$PWD/target/debug/steadfast
fi
if [ $# -eq 0 ]; then
    for readme in examples/*/README.md; do
        set -- "$@" "$(basename "$(dirname "$readme")")"
    done
fi
passed=0
failed=0
for example in "$@"; do
    if timeout --kill-after=10 "$LIMIT" python "tests/examples/check_${example//-/_}.py" </dev/null; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED  $example"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

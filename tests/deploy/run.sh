#!/usr/bin/env bash
# Checks everything below deploy/, and the Dockerfile, without a cluster and without a network. Prints one
# line for each check and a last line with the counts; exits with 1 if any failed. A check that cannot be
# made here says so (exit code 77). Needs what tests/setup.sh deploy installs.
#
#   tests/deploy/run.sh [CHECK...]      for example: tests/deploy/run.sh kustomize.py
#   STEADFAST=FILE                      the program that is asked for its settings, in place of a build
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly TOOLS=$PWD/target/tools
readonly LIMIT=600
readonly CANNOT=77
export PATH=$TOOLS/venv/bin:$PATH:$TOOLS/bin
export PYTHONDONTWRITEBYTECODE=1

if [ -z "${STEADFAST-}" ]; then
    cargo build --quiet --locked --bin steadfast
    STEADFAST=$PWD/target/debug/steadfast
fi
export STEADFAST

if [ $# -eq 0 ]; then
    set -- rules.py alerts.py kustomize.py units.py chart.py compose.py image.py
fi
passed=0
failed=0
skipped=0
for check in "$@"; do
    status=0
    output=$(timeout "$LIMIT" "tests/deploy/$check" </dev/null 2>&1) || status=$?
    case $status in
    0) passed=$((passed + 1)) && echo "ok      $check" ;;
    "$CANNOT") skipped=$((skipped + 1)) && echo "SKIPPED $check" ;;
    *) failed=$((failed + 1)) && echo "FAILED  $check" ;;
    esac
    if [ "$status" -ne 0 ]; then
        printf '%s\n' "$output" | sed 's/^/        /'
    else
        # What was left out is said also where the rest is in order.
        printf '%s\n' "$output" | sed -n 's/^NOT CHECKED/        &/p'
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]

#!/usr/bin/env bash
# Runs the client programs through Steadfast while the primary changes. Needs what tests/setup.sh
# installs and a built binary (STEADFAST_BIN, else target/debug/steadfast). Arguments: main.py's.
set -euo pipefail
cd "$(dirname "$0")/../../.."

readonly LIMIT=600
export NODE_PATH=$PWD/target/tools/node/node_modules
export PYTHONDONTWRITEBYTECODE=1

exec timeout --kill-after=10 "${FAILOVER_LIMIT:-$LIMIT}" \
    target/tools/venv/bin/python tests/clients/failover/main.py "$@"

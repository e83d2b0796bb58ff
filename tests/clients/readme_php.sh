#!/usr/bin/env bash
# The README's php.ini lines: a session written by one request is read by the next.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python tests/clients/readme.py php >"$folder/session.ini"
extensions=$(php -r 'echo PHP_CONFIG_FILE_SCAN_DIR;')
export PHP_INI_SCAN_DIR=$extensions:$folder

request() {
    php -d session.use_cookies=0 -d session.cache_limiter= -r "
        if (ini_get('session.save_handler') !== 'redis') exit(2);
        if (!str_contains(ini_get('session.save_path'), getenv('STEADFAST_ADDR'))) exit(3);
        session_id('readme'); session_start(); $1"
}
# shellcheck disable=SC2016 # these dollars are PHP's
request '$_SESSION["cart"] = ["apple", 2];'
# shellcheck disable=SC2016
seen=$(request 'echo json_encode($_SESSION["cart"]);')
request 'session_destroy();'
# shellcheck disable=SC2016
gone=$(request 'echo json_encode($_SESSION); session_destroy();')
if [ "$seen" != '["apple",2]' ] || [ "$gone" != '[]' ]; then
    echo "second request saw '$seen', the one after destroy '$gone'"
    exit 1
fi

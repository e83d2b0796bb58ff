<?php
// Where sessions are kept, and how: to be required before session_start().
declare(strict_types=1);

/** Host and port of Steadfast, as one of two kinds of platform tells them. */
function session_storage(): array
{
    $host = getenv('SESSIONSTORAGE_HOSTNAME');
    if ($host !== false) {
        return [$host, (int) (getenv('SESSIONSTORAGE_PORT') ?: 6379)];
    }
    $relationships = json_decode(base64_decode(getenv('PLATFORM_RELATIONSHIPS') ?: ''), true);
    $one = $relationships['sessionstorage'][0] ?? ['host' => '127.0.0.1', 'port' => 6379];
    return [$one['host'], (int) $one['port']];
}

[$host, $port] = session_storage();
// The extension knows no handler called `valkey`: `redis` is the one for both servers.
ini_set('session.save_handler', 'redis');
// Reading must be allowed to take longer than Steadfast's hold time (15 s, unless it was told another).
ini_set('session.save_path', "tcp://$host:$port?persistent=1&timeout=2&read_timeout=30&prefix=shop:session:");
ini_set('session.use_strict_mode', '1');

// Two requests of one visitor take turns. Whoever waits has to be more patient than a lock lives, because
// a lock whose release was cut off by a crash stays for its whole life.
ini_set('redis.session.locking_enabled', '1');
ini_set('redis.session.lock_expire', '10');
ini_set('redis.session.lock_wait_time', '20000');
ini_set('redis.session.lock_retries', '1000');

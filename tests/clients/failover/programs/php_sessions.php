<?php
// PHP sessions kept by phpredis with locking: each round is what one request does with its session.
//
// The counter in the session rises by one with each round, so an acknowledged session that is
// forgotten shows. The time limit is what a web request has; the lock's life follows it.
declare(strict_types=1);
ini_set('max_execution_time', '30');
ini_set('session.save_handler', 'redis');
ini_set('session.save_path', 'tcp://127.0.0.1:' . getenv('STEADFAST_PORT'));
ini_set('redis.session.locking_enabled', '1');
ini_set('session.use_cookies', '0');
ini_set('session.cache_limiter', '');
require __DIR__ . '/stage.php';

$notes = [];
$logged = [];
set_error_handler(function (int $level, string $text) use (&$notes, &$logged): bool {
    $notes[] = $text;
    $logged[] = substr($text, 0, 200);
    return true;
});
$requests = new Activity();
$expected = 0;
$certain = true;
$forgotten = [];

/** One request: the counter it found, or null when PHP could not start or store the session. */
function request(): ?int
{
    session_id('failover');
    if (!session_start()) {
        return null;
    }
    $found = $_SESSION['count'] ?? 0;
    $_SESSION['count'] = $found + 1;
    return session_write_close() ? $found : null;
}

while ($requests->goesOn()) {
    $notes = [];
    try {
        $found = request();
    } catch (Throwable $error) {
        $found = null;
        $notes[] = get_class($error) . ': ' . $error->getMessage();
    }
    if ($found === null || $notes) {
        $requests->error(label('session', implode('; ', $notes) ?: 'returned false'));
        // What that request did is not known: neither is the counter.
        $certain = false;
        if (session_status() === PHP_SESSION_ACTIVE) {
            session_abort();
        }
        continue;
    }
    if ($certain && $found !== $expected) {
        $forgotten[] = [$expected, $found, microtime(true)];
    }
    $expected = $found + 1;
    $certain = true;
    $requests->ok();
}
$requests->finish('request', ['forgotten' => $forgotten, 'logged' => array_slice($logged, 0, 20)]);

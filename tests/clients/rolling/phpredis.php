<?php
// Applications as PHP has them: each request connects, counts up a key, reads it back and closes. Works
// until standard input ends, then says in one line of JSON what it was told, and every error.
// Arguments: the port, and the name of the key.
declare(strict_types=1);

const PACE_US = 20000;
[, $port, $key] = $argv;
$errors = [];
set_error_handler(function (int $level, string $text) use (&$errors): bool {
    $errors[] = "warned: $text";
    return true;
});

/** One request; the number that the key has afterwards. */
function request(int $port, string $key): int
{
    $redis = new Redis();
    if (!$redis->connect('127.0.0.1', $port)) {
        throw new RuntimeException('connect returned false');
    }
    $counted = $redis->incr($key);
    $read = $redis->get($key);
    $redis->close();
    if (!is_int($counted) || $read !== (string) $counted) {
        throw new RuntimeException('returned ' . json_encode([$counted, $read]));
    }
    return $counted;
}

stream_set_blocking(STDIN, false);
for ($count = 0; fgets(STDIN) !== false || !feof(STDIN); usleep(PACE_US)) {
    try {
        $answer = request((int) $port, $key);
        if ($answer !== $count + 1) {
            $errors[] = "$key: $answer after $count";
        }
        $count = $answer;
    } catch (Throwable $error) {
        $errors[] = "$key: after $count: " . get_class($error) . ': ' . $error->getMessage();
    }
}
echo json_encode(['told' => [$key => $count], 'errors' => $errors], JSON_INVALID_UTF8_SUBSTITUTE), "\n";

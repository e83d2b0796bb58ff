<?php
// phpredis with its defaults on one persistent connection: writes and transactions in turn.
declare(strict_types=1);
require __DIR__ . '/stage.php';

$logged = [];
set_error_handler(function (int $level, string $text) use (&$logged): bool {
    $logged[] = substr($text, 0, 200);
    return true;
});
$writes = new Activity();
$redis = new Redis();
$redis->pconnect('127.0.0.1', (int) getenv('STEADFAST_PORT'));

/** One write, every fourth within a transaction; null when it went well, else what came instead. */
function write(Redis $redis, int $number, string $value): ?string
{
    $redis->clearLastError();
    $reply = $number % 4
        ? $redis->rPush('php:list', $value)
        : $redis->multi()->rPush('php:list', $value)->incr('php:count')->exec();
    $well = is_int($reply) || (is_array($reply) && !in_array(false, $reply, true));
    return $well ? null : label('returned ' . json_encode($reply), $redis->getLastError() ?? 'no error');
}

/** phpredis 5.3 takes an error told to EXEC for the beginning of a list, waits for more of it until its own
    timeout, and says then that the connection was closed, which it was not. */
function misread(RedisException $error, int $number, float $begun): bool
{
    $waited = microtime(true) - $begun >= (float) ini_get('default_socket_timeout');
    return $number % 4 === 0 && $waited && $error->getMessage() === 'Connection closed';
}

for ($number = 1; $writes->goesOn(); $number++) {
    $value = "p$number";
    $begun = microtime(true);
    try {
        $trouble = write($redis, $number, $value);
        $trouble === null ? $writes->ok($value) : $writes->error($trouble, $value);
    } catch (RedisException $error) {
        $told = misread($error, $number, $begun) ? 'UNCERTAIN, told to EXEC' : $error->getMessage();
        $writes->error(label('RedisException', $told), $value);
    }
}
$writes->finish('write', ['lists' => ['write' => 'php:list'], 'logged' => array_slice($logged, 0, 20)]);

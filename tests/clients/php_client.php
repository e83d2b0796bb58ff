<?php
// phpredis: strings, a pipeline, a transaction, a blocking pop, a script, a persistent connection.
declare(strict_types=1);

function expect(mixed $want, mixed $got): void
{
    if ($want !== $got) {
        fwrite(STDERR, 'expected ' . var_export($want, true) . ', got ' . var_export($got, true) . "\n");
        debug_print_backtrace();
        exit(1);
    }
}

[$host, $port] = explode(':', getenv('STEADFAST_ADDR'));

foreach (['connect', 'pconnect'] as $connect) {
    $redis = new Redis();
    $redis->$connect($host, (int) $port, 2.0, null, 0, 20.0);
    $redis->select(4);
    expect(true, $redis->set('php:a', 'value'));
    expect('value', $redis->get('php:a'));
    expect(false, $redis->get('php:none'));
    expect(false, $redis->set('php:a', 'other', ['nx', 'ex' => 10]));
    expect([true, 'b', 1], $redis->pipeline()->set('php:b', 'b')->get('php:b')->del('php:b')->exec());
    expect([1, 2], $redis->multi()->incr('php:n')->incr('php:n')->exec());

    $other = new Redis();
    $other->connect($host, (int) $port);
    $other->select(4);
    $redis->watch('php:n');
    $other->set('php:n', '9');
    expect(false, $redis->multi()->incr('php:n')->exec());

    expect([], $redis->blPop(['php:queue'], 1));
    $other->rPush('php:queue', 'job');
    expect(['php:queue', 'job'], $redis->blPop(['php:queue'], 5));
    expect('v', $redis->eval('return ARGV[1]', ['k', 'v'], 1));
    expect(2, $redis->del('php:a', 'php:n', 'php:queue'));
}

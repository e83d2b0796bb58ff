<?php
// What a visitor sees when a failover cuts in: 503, and whether anything was done.
declare(strict_types=1);

set_exception_handler(function (Throwable $error): void {
    // Steadfast's own errors. MASTERDOWN: there was no primary for longer than the hold time, and nothing was
    // executed. UNCERTAIN: the primary died with the command in its hands.
    $text = match (true) {
        str_starts_with($error->getMessage(), 'MASTERDOWN') => 'Nothing was done.',
        str_starts_with($error->getMessage(), 'UNCERTAIN') => 'It may have been done: please look first.',
        default => throw $error,
    };
    http_response_code(503);
    header('Retry-After: 1');
    header('Content-Type: text/plain');
    echo $text, "\n";
});

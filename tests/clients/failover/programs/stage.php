<?php
// What the PHP programs here share: counting, and the talk with the harness (see stage.py).
declare(strict_types=1);

const PACE_US = 5000;
const WARM = 5;
const LATE = 10;
const LATE_LIMIT = 25.0;
const LABEL_LENGTH = 90;

function say(array $message): void
{
    fwrite(STDOUT, json_encode($message, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE) . "\n");
}

/** A short name for what a library said: the server's first word or the message's start. */
function label(string $kind, string $text): string
{
    $short = preg_match('/^([A-Z]+) /', $text, $found) ? $found[1] : $text;
    return substr("$kind: " . preg_replace('/\d+/', 'N', $short), 0, LABEL_LENGTH);
}

/** One loop of a program: what went well, what was raised, which values are meant to be where. */
final class Activity
{
    public int $oks = 0;
    public int $late = 0;
    public array $errors = [];
    public array $acked = [];
    public array $failed = [];
    private bool $ready = false;
    private float $longest = 0.0;
    private float $last;
    private float $stopAt = INF;

    public function __construct()
    {
        $this->last = microtime(true);
        stream_set_blocking(STDIN, false);
    }

    public function ok(?string $value = null): void
    {
        $now = microtime(true);
        $this->oks += 1;
        $this->late += $this->stopAt === INF ? 0 : 1;
        $this->longest = $this->oks > WARM ? max($this->longest, $now - $this->last) : 0.0;
        $this->last = $now;
        if ($value !== null) {
            $this->acked[] = [$value, $now];
        }
    }

    public function error(string $label, ?string $value = null): void
    {
        $this->errors[$label] = ($this->errors[$label] ?? 0) + 1;
        if ($value !== null) {
            $this->failed[] = [$value, $label];
        }
    }

    /** Whether the loop has more to do; looks at standard input, which ends the load. */
    public function goesOn(): bool
    {
        usleep(PACE_US);
        if (!$this->ready && $this->oks >= WARM) {
            $this->ready = true;
            say(['event' => 'ready']);
        }
        if ($this->stopAt === INF && ($this->ready && fgets(STDIN) !== false || feof(STDIN))) {
            $this->stopAt = microtime(true) + LATE_LIMIT;
        }
        return $this->late < LATE && microtime(true) < $this->stopAt;
    }

    /** Prints the result. */
    public function finish(string $name, array $more): void
    {
        $report = [
            'ok' => $this->oks,
            'errors' => (object) $this->errors,
            'in_flight' => 1,
            'went_on' => $this->late > 0,
            'longest_pause_ms' => (int) round($this->longest * 1000),
            'acked' => $this->acked,
            'failed' => $this->failed,
        ];
        say(['event' => 'result', 'activities' => [$name => $report]] + $more);
    }
}

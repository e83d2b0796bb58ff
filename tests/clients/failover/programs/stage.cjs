// What every Node program here shares: counting, and the talk with the harness (see stage.py).
'use strict';
const readline = require('node:readline');

const HOST = '127.0.0.1';
const PORT = Number(process.env.STEADFAST_PORT);
const PACE = 5;
const WARM = 5;
const LATE = 10;
const LATE_LIMIT = 25_000;
const LABEL_LENGTH = 90;
const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

// A short name for an error: its class, and the server's first word or the message's start.
function label(error) {
  const text = String(error?.message || error?.code || error);
  const word = /^([A-Z]+)( |$)/.exec(text);
  const short = (word ? word[1] : text).replace(/\d+/g, 'N');
  return `${error?.name ?? typeof error}: ${short}`.slice(0, LABEL_LENGTH);
}

class Activity {
  constructor(stage) {
    this.stage = stage;
    this.oks = 0;
    this.late = 0;
    this.errors = {};
    this.acked = [];
    this.failed = [];
    this.longest = 0;
    this.last = Date.now();
  }

  ok(value) {
    const now = Date.now();
    this.oks += 1;
    if (this.stage.stopping) this.late += 1;
    if (this.oks > WARM) this.longest = Math.max(this.longest, now - this.last);
    this.last = now;
    if (value !== undefined) this.acked.push([value, now / 1000]);
  }

  error(error, value) {
    const name = label(error);
    this.errors[name] = (this.errors[name] ?? 0) + 1;
    if (value !== undefined) this.failed.push([value, name]);
  }

  goesOn() {
    if (!this.stage.stopping) return true;
    return this.late < LATE && Date.now() < this.stage.stopAt;
  }

  // Unique values through `call`, one at a time, until the load ends or `more` says no more.
  async repeat(prefix, call, pace = PACE, more = () => this.goesOn()) {
    for (let number = 1; more(); number += 1) {
      const value = `${prefix}${number}`;
      try {
        await call(value);
        this.ok(value);
      } catch (error) {
        this.error(error, value);
      }
      await pause(pace);
    }
  }

  // Whatever `call` brings, until the load ends; null means nothing came.
  async gather(call) {
    while (this.goesOn()) {
      try {
        const value = await call();
        if (value !== null) this.ok(value);
      } catch (error) {
        this.error(error);
        await pause(PACE);
      }
    }
  }

  report() {
    return {
      ok: this.oks,
      errors: this.errors,
      in_flight: 1,
      went_on: this.late > 0,
      longest_pause_ms: this.longest,
      acked: this.acked,
      failed: this.failed,
    };
  }
}

class Stage {
  constructor() {
    this.stopping = false;
    this.activities = {};
    this.logged = [];
    this.closes = 0;
  }

  activity(name) {
    this.activities[name] = new Activity(this);
    return this.activities[name];
  }

  // Notes what the library reports as events instead of rejecting a call.
  watch(emitter, closing) {
    emitter.on('error', (error) => this.logged.push(label(error)));
    for (const event of closing) {
      emitter.on(event, () => {
        if (!this.ended) this.closes += 1;
      });
    }
  }

  async listen() {
    while (!Object.values(this.activities).every((activity) => activity.oks >= WARM)) {
      await pause(PACE);
    }
    say({ event: 'ready' });
    const input = readline.createInterface({ input: process.stdin });
    await new Promise((resolve) => {
      input.once('line', resolve);
      input.once('close', resolve);
    });
    input.close();
    this.stopAt = Date.now() + LATE_LIMIT;
    this.stopping = true;
  }

  // Runs the loops until the harness ends them, prints the result and ends the process.
  async play(loops, conclude) {
    await Promise.all([this.listen(), ...loops.map((loop) => loop())]);
    this.ended = true;
    const activities = Object.entries(this.activities).map(([name, one]) => [name, one.report()]);
    const result = { event: 'result', activities: Object.fromEntries(activities) };
    const more = { closes: this.closes, logged: this.logged.slice(0, 20), ...conclude() };
    process.stdout.write(`${JSON.stringify({ ...result, ...more })}\n`, () => process.exit(0));
  }
}

process.on('unhandledRejection', (error) => {
  console.error('unhandled rejection', error);
  process.exit(1);
});

module.exports = { HOST, PORT, PACE, Stage, pause };

// BullMQ with its defaults: a producer, a worker and a listener for events, each job counted.
'use strict';
const { Queue, QueueEvents, Worker } = require('bullmq');
const { HOST, PORT, PACE, Stage, pause } = require('./stage.cjs');

const IDLE_LIMIT = 25_000;
const connection = { host: HOST, port: PORT };
const stage = new Stage();
const added = stage.activity('add');
const done = stage.activity('process');
const heard = stage.activity('hear of completion');
const executed = [];
const queue = new Queue('jobs', { connection });
const events = new QueueEvents('jobs', { connection });
const worker = new Worker('jobs', async (job) => { executed.push(job.data.value); }, { connection });
let stalled = 0;

worker.on('completed', (job) => done.ok(job.data.value));
worker.on('failed', (job, error) => done.error(error, job?.data.value));
worker.on('stalled', () => { stalled += 1; });
events.on('completed', () => heard.ok());
for (const emitter of [queue, events, worker]) stage.watch(emitter, ['ioredis:close']);

// Jobs whose addition was acknowledged are executed before the result is told.
async function settle() {
  const end = Date.now() + IDLE_LIMIT;
  const missing = () => {
    const seen = new Set(executed);
    return added.acked.some(([value]) => !seen.has(value));
  };
  while (missing() && Date.now() < end) await pause(PACE);
}

stage.play([async () => {
  await added.repeat('j', (value) => queue.add('job', { value }), 4 * PACE,
    () => added.goesOn() || done.goesOn() || heard.goesOn());
  await settle();
}], () => ({ stalled, jobs: { sent: 'add', executed } }));

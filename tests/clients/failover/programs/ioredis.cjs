// ioredis with its defaults: writes, transactions, blocking pops, a subscription.
'use strict';
const Redis = require('ioredis');
const { HOST, PORT, PACE, Stage } = require('./stage.cjs');

const stage = new Stage();
const connect = () => {
  const client = new Redis(PORT, HOST);
  stage.watch(client, ['close']);
  return client;
};
const client = connect();
const popper = connect();
const subscriber = connect();
const plain = stage.activity('plain');
const transactions = stage.activity('transaction');
const pushes = stage.activity('push');
const pops = stage.activity('pop');
const published = stage.activity('publish');
const received = stage.activity('receive');

async function transact(value) {
  const replies = await client.multi().rpush('io:transaction', value).incr('io:transaction:count').exec();
  for (const [error] of replies ?? [[new Error('EXEC answered nil')]]) if (error) throw error;
}

async function publish(value) {
  if ((await client.publish('io:feed', value)) === 0) throw new Error('published to nobody');
}

async function main() {
  await subscriber.subscribe('io:feed');
  subscriber.on('message', (_channel, value) => received.ok(value));
  await stage.play([
    () => plain.repeat('p', (value) => client.rpush('io:plain', value)),
    () => transactions.repeat('t', transact),
    () => pushes.repeat('q', (value) => client.lpush('io:queue', value), 4 * PACE,
      () => pushes.goesOn() || pops.goesOn()),
    () => pops.gather(async () => (await popper.brpop('io:queue', 2))?.[1] ?? null),
    () => published.repeat('n', publish, 2 * PACE, () => published.goesOn() || received.goesOn()),
  ], () => ({
    lists: { plain: 'io:plain', transaction: 'io:transaction' },
    counters: { 'io:transaction': 'io:transaction:count' },
    queues: [{ key: 'io:queue', pushed: 'push', popped: 'pop' }],
    feeds: [{ published: 'publish', received: ['receive'] }],
  }));
}

main();

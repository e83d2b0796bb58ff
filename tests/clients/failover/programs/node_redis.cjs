// node-redis with its defaults: writes, transactions, blocking pops, a subscription.
'use strict';
const { createClient } = require('redis');
const { HOST, PORT, PACE, Stage } = require('./stage.cjs');

const stage = new Stage();
const connect = async () => {
  const client = createClient({ url: `redis://${HOST}:${PORT}` });
  stage.watch(client, ['reconnecting']);
  return client.connect();
};
const plain = stage.activity('plain');
const transactions = stage.activity('transaction');
const pushes = stage.activity('push');
const pops = stage.activity('pop');
const published = stage.activity('publish');
const received = stage.activity('receive');

async function main() {
  const [client, popper, subscriber] = await Promise.all([connect(), connect(), connect()]);
  const transact = (value) =>
    client.multi().rPush('node:transaction', value).incr('node:transaction:count').exec();
  const publish = async (value) => {
    if ((await client.publish('node:feed', value)) === 0) throw new Error('published to nobody');
  };
  await subscriber.subscribe('node:feed', (value) => received.ok(value));
  await stage.play([
    () => plain.repeat('p', (value) => client.rPush('node:plain', value)),
    () => transactions.repeat('t', transact),
    () => pushes.repeat('q', (value) => client.lPush('node:queue', value), 4 * PACE,
      () => pushes.goesOn() || pops.goesOn()),
    () => pops.gather(async () => (await popper.brPop('node:queue', 2))?.element ?? null),
    () => published.repeat('n', publish, 2 * PACE, () => published.goesOn() || received.goesOn()),
  ], () => ({
    lists: { plain: 'node:plain', transaction: 'node:transaction' },
    counters: { 'node:transaction': 'node:transaction:count' },
    queues: [{ key: 'node:queue', pushed: 'push', popped: 'pop' }],
    feeds: [{ published: 'publish', received: ['receive'] }],
  }));
}

main();

// ioredis: strings, a pipeline, a transaction, a blocking pop, a subscription.
'use strict';
const assert = require('node:assert/strict');
const { once } = require('node:events');
const Redis = require('ioredis');

const [host, port] = process.env.STEADFAST_ADDR.split(':');
const connect = () => new Redis({ host, port: Number(port), keyPrefix: '', db: 5 });

async function main() {
  const redis = connect();
  const other = connect();
  await redis.flushdb();
  assert.equal(await redis.set('node:a', 'value'), 'OK');
  assert.equal(await redis.get('node:a'), 'value');
  assert.equal(await redis.get('node:none'), null);

  const pipe = redis.pipeline();
  for (let n = 0; n < 2000; n += 1) pipe.set(`node:p:${n}`, n);
  const replies = await pipe.exec();
  assert.ok(replies.length === 2000 && replies.every(([error, reply]) => !error && reply === 'OK'));
  assert.equal(await redis.dbsize(), 2001);

  assert.deepEqual(await redis.multi().incr('node:n').incr('node:n').exec(), [[null, 1], [null, 2]]);
  await redis.watch('node:n');
  await other.set('node:n', '9');
  assert.equal(await redis.multi().incr('node:n').exec(), null);

  const popped = redis.blpop('node:queue', 10);
  await other.rpush('node:queue', 'job');
  assert.deepEqual(await popped, ['node:queue', 'job']);

  const subscriber = connect();
  await subscriber.subscribe('node:channel');
  const message = once(subscriber, 'message');
  assert.equal(await redis.publish('node:channel', 'hello'), 1);
  assert.deepEqual(await message, ['node:channel', 'hello']);

  await redis.flushdb();
  for (const client of [redis, other, subscriber]) client.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

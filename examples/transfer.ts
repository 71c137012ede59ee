/** A lease that changes hands: a web process takes the lock, answers, and lets another process go on under it, with no gap. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as work } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type Detached, LockCoordinator } from 'redisync';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis, { ttl: 10_000 });
const NAME = 'example:transfer';

/** The one who is handed the lease goes on with it by its owner. The token is the same: for what is written, it is one holder. */
const goOn = async ({ name, owner, fence }: Detached): Promise<void> => {
  const lease = await locks.mutex(name, { owner }).acquire({ timeout: 5_000 });
  console.log('the worker goes on', lease.fence === fence ? 'under the same token' : 'under another token');
  await work(100, undefined, { signal: lease.signal });
  await lease.release();
};

/** The handle is plain data: it can go by a queue, a row or an argument. It must arrive before its time is over. */
const handOver = async (): Promise<void> => {
  const lease = await locks.mutex(NAME).acquire({ timeout: 5_000 });
  const handle = await lease.detach();
  console.log('the web process answers, and holds', lease.held ? 'still' : 'nothing');
  const worker = fork(import.meta.filename, [JSON.stringify(handle)]);
  const busy = await locks.mutex(NAME).tryAcquire();
  console.log('meanwhile the lock is', busy ? 'free' : 'busy');
  await once(worker, 'exit');
};

const [, , handle] = process.argv;
await (handle ? goOn(JSON.parse(handle)) : handOver());
await locks.close();
redis.disconnect();

/** A lease that changes hands: a web process acquires the lock and answers, and another process continues the lease without a gap. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as work } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type Detached, LockCoordinator } from 'redisync';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis, { ttl: 10_000 });
const NAME = 'example:transfer';

/** Continues the lease by its owner. The fence stays the same: to what is written to, it is one holder. */
const goOn = async ({ name, owner, fence }: Detached): Promise<void> => {
  const lease = await locks.mutex(name, { owner }).acquire({ timeout: 5_000 });
  console.log('the worker goes on', lease.fence === fence ? 'with the same fence' : 'with another fence');
  await work(100, undefined, { signal: lease.signal });
  await lease.release();
};

/** Hands the lease over. The handle is plain data, for a queue, a row or an argument. It must arrive before its time is over. */
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

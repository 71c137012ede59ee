/** Locks in promise code: acquire, `await using`, a bounded wait, an AbortSignal to end the wait, and one that ends with the lease. */
import { setTimeout as work } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { LockCoordinator, LockTimeoutError } from 'redisync';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis, { ttl: 5_000 });
const report = locks.mutex('example:report');

{
  await using lease = await report.acquire({ timeout: 5_000 });
  await work(20, undefined, { signal: lease.signal }); // fetch, setTimeout, a query …: aborted if the lease is lost
  lease.assertHeld(500); // throws unless there are 500 ms left for what must not be done twice
  console.log('built under a lease');

  // Meanwhile others cannot acquire it: they give up after a time, or when their signal is aborted.
  const late = await report.acquire({ timeout: 50 }).catch((error: Error) => error);
  if (late instanceof LockTimeoutError)
    console.log(`${late.code}, held by ourselves: ${late.owners[0] === lease.owner}`);
  const told = await report.acquire({ signal: AbortSignal.abort() }).catch((error: Error) => error);
  console.log(told instanceof Error ? told.name : 'not expected');
} // released here, after a throw as well

const lease = await report.acquire({ timeout: 0 }); // one attempt
console.log(`free again, and then given back: ${await lease.release()}`);
await locks.close();
redis.disconnect();

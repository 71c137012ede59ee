/** The same locks over node-redis: no ioredis is needed. The client need not be connected: locks have connections of their own. */
import { setTimeout as work } from 'node:timers/promises';
import { createClient } from 'redis';
import { LockCoordinator, whileHeld } from 'redisync';
import { lastValueFrom, merge } from 'rxjs';

const redis = createClient({ url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' });
const locks = new LockCoordinator(redis, { ttl: 10_000 });

const order = (id: number) =>
  locks.mutex('example:node-redis').pipe(
    whileHeld(async (lease) => {
      console.log(`order ${id} begins`);
      await work(20, undefined, { signal: lease.signal });
      return console.log(`order ${id} ends`);
    }),
  );

await lastValueFrom(merge(order(1), order(2), order(3)));
await locks.close();

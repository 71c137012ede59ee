/** A holder and the first waiters that have died: the first living one holds soon after the holder has lapsed, whatever its rank. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { asyncScheduler, firstValueFrom } from 'rxjs';
import { LockCoordinator } from '../../src/index.ts';
import { RedisStore } from '../../src/store/redis.ts';
import { openRedisStore } from '../contract/redis-store.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';

/** All have asked by then, also on a busy machine. */
const TTL = 10_000;
/** Its third, the heartbeat, is a minute: far more than what is measured here. */
const WAITER_TTL = 180_000;

describe('behind dead waiters', function () {
  this.timeout(300_000);
  let server: Server;
  let redis: Redis;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
  });
  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  for (const dead of [5, 60]) {
    it(`the first living waiter holds when the holder has lapsed, behind ${dead}`, async () => {
      const name = `behind ${dead}`;
      const times = { ttl: TTL, waiterTtl: WAITER_TTL };
      const request = { name, mode: 'exclusive', permits: 1, limit: 0, ...times } as const;
      const killed = await openRedisStore(new Redis(server.url, { lazyConnect: true }));
      const since = performance.now();
      await firstValueFrom(killed.acquire({ ...request, owner: 'holder' }, true, 5_000));
      for (let i = 0; i < dead; i += 1) {
        await firstValueFrom(killed.acquire({ ...request, owner: `dead ${i}` }, true, 5_000));
      }
      const living = [1, 2, 3].map(() => new LockCoordinator(redis, { ...times, renewEvery: 400 }));
      const order: string[] = [];
      const waits = living.flatMap((locks, i) =>
        Array.from({ length: 20 }, async (_, j) => {
          const lease = await locks.mutex(name, { owner: `living ${i} ${j}` }).acquire();
          order.push(lease.owner);
          return lease;
        }),
      );
      const watch = new RedisStore(redis, asyncScheduler);
      const waiting = async (): Promise<readonly string[]> =>
        (await firstValueFrom(watch.inspect(name, 5_000))).waiting.map(({ owner }) => owner);
      await eventually('all wait', async () => (await waiting()).length === dead + waits.length);
      const first = (await waiting())[dead];
      killed.close(); // as the server sees a process that is killed
      await eventually('one holds', () => order.length > 0, WAITER_TTL);
      const took = performance.now() - since;
      assert.isAtLeast(took, TTL - 5);
      assert.isBelow(took, WAITER_TTL / 3, 'it did not wait for a heartbeat');
      assert.deepEqual(order, [first]);
      watch.close();
      await Promise.all([...living.map((locks) => locks.close()), ...waits.map((wait) => wait.catch(() => undefined))]);
      await redis.flushall();
    });
  }
});

/** The async context of the user's own code on a real Redis, where requests of many share a command and its answer. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { defer, finalize, lastValueFrom, mergeMap, tap, timer } from 'rxjs';
import { LockCoordinator, withLock } from '../../src/index.ts';
import { type Server, startServer } from '../support/server.ts';

describe('work under a lock, with AsyncLocalStorage', () => {
  const tenant = new AsyncLocalStorage<number>();
  let server: Server;
  let redis: Redis;
  let locks: LockCoordinator;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.port);
    locks = new LockCoordinator(redis, { ttl: 5_000 });
  });

  after(async () => {
    await locks.close();
    redis.disconnect();
    await server.stop();
  });

  it('runs, ends and is torn down in the context of whoever subscribed, free or handed over', async () => {
    const wrong: string[] = [];
    let seen = 0;
    const check = (mine: number, what: string): void => {
      seen += 1;
      if (tenant.getStore() !== mine) wrong.push(`${what} of ${mine} in ${tenant.getStore()}`);
    };
    const work = (mine: number): Promise<unknown> =>
      lastValueFrom(
        defer(() => {
          check(mine, 'work');
          return timer(1);
        }).pipe(
          mergeMap(async () => check(mine, 'await')),
          finalize(() => check(mine, 'teardown')),
          withLock(locks.mutex(`name ${mine % 7}`)),
          tap({ next: () => check(mine, 'value'), complete: () => check(mine, 'complete') }),
        ),
      );
    await Promise.all(Array.from({ length: 60 }, (_, i) => tenant.run(i, () => work(i))));
    assert.deepEqual(wrong, []);
    assert.equal(seen, 60 * 5);
  });
});

/** The async context of the user's own code on a real Redis, where requests of many share a command and its answer. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { catchError, defer, finalize, lastValueFrom, mergeMap, of, tap, timer } from 'rxjs';
import { allOf, LockCoordinator, whileHeld, withLock } from '../../src/index.ts';
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
    tenant.disable();
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

  it('is told in that context, too, that its time to wait is over', async () => {
    const lease = await locks.mutex('busy').acquire();
    const waits = [
      (timeout: number) => locks.mutex('busy').pipe(whileHeld(() => timer(1), { timeout })),
      (timeout: number) => timer(1).pipe(withLock(allOf(locks.mutex('busy')), { timeout })),
    ];
    const contexts = waits.flatMap((wait, i) =>
      [0, 20, 20].map((timeout, j) =>
        tenant.run(10 * i + j, () =>
          lastValueFrom(wait(timeout).pipe(catchError(() => of(tenant.getStore() === 10 * i + j)))),
        ),
      ),
    );
    assert.deepEqual(await Promise.all(contexts), Array(6).fill(true));
    await lease.release();
  });
});

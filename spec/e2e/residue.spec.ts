/** What is left behind on a real Redis, and in the process: nothing, whenever and however often a lock is left. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { firstValueFrom, type Subscription } from 'rxjs';
import { type Lock, LockCoordinator } from '../../src/index.ts';
import { Child } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
import { lived, patience, STEP } from '../support/lateness.ts';
import { type Server, startServer } from '../support/server.ts';

/** Timers and sockets that keep this process alive. */
const resources = (): string[] => process.getActiveResourcesInfo().filter((what) => /Timeout|TCP/.test(what));

/** Waits until nothing is alive that was not before. */
const settled = async (before: readonly string[]): Promise<void> => {
  await eventually('no timer and no socket', () => resources().length <= before.length, 5_000).catch(() =>
    assert.sameMembers(resources(), [...before]),
  );
};

describe('nothing is left behind', () => {
  let server: Server;
  let redis: Redis;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
    await redis.ping();
  });

  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  /** What is left of holders and waiters. */
  const keys = async (pattern = '*'): Promise<string[]> =>
    (await redis.keys(pattern)).filter((key) => !key.endsWith('~redisync:clock'));

  const all = (locks: LockCoordinator, i: number): Lock => {
    const name = `name-${i % 12}`;
    if (i % 12 < 8) return locks.mutex(name);
    if (i % 12 < 10) return locks.semaphore(name, 3, { permits: (i % 3) + 1 });
    return i % 2 ? locks.readWriteLock(name).read : locks.readWriteLock(name).write;
  };

  it('by 4 000 subscriptions that are unsubscribed in every phase of their life, in any order', async () => {
    await sleep(1); // the runner's own timer is set by then
    const before = resources();
    const coordinators = [new LockCoordinator(redis), new LockCoordinator(redis)] as const;
    const [delays] = fc.sample(fc.array(fc.integer({ min: 0, max: 25 }), { minLength: 4_000, maxLength: 4_000 }), {
      numRuns: 1,
      seed: 5,
    });
    const unhandled: unknown[] = [];
    const collect = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', collect);
    let leases = 0;
    const errors: unknown[] = [];
    const one = async (i: number, ms: number): Promise<void> => {
      const lock = all(coordinators[i % 2 ? 0 : 1], i);
      let granted = (): void => undefined;
      const grant = new Promise<void>((resolve) => {
        granted = resolve;
      });
      const subscription: Subscription = (i % 10 === 0 ? lock.try() : lock).subscribe({
        next: (lease) => {
          leases += 1;
          if (i % 5 === 0) void lease.release();
          if (i % 7 === 0) subscription?.unsubscribe();
          granted();
        },
        error: (error) => errors.push(error),
      });
      if (i % 13 === 1 && i % 10 > 0) await grant;
      else if (ms > 0) await sleep(ms);
      subscription.unsubscribe();
    };
    const flight = new Set<Promise<void>>();
    for (const [i, ms] of (delays ?? []).entries()) {
      const task = one(i, ms);
      flight.add(task);
      void task.then(() => flight.delete(task));
      if (flight.size > 60) await Promise.race(flight);
    }
    await Promise.all(flight);
    await eventually('no holder and no waiter', async () => (await keys()).length === 0);
    assert.deepEqual(errors, []);
    assert.isAtLeast(leases, 200, 'those that stay were granted, however slow the machine is');
    const since = performance.now();
    await Promise.all(coordinators.map((locks) => locks.close()));
    assert.isBelow(performance.now() - since, patience(1_000));
    await settled(before);
    process.off('unhandledRejection', collect);
    assert.deepEqual(unhandled, []);
  });

  it('by a process: it ends by itself after close(), whatever its coordinators were doing', async () => {
    const child = new Child('quitter', server.url);
    try {
      const [, held, timers] = await child.hears('closed');
      assert.isFalse(held);
      assert.deepEqual(timers, []);
      assert.equal(await child.ended(), 0);
      await eventually('no holder and no waiter', async () => (await keys()).length === 0);
    } finally {
      child.kill();
    }
  });

  it('by close() with 1 000 waiters while the server is stopped: it ends within two commandTimeouts', async () => {
    await sleep(1); // the runner's own timer is set by then
    const before = resources();
    const locks = new LockCoordinator(redis, { commandTimeout: 1_000 });
    const other = new LockCoordinator(redis, { commandTimeout: 10_000 });
    const held = await other.mutex('crowd').acquire();
    const errors: Promise<string>[] = Array.from({ length: 1_000 }, () =>
      locks
        .mutex('crowd')
        .acquire()
        .then(
          () => 'granted',
          ({ code }) => code,
        ),
    );
    await eventually('1 000 wait', async () => (await firstValueFrom(other.inspect('crowd'))).waiting.length === 1_000);
    server.process?.kill('SIGSTOP');
    const since = lived();
    await locks.close();
    const ms = lived() - since;
    server.process?.kill('SIGCONT');
    assert.isAtMost(ms, 2 * 1_000 + 2 * STEP);
    assert.sameMembers([...new Set(await Promise.all(errors))], ['COORDINATOR_CLOSED']);
    assert.isTrue(await held.release());
    await other.close();
    await settled(before);
  });

  it('by 500 waiters that give up at once: the next one is served without delay', async () => {
    const locks = new LockCoordinator(redis, { ttl: 180_000, waiterTtl: 180_000 });
    const held = await locks.mutex('give-up').acquire();
    const crowd = Array.from({ length: 500 }, () => locks.mutex('give-up').subscribe());
    await eventually('they wait', async () => (await firstValueFrom(locks.inspect('give-up'))).waiting.length === 500);
    for (const subscription of crowd) subscription.unsubscribe();
    const next = locks.mutex('give-up').acquire();
    await held.release();
    const since = performance.now();
    await (await next).release();
    assert.isBelow(performance.now() - since, 60_000, 'a place that is left behind, or a heartbeat, takes longer');
    await eventually('no holder and no waiter', async () => (await keys('*give-up*')).length === 0);
    await locks.close();
  });
});

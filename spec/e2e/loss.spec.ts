/** How a lease is lost on a real Redis: the work is unsubscribed, the stream errors, the signal is aborted; and how it is not. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { defer, filter, finalize, firstValueFrom, NEVER } from 'rxjs';
import {
  type Lease,
  type Lock,
  LockCoordinator,
  LockCorruptedError,
  LockLostError,
  whileHeld,
} from '../../src/index.ts';
import { Child } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
import { holderAt } from '../support/holder-at.ts';
import { lived, STEP } from '../support/lateness.ts';
import { type Server, startServer } from '../support/server.ts';

/** What was seen of a lease that work is under. */
interface Seen {
  lease?: Lease;
  unsubscribed: boolean;
  aborted?: unknown;
  error?: LockLostError;
  /** When: by the clock, and by what this process has lived. */
  at: number;
  lived: number;
}

const underWay = async (lock: Lock): Promise<Seen> => {
  const seen: Seen = { unsubscribed: false, at: 0, lived: 0 };
  lock
    .pipe(
      whileHeld((lease) => {
        seen.lease = lease;
        lease.signal.addEventListener('abort', () => {
          seen.aborted = lease.signal.reason;
        });
        return defer(() => NEVER).pipe(
          finalize(() => {
            seen.unsubscribed = true;
          }),
        );
      }),
    )
    .subscribe({
      error: (error) => {
        seen.error = error;
        seen.at = performance.now();
        seen.lived = lived();
      },
    });
  await eventually('the work is under way', () => seen.lease !== undefined);
  return seen;
};

const lost = async (seen: Seen, reason: string, within = 5_000): Promise<void> => {
  await eventually('it is lost', () => seen.error !== undefined, within);
  assert.instanceOf(seen.error, LockLostError);
  assert.equal(seen.error?.reason, reason);
  assert.isTrue(seen.unsubscribed, 'the work is unsubscribed');
  assert.strictEqual(seen.aborted, seen.error, 'the signal is aborted with the same error');
  assert.isFalse(seen.lease?.held);
  assert.throws(() => seen.lease?.assertHeld(), LockLostError);
  assert.isFalse(await seen.lease?.release());
};

describe('a lease on a real Redis', () => {
  let server: Server;
  let redis: Redis;
  let locks: LockCoordinator;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
    redis.on('error', () => undefined);
    locks = new LockCoordinator(redis, { ttl: 3_000, renewEvery: 100 });
  });

  after(async () => {
    await locks.close();
    redis.disconnect();
    await server.stop();
  });

  it('outlives its ttl while it is subscribed to', async () => {
    const seen = await underWay(locks.mutex('long'));
    const { lease } = seen;
    for (let i = 0; i < 35; i += 1) {
      await sleep(100);
      assert.isTrue(lease?.held);
      assert.equal(await holderAt(redis, 'long'), lease?.owner);
    }
    assert.isUndefined(seen.error);
    assert.isTrue(await lease?.release());
  });

  it('whose key is deleted is lost at the next renewal, and the key is not made again', async () => {
    const seen = await underWay(locks.mutex('deleted'));
    await redis.del('deleted');
    await lost(seen, 'taken');
    assert.equal(await redis.exists('deleted'), 0);
  });

  it('whose key is renamed is lost at the next renewal', async () => {
    const seen = await underWay(locks.mutex('renamed'));
    await redis.rename('renamed', 'elsewhere');
    await lost(seen, 'taken');
    assert.equal(await redis.exists('renamed'), 0);
  });

  it('whose key is overwritten is lost as taken, and what was written stays', async () => {
    const seen = await underWay(locks.mutex('overwritten'));
    await redis.set('overwritten', 'another', 'PX', 60_000);
    await lost(seen, 'taken');
    assert.equal(await redis.get('overwritten'), 'another');
    assert.isAbove(await redis.pttl('overwritten'), 50_000);
  });

  it('whose key has become a list is lost as taken, and the list stays', async () => {
    const seen = await underWay(locks.mutex('list'));
    await redis.del('list');
    await redis.rpush('list', 'x');
    await lost(seen, 'taken');
    assert.deepEqual(await redis.lrange('list', 0, -1), ['x']);
  });

  it('that is broken by forceRelease is lost as taken, of whatever kind', async () => {
    const { read, write } = locks.readWriteLock('rw');
    const readers = [await underWay(read), await underWay(read)];
    assert.isTrue(await firstValueFrom(locks.forceRelease('rw')));
    for (const seen of readers) await lost(seen, 'taken');
    const kinds = {
      rw: write,
      mutex: locks.mutex('mutex'),
      semaphore: locks.semaphore('semaphore', 3, { permits: 2 }),
    };
    for (const [name, lock] of Object.entries(kinds)) {
      const seen = await underWay(lock);
      assert.isTrue(await firstValueFrom(locks.forceRelease(name)));
      assert.isFalse(await firstValueFrom(locks.forceRelease(name)), 'it is broken already');
      await lost(seen, 'taken');
    }
  });

  it('that is broken by forceRelease goes to the next waiter, with a higher fence', async () => {
    const seen = await underWay(locks.mutex('next'));
    const next = locks.mutex('next').acquire();
    await eventually('it waits', async () => (await firstValueFrom(locks.inspect('next'))).waiting.length === 1);
    await firstValueFrom(locks.forceRelease('next'));
    const lease = await next;
    assert.isAbove(lease.fence, seen.lease?.fence ?? 0);
    await lost(seen, 'taken');
    assert.isTrue(lease.held);
    assert.isTrue(await lease.release());
  });

  it('is seen as lost after the event loop was blocked past its deadline, before any timer has fired', async () => {
    const lease = await locks.mutex('blocked', { ttl: 100, renewEvery: 33 }).acquire();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150);
    assert.throws(() => lease.assertHeld(), LockLostError);
    assert.isFalse(lease.held);
    assert.equal(lease.remaining(), 0);
    assert.isFalse(await lease.release());
  });

  it('is seen as lost by the first call after the process was stopped past its deadline', async () => {
    const child = new Child('holder', server.url, 'stopped', '400');
    try {
      const [, owner, fence] = await child.hears('held');
      child.process.kill('SIGSTOP');
      await sleep(700);
      const next = await locks.mutex('stopped', { ttl: 5_000 }).acquire({ timeout: 60_000 });
      assert.isAbove(next.fence, Number(fence));
      child.process.kill('SIGCONT');
      assert.deepEqual((await child.hears('looked')).slice(1), [false, 0, 'LOCK_LOST']);
      assert.deepEqual((await child.hears('lost')).slice(1, 2), ['LOCK_LOST']);
      assert.deepEqual((await child.hears('released')).slice(1), [false]);
      assert.equal(await holderAt(redis, 'stopped'), next.owner, `not touched by ${owner}`);
      assert.isTrue(await next.release());
    } finally {
      child.kill();
      await child.ended();
    }
  });
});

describe('a key that is no lock', () => {
  let server: Server;
  let redis: Redis;
  let locks: LockCoordinator;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
    locks = new LockCoordinator(redis);
  });

  after(async () => {
    await locks.close();
    redis.disconnect();
    await server.stop();
  });

  const kinds: Record<string, (key: string) => Promise<unknown>> = {
    'a string without an expiry': (key) => redis.set(key, 'for ever'),
    'a list': (key) => redis.rpush(key, 'x'),
    'a hash, as Redisson’s': (key) => redis.hset(key, 'uuid:1', '1'),
  };

  for (const [what, make] of Object.entries(kinds)) {
    it(`is refused with a LockCorruptedError, and nothing is written: ${what}`, async () => {
      await make(what);
      const before = await redis.dump(what);
      for (const lock$ of [
        locks.mutex(what),
        locks.mutex(what).try(),
        locks.semaphore(what, 2),
        locks.readWriteLock(what).read,
      ]) {
        const error = await firstValueFrom(lock$).catch((reason) => reason);
        assert.instanceOf(error, LockCorruptedError);
        assert.include(error.message, what);
      }
      assert.equal(await redis.dump(what), before);
      assert.deepEqual(await redis.keys('*redisync*'), []);
      await redis.del(what);
    });
  }

  it('is shown by inspect and deleted by forceRelease where it is a string without an expiry, and there alone', async () => {
    await redis.set('stuck', 'for ever');
    const { holders } = await firstValueFrom(locks.inspect('stuck'));
    assert.deepEqual(holders, [{ owner: 'for ever', mode: 'exclusive', permits: 1, remaining: -1 }]);
    assert.isTrue(await firstValueFrom(locks.forceRelease('stuck')));
    assert.equal(await redis.exists('stuck'), 0);
    await redis.rpush('stuck', 'x');
    assert.instanceOf(await firstValueFrom(locks.forceRelease('stuck')).catch((error) => error), LockCorruptedError);
    assert.equal(await redis.exists('stuck'), 1);
    await redis.del('stuck', ...(await redis.keys('{stuck}*')));
  });

  it('ends a wait that had begun before', async () => {
    await redis.set('begun', 'another', 'PX', 60_000);
    const waiting = locks.mutex('begun').acquire();
    await eventually('it waits', async () => (await firstValueFrom(locks.inspect('begun'))).waiting.length === 1);
    await redis.set('begun', 'for ever');
    assert.instanceOf(await waiting.catch((error) => error), LockCorruptedError);
    await eventually(
      'it has left the queue',
      async () => (await firstValueFrom(locks.inspect('begun'))).waiting.length === 0,
    );
    assert.equal(await redis.get('begun'), 'for ever');
  });
});

describe('a server that has gone', () => {
  for (const [how, signal] of [
    ['killed', 'SIGKILL'],
    ['stopped, with its sockets open', 'SIGSTOP'],
  ] as const) {
    it(`is a loss on time: ${how}`, async () => {
      const server = await startServer();
      const redis = new Redis(server.url);
      redis.on('error', () => undefined);
      const locks = new LockCoordinator(redis, { ttl: 2_000, renewEvery: 100, commandTimeout: 200 });
      try {
        const seen = await underWay(locks.mutex('a'));
        let renewed = 0;
        let fresh = 0;
        let left = 0;
        locks.events$.pipe(filter(({ type }) => type === 'renewed')).subscribe(() => {
          renewed = performance.now();
          fresh = lived();
          left = seen.lease?.remaining() ?? 0;
        });
        await eventually('it was renewed', () => renewed > 0);
        server.process?.kill(signal);
        await lost(seen, 'unreachable');
        assert.isAtMost(seen.lived - fresh, 1_978 + STEP, 'not later than its deadline');
        assert.isAtLeast(seen.at - renewed, left - 5, 'not before its deadline, but for the difference of two clocks');
      } finally {
        server.process?.kill('SIGCONT');
        await locks.close();
        redis.disconnect();
        await server.stop();
      }
    });
  }
});

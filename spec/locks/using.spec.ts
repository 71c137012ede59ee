/** Promise code without `await using`: `using()` and `tryAcquire()`, over memory. */
import { assert } from 'chai';
import { lastValueFrom } from 'rxjs';
import { CoordinatorClosedError, LockLostError, LockTimeoutError, RedisUnreachableError } from '../../src/errors.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { allOf } from '../../src/locks/all-of.ts';
import { Memory, memoryCoordinator } from '../../src/testing.ts';
import { label } from '../support/virtual.ts';

const failed = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => assert.fail('It succeeded'),
    (error) => error,
  );

describe('lock.using()', () => {
  const setUp = () => {
    const memory = new Memory();
    const locks = memoryCoordinator({ memory });
    const told: string[] = [];
    locks.events$.subscribe(({ type }) => told.push(type));
    return { memory, locks, told };
  };

  it('resolves with the result of the work, and has released the lease by then', async () => {
    const { locks, told } = setUp();
    const seen: boolean[] = [];
    const result = await locks.mutex('a').using(async (lease) => {
      await Promise.resolve();
      seen.push(lease.held);
      return lease.name;
    });
    assert.equal(result, 'a');
    assert.deepEqual(seen, [true]);
    assert.deepEqual(told, ['acquired', 'released']);
    assert.equal(await locks.mutex('a').using(() => 5), 5);
    await locks.close();
  });

  it('gives the leases of several locks, as many as there are', async () => {
    const { locks } = setUp();
    const names = await allOf(locks.mutex('b'), locks.mutex('a')).using(([b, a]) => [b.name, a.name]);
    assert.deepEqual(names, ['b', 'a']);
    await locks.close();
  });

  it('rejects with what the work throws, at once or later, and has released the lease by then', async () => {
    const { locks, told } = setUp();
    const error = new Error('no');
    const thrown = await failed(
      locks.mutex('a').using(() => {
        throw error;
      }),
    );
    const rejected = await failed(locks.mutex('a').using(() => Promise.reject(error)));
    assert.deepEqual([thrown, rejected], [error, error]);
    assert.deepEqual(told, ['acquired', 'released', 'acquired', 'released']);
    await locks.close();
  });

  it('rejects as soon as the lease is lost, also where the work does not end', async () => {
    const { memory, locks } = setUp();
    const others = memoryCoordinator({ memory });
    const lost = await failed(
      locks.mutex('a', { ttl: 60 }).using(async () => {
        await lastValueFrom(others.forceRelease('a'));
        return new Promise(() => undefined);
      }),
    );
    assert.equal(label(lost), 'lost: taken');
    await Promise.all([locks.close(), others.close()]);
  });

  it('rejects as released where the work went on after somebody else gave the lease back', async () => {
    const { locks } = setUp();
    const error = await failed(
      locks.mutex('a').using(async (lease) => {
        await lease.release();
        return 'done';
      }),
    );
    assert.instanceOf(error, LockLostError);
    assert.equal(error.reason, 'released');
    await locks.close();
  });

  it('rejects as closed where the coordinator closes while the work goes on, as a stream errors', async () => {
    const { locks } = setUp();
    const endless = (): Promise<never> => new Promise(() => locks.close());
    assert.instanceOf(await failed(locks.mutex('a').using(endless)), CoordinatorClosedError);
    const { locks: others } = setUp();
    const both = allOf(others.mutex('a'), others.mutex('b'));
    assert.instanceOf(await failed(both.using(() => others.close())), CoordinatorClosedError);
  });

  it('waits as acquire() does: within a time, or until a signal', async () => {
    const { locks } = setUp();
    await locks.mutex('a').acquire();
    const work = (): never => assert.fail('It worked');
    assert.instanceOf(await failed(locks.mutex('a').using(work, { timeout: 100 })), LockTimeoutError);
    assert.equal((await failed(locks.mutex('a').using(work, { signal: AbortSignal.abort() }))).name, 'AbortError');
    assert.instanceOf(await failed(locks.mutex('a').using('work' as never)), TypeError);
    await locks.close();
  });
});

describe('lock.tryAcquire()', () => {
  it('gives the lease, or null where others have it; a failure is neither', async () => {
    const memory = new Memory();
    const locks = memoryCoordinator({ memory, commandTimeout: 20 });
    const lease: Lease | null = await locks.mutex('a').tryAcquire();
    assert.isTrue(lease?.held);
    assert.isNull(await locks.mutex('a').tryAcquire());
    assert.isNull(await allOf(locks.mutex('a'), locks.mutex('b')).tryAcquire());
    memory.latency = Number.POSITIVE_INFINITY;
    assert.instanceOf(await failed(locks.mutex('b').tryAcquire()), RedisUnreachableError);
    memory.latency = 0;
    await locks.close();
  });
});

/** Letting go of a lease without releasing it, so that another process goes on with it, in virtual time. */
import { assert } from 'chai';
import { asyncScheduler, firstValueFrom } from 'rxjs';
import { RedisUnreachableError } from '../../src/errors.ts';
import { LockLostError } from '../../src/index.ts';
import type { Detached, Lease } from '../../src/lease/lease.ts';
import { Sessions } from '../../src/lease/sessions.ts';
import { type Kind, termsOf } from '../../src/lease/terms.ts';
import { Lock } from '../../src/locks/lock.ts';
import { Memory, memoryCoordinator } from '../../src/testing.ts';
import { FakeStore } from '../support/fake-store.ts';
import { label, type Virtual, virtual } from '../support/virtual.ts';

const EXCLUSIVE: Kind = { mode: 'exclusive', permits: 1, limit: 0 };

/** Detaches at 100 ms, and gives what comes of it. */
const detached = async (set: (v: Virtual) => void, seen: string[] = []): Promise<Detached> => {
  let answer: Promise<Detached> | undefined;
  virtual((v) => {
    set(v);
    let lease: Lease | undefined;
    v.lock({ owner: 'me' }).subscribe({
      next: (value) => (lease = value),
      error: (error) => seen.push(label(error)),
      complete: () => seen.push('complete'),
    });
    v.sessions.events$.subscribe(({ type }) => seen.push(type));
    v.at(100, () => {
      answer = lease?.detach();
      answer?.catch(() => undefined);
    });
    v.flush();
    seen.push(...v.store.log);
  });
  assert.isDefined(answer);
  return answer as Promise<Detached>;
};

describe('lease.detach()', () => {
  it('renews once more, and then sends nothing: a promise continues only after virtual time has run out', async () => {
    const memory = new Memory();
    const here = memoryCoordinator({ memory, ttl: 5_000 });
    const there = memoryCoordinator({ memory, ttl: 5_000 });
    const told: string[] = [];
    here.events$.subscribe(({ type }) => told.push(type));
    let completed = false;
    const lease = await new Promise<Lease>((resolve) =>
      here.mutex('a').subscribe({ next: resolve, complete: () => (completed = true) }),
    );
    const since = performance.now();
    const { name, owner, fence, remaining } = await lease.detach();
    assert.deepEqual([name, owner, fence], ['a', lease.owner, lease.fence]);
    assert.isAbove(remaining + (performance.now() - since), 4_900);
    assert.isTrue(completed);
    assert.isFalse(lease.held);
    assert.deepEqual(told, ['acquired', 'renewed', 'detached']);
    assert.isFalse(await lease.release());
    await here.close();
    const again = await there.mutex('a', { owner }).acquire({ timeout: 0 });
    assert.equal(again.fence, fence);
    assert.isTrue(await again.release());
    const free = await firstValueFrom(there.inspect('a'));
    assert.isEmpty(free.holders);
    await there.close();
  });

  it('rejects if the renewal fails, and the lease stays held', async () => {
    const seen: string[] = [];
    const answer = detached(({ store }) => {
      store.renewals = [store.failure(1, new RedisUnreachableError('a', 'Cut')), store.after(1, 'taken')];
    }, seen);
    assert.equal(await answer.catch(label), 'REDIS_UNREACHABLE');
    assert.deepEqual(seen.slice(0, 4), ['acquired', 'renewalFailed', 'lost', 'lost: taken']);
  });

  it('rejects with the loss if the lease is lost first', async () => {
    const answer = detached(({ store }) => {
      store.renewals = [store.after(1, 'taken')];
    });
    const error = await answer.catch((reason) => reason);
    assert.instanceOf(error, LockLostError);
    assert.equal(error.reason, 'taken');
  });

  it('waits for a renewal of unknown outcome, which could shorten the lease afterwards, and renews again', async () => {
    const store = new FakeStore(asyncScheduler);
    store.renewals = [store.failure(1, new RedisUnreachableError('a', 'Cut', 1)), store.after(1, 'renewed')];
    const terms = termsOf({ ttl: 5_000, renewEvery: 4_000, commandTimeout: 80, owner: 'me' });
    const lock = new Lock({ sessions: new Sessions(store), name: 'a', kind: EXCLUSIVE, terms });
    const lease = await lock.acquire();
    assert.equal(await lease.renew(500).catch(label), 'REDIS_UNREACHABLE');
    const { remaining } = await lease.detach();
    assert.isAbove(remaining, 0);
    const renewals = store.log.filter((call) => call.endsWith('renew')).map(Number.parseFloat);
    assert.lengthOf(renewals, 3);
    assert.isAtLeast(Number(renewals[2]) - Number(renewals[0]), 80);
    assert.isFalse(store.log.some((call) => call.endsWith('release')));
  });

  it('waits for a renewal that is asked for meanwhile: it would shorten the lease that another continues', async () => {
    const store = new FakeStore(asyncScheduler);
    const terms = termsOf({ ttl: 5_000, renewEvery: 4_000, commandTimeout: 80, owner: 'me' });
    const lease = await new Lock({ sessions: new Sessions(store), name: 'a', kind: EXCLUSIVE, terms }).acquire();
    const told: string[] = [];
    const detach = lease.detach().then(() => told.push('detached'));
    await Promise.all([detach, lease.renew(3_000).then(() => told.push('renewed'))]);
    assert.deepEqual(told, ['renewed', 'detached']);
  });
});

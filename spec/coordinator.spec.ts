/** The coordinator in virtual time, over a fake store: its defaults, its events, and above all its end. */
import { assert } from 'chai';
import { of } from 'rxjs';
import { LockCoordinator } from '../src/coordinator.ts';
import { RedisRefusedError } from '../src/errors.ts';
import type { LockEvent } from '../src/lease/events.ts';
import type { Lease } from '../src/lease/lease.ts';
import { withLock } from '../src/operators/with-lock.ts';
import type { Options } from '../src/options.ts';
import { ownStore } from '../src/store/open.ts';
import { denied, left, silence } from './support/fake-store.ts';
import { label, labelled, shown, type Virtual, virtual } from './support/virtual.ts';

const over = ({ store, scheduler }: Virtual, options: Options = {}): LockCoordinator =>
  new LockCoordinator(ownStore(store), {
    ttl: 1_000,
    renewEvery: 300,
    commandTimeout: 100,
    backoff: () => 50,
    scheduler,
    ...options,
  });

const BUSY = new RedisRefusedError('a', true, new Error('BUSY'));

describe('a coordinator', () => {
  it('gives its locks its own settings, which each may override', () =>
    virtual((v) => {
      const locks = over(v, { waiterTtl: 5_000, identity: 'me' });
      const { name, kind, terms } = locks.mutex('a', { ttl: 2_000, renewEvery: 10 }).wanted;
      assert.deepInclude({ name, ...kind }, { name: 'a', mode: 'exclusive' });
      assert.deepInclude(terms, { ttl: 2_000, renewEvery: 10, waiterTtl: 5_000, identity: 'me', commandTimeout: 100 });
    }));

  it('asks nobody before a lock is subscribed to', () =>
    virtual((v) => {
      const locks = over(v);
      locks.mutex('a');
      locks.semaphore('a', 3);
      locks.readWriteLock('a');
      locks.leadership('a');
      locks.inspect('a');
      locks.watch('a');
      locks.list();
      locks.forceRelease('a');
      v.ends([]);
    }));

  it('tells of all its locks in one stream, to whoever listens', () =>
    virtual((v) => {
      const locks = over(v);
      const told: string[] = [];
      const tell = ({ type, name }: LockEvent) => told.push(`${type} ${name}`);
      locks.events$.subscribe(tell);
      const both = locks.mutex('a').subscribe();
      both.add(locks.mutex('b').subscribe());
      v.at(10, () => both.unsubscribe());
      v.flush();
      assert.deepEqual(told, ['acquired a', 'acquired b', 'released a', 'released b']);
    }));

  it('breaks a lease by its name alone', () =>
    virtual((v) => {
      v.store.departures = [v.store.after(2, left()), v.store.after(2, left({ held: false }))];
      const locks = over(v);
      v.expectObservable(locks.forceRelease('a')).toBe('--(t|)', { t: true });
      v.expectObservable(locks.forceRelease('a')).toBe('--(f|)', { f: false });
      v.flush();
      assert.notProperty(v.store.asked[0], 'owner');
    }));
});

const closing = (v: Virtual, locks: LockCoordinator, ms: number): void => v.at(ms, () => void locks.close());

describe('close()', () => {
  it('releases what is held and leaves the queues, and ends when that is acknowledged', () =>
    virtual((v) => {
      const { store, expectObservable } = v;
      const locks = over(v);
      store.acquires = [store.after(1, { granted: true, fence: 1 }), store.after(1, denied())];
      store.departures = [store.after(20, left()), store.after(30, left({ held: false }))];
      expectObservable(shown(locks.mutex('a'))).toBe('-L 198ms #', undefined, 'COORDINATOR_CLOSED');
      expectObservable(shown(locks.mutex('b'))).toBe('200ms #', undefined, 'COORDINATOR_CLOSED');
      closing(v, locks, 200);
      v.ends(['0 acquire', '0 acquire', '200 release', '200 release']);
    }));

  it('waits for the last of the releases', () =>
    virtual((v) => {
      const { store, registry, lock } = v;
      store.departures = [store.after(20, left()), store.after(30, left()), store.after(10, left())];
      for (let i = 0; i < 3; i += 1) lock().subscribe({ error: () => undefined });
      const ended: number[] = [];
      v.at(100, () => registry.shut().subscribe(() => ended.push(v.time.now())));
      v.flush();
      assert.deepEqual(ended, [130]);
    }));

  it('ends at once where nothing is held, completes the events, and can be called again', async () => {
    let locks: LockCoordinator | undefined;
    virtual((v) => {
      locks = over(v);
    });
    let complete = false;
    locks?.events$.subscribe({
      complete: () => {
        complete = true;
      },
    });
    const first = locks?.close();
    assert.strictEqual(locks?.close(), first);
    await first;
    assert.isTrue(complete);
    await locks?.[Symbol.asyncDispose]();
  });

  it('unsubscribes the work under a lock before it releases', () =>
    virtual((v) => {
      const locks = over(v);
      const work = v.cold('a');
      v.expectObservable(work.pipe(withLock(locks.mutex('a')), labelled())).toBe(
        '-a 98ms #',
        undefined,
        'COORDINATOR_CLOSED',
      );
      v.expectSubscriptions(work.subscriptions).toBe('-^ 98ms !');
      closing(v, locks, 100);
      v.ends(['0 acquire', '100 release']);
    }));

  it('lets a release that is on its way end as it would have', () =>
    virtual((v) => {
      const locks = over(v);
      v.store.departures = [v.store.after(50, left())];
      v.expectObservable(of('x').pipe(withLock(locks.mutex('a')), labelled())).toBe('-x 49ms |');
      closing(v, locks, 20);
      v.ends(['0 acquire', '1 release']);
    }));

  it('aborts the signals of the leases, and none is held any more', () =>
    virtual((v) => {
      const locks = over(v);
      const seen: unknown[] = [];
      let lease: Lease | undefined;
      locks.mutex('a').subscribe({
        next: (value) => {
          lease = value;
        },
        error: (error) => seen.push(label(error)),
      });
      closing(v, locks, 100);
      v.at(100, () => seen.push(lease?.held, lease?.signal.aborted));
      v.flush();
      assert.deepEqual(seen, ['COORDINATOR_CLOSED', false, true]);
    }));

  it('refuses what comes after it', () =>
    virtual((v) => {
      const locks = over(v);
      closing(v, locks, 10);
      v.at(20, () => {
        const seen: string[] = [];
        const error = (reason: unknown) => seen.push(label(reason));
        locks.mutex('a').subscribe({ error });
        locks.mutex('a').try().subscribe({ error });
        locks.leadership('a').subscribe({ error });
        assert.deepEqual(seen, ['COORDINATOR_CLOSED', 'COORDINATOR_CLOSED', 'COORDINATOR_CLOSED']);
      });
      v.ends([]);
    }));

  it('ends the streams that wait for their next look or campaign, and leaves no timer of theirs', () =>
    virtual((v) => {
      const { store, scheduler } = v;
      const locks = over(v, { backoff: () => 60_000 });
      store.renewals = [store.after(1, 'gone')];
      store.inspect = () => of({ name: 'a', holders: [], waiting: [], fence: undefined });
      v.expectObservable(shown(locks.leadership('a'))).toBe('nL 299ms n 98ms #', undefined, 'COORDINATOR_CLOSED');
      v.expectObservable(shown(locks.watch('a', { every: 90_000 }))).toBe('L 399ms #', undefined, 'COORDINATOR_CLOSED');
      closing(v, locks, 400);
      v.at(402, () => assert.equal(scheduler.pending, 0));
      v.flush();
    }));
});

describe('close() while Redis does not answer', () => {
  const ended = async (script: (v: Virtual, locks: LockCoordinator) => void): Promise<void> => {
    let closed: Promise<void> | undefined;
    let pending = (): number => Number.NaN;
    virtual((v) => {
      const locks = over(v);
      script(v, locks);
      for (let i = 0; i < 10; i += 1) locks.mutex(`a${i}`).subscribe({ error: () => undefined });
      v.at(300, () => {
        closed = locks.close();
      });
      v.at(600, () => v.time.actions.splice(0)); // time stands still while promises run
      pending = () => v.scheduler.pending;
      v.flush();
    });
    await closed;
    assert.equal(pending(), 0, 'timers that outlive close()');
  };

  it('settles the releases that are under way: they did not happen, as far as is known', async () => {
    const answers: Promise<boolean>[] = [];
    await ended(({ store, at }, locks) => {
      store.departures = [store.failure(1, BUSY)];
      locks.mutex('a').subscribe({
        next: (lease) => at(250, () => answers.push(lease.release())),
        error: () => undefined,
      });
    });
    assert.deepEqual(await Promise.all(answers), [false]);
  });

  it('ends within two commandTimeouts, and leaves no timer', () =>
    ended(({ store }) => {
      store.departures = [silence];
    }));

  it('waits no longer than a timer can where two commandTimeouts are more', () =>
    virtual((v) => {
      const locks = over(v, { commandTimeout: 2 ** 30 });
      v.store.departures = [silence];
      locks.mutex('a').subscribe({ error: () => undefined });
      closing(v, locks, 100);
      v.at(200, () => v.time.actions.splice(0)); // time stands still while promises run
      v.flush();
      assert.equal(v.scheduler.longest, 2 ** 31 - 1);
    }));

  it('ends without the releases that are still to be made again, and leaves no timer', () =>
    ended(({ store }) => {
      store.departures = [store.failure(1, BUSY)];
    }));

  it('ends without waiting for what may land late, and leaves no timer', () =>
    ended(({ store }) => {
      store.acquires = [silence];
      store.departures = [store.after(1, left({ now: -1e6 }))];
    }));
});

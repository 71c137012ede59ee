/** The coordinator in virtual time, over a fake store: its defaults, its events, and above all its end. */
import { setImmediate } from 'node:timers/promises';
import { assert } from 'chai';
import { defer, firstValueFrom, mergeMap, NEVER, type Observable, of, retry } from 'rxjs';
import { LockCoordinator } from '../src/coordinator.ts';
import { RedisRefusedError } from '../src/errors.ts';
import type { LockEvent } from '../src/lease/events.ts';
import type { Lease } from '../src/lease/lease.ts';
import { allOf } from '../src/locks/all-of.ts';
import { anyOf } from '../src/locks/any-of.ts';
import { withLock } from '../src/operators/with-lock.ts';
import type { Options } from '../src/options.ts';
import { ownStore } from '../src/store/open-store.ts';
import { memoryCoordinator } from '../src/testing.ts';
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

  it('sends nothing before a lock is subscribed to', () =>
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

  it('may be extended by methods of any name', () =>
    virtual((v) => {
      class Orders extends LockCoordinator {
        lock = (id: number) => this.mutex(`order:${id}`);
        terms = (): string => 'net 30';
        whileOpen = (): never => assert.fail('this is no method of ours');
      }
      const orders = new Orders(ownStore(v.store) as never, { scheduler: v.scheduler });
      assert.equal(orders.lock(7).name, 'order:7');
      orders.leadership('a').subscribe().unsubscribe();
      v.flush();
    }));

  it('has the events of all its locks in one stream', () =>
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

  it('downgrades the lease of a write lock, and refuses to for any other', async () => {
    const answers: Promise<unknown>[] = [];
    virtual((v) => {
      const locks = over(v);
      const { read, write } = locks.readWriteLock('a');
      const held = [write, read, locks.mutex('a'), locks.semaphore('a', 2)].map((lock) =>
        lock.subscribe((lease) => answers.push(lease.downgrade().catch(String))),
      );
      v.at(50, () => {
        for (const subscription of held) subscription.unsubscribe();
      });
      v.flush();
      assert.lengthOf(
        v.store.log.filter((call) => call.endsWith('downgrade')),
        1,
      );
    });
    const [written, ...others] = await Promise.all(answers);
    assert.isUndefined(written);
    const refusal = 'TypeError: The lease on "a" cannot be downgraded: only that of a write lock can';
    assert.deepEqual(others, [refusal, refusal, refusal]);
  });

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
      const { store, sessions, lock } = v;
      store.departures = [store.after(20, left()), store.after(30, left()), store.after(10, left())];
      for (let i = 0; i < 3; i += 1) lock().subscribe({ error: () => undefined });
      const ended: number[] = [];
      v.at(100, () => sessions.shut().subscribe(() => ended.push(v.time.now())));
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

  it('waits for a release in flight, which resolves as it would have', () =>
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
        locks.inspect('a').subscribe({ error });
        locks.watch('a').subscribe({ error });
        locks.list().subscribe({ error });
        locks.forceRelease('a').subscribe({ error });
        locks.diagnose().subscribe({ error, complete: () => seen.push('complete') });
        assert.deepEqual(seen, Array(8).fill('COORDINATOR_CLOSED'));
      });
      v.ends([]);
    }));

  it('ends the streams that wait for their next look or campaign, and leaves no timer of theirs', () =>
    virtual((v) => {
      const { store, scheduler } = v;
      const locks = over(v, { backoff: () => 60_000 });
      store.renewals = [store.after(1, 'taken')];
      store.inspect = () => of({ name: 'a', holders: [], waiting: [], fence: undefined });
      v.expectObservable(shown(locks.leadership('a'))).toBe('nL 299ms n 98ms #', undefined, 'COORDINATOR_CLOSED');
      v.expectObservable(shown(locks.watch('a', { every: 90_000 }))).toBe('L 399ms #', undefined, 'COORDINATOR_CLOSED');
      closing(v, locks, 400);
      v.at(402, () => assert.equal(scheduler.pending, 0));
      v.flush();
    }));
});

describe('close({ drain })', () => {
  const draining = (v: Virtual, locks: LockCoordinator, ms: number, drain: number): void =>
    v.at(ms, () => void locks.close({ drain }));

  it('renews leases until their holders release them, then closes', () =>
    virtual((v) => {
      const locks = over(v);
      const work = v.cold('a 499ms b|');
      v.expectObservable(work.pipe(withLock(locks.mutex('a')))).toBe('-a 499ms b-|');
      draining(v, locks, 200, 10_000);
      v.at(510, () => assert.isTrue(v.store.closed));
      v.ends(['0 acquire', '300 renew', '502 release']);
    }));

  it('ends waits, and refuses new subscriptions', () =>
    virtual((v) => {
      const { store } = v;
      const locks = over(v);
      store.acquires = [store.after(1, { granted: true, fence: 1 }), store.after(1, denied())];
      v.expectObservable(shown(locks.mutex('a')), '^ 299ms !').toBe('-L');
      v.expectObservable(shown(locks.mutex('b'))).toBe('200ms #', undefined, 'COORDINATOR_CLOSED');
      v.expectObservable(shown(locks.leadership('b'))).toBe('n 199ms #', undefined, 'COORDINATOR_CLOSED');
      v.expectObservable(shown(v.cold('250ms a').pipe(mergeMap(() => locks.mutex('c'))))).toBe(
        '250ms #',
        undefined,
        'COORDINATOR_CLOSED',
      );
      draining(v, locks, 200, 10_000);
      v.ends(['0 acquire', '0 acquire', '0 acquire', '200 release', '200 release', '300 release']);
    }));

  it('ends the leases that are still held when the drain is over', () =>
    virtual((v) => {
      const locks = over(v);
      v.expectObservable(shown(locks.mutex('a'))).toBe('-L 798ms #', undefined, 'COORDINATOR_CLOSED');
      draining(v, locks, 200, 600);
      v.ends(['0 acquire', '300 renew', '600 renew', '800 release']);
    }));

  it('ends at once where nothing is held', () =>
    virtual((v) => {
      const locks = over(v);
      draining(v, locks, 200, 600);
      v.at(201, () => assert.isTrue(v.store.closed));
      v.ends([]);
    }));

  it('is cut short by a second close(), which is the same promise', () =>
    virtual((v) => {
      const locks = over(v);
      v.expectObservable(shown(locks.mutex('a'))).toBe('-L 298ms #', undefined, 'COORDINATOR_CLOSED');
      let first: Promise<void> | undefined;
      v.at(100, () => {
        first = locks.close({ drain: 600 });
      });
      v.at(200, () => assert.strictEqual(locks.close({ drain: 10 }), first));
      v.at(300, () => assert.strictEqual(locks.close(), first));
      v.ends(['0 acquire', '300 release']);
    }));

  it('does not campaign again, and takes no lease back, after a loss', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(1, 'taken')];
      const locks = over(v);
      const work = v.cold('a');
      v.expectObservable(work.pipe(withLock(locks.mutex('a')), retry(2), labelled())).toBe(
        '-a 299ms #',
        undefined,
        'COORDINATOR_CLOSED',
      );
      draining(v, locks, 200, 10_000);
      v.ends(['0 acquire', '300 renew', '301 release']);
    }));

  it('checks its arguments at once', () =>
    virtual((v) => {
      const locks = over(v);
      assert.throws(() => locks.close({ drain: -1 }), RangeError, 'drain');
      assert.throws(() => locks.close({ drain: '5' as never }), TypeError, 'drain');
      assert.throws(() => locks.close({ wait: 5 } as never), TypeError, 'it takes drain');
    }));
});

describe('retry() around what a closed coordinator refuses', () => {
  const subscriptions = (v: Virtual, asked: (locks: LockCoordinator) => Observable<unknown>, late: boolean): number => {
    const locks = over(v);
    let count = 0;
    const counted = defer(() => {
      count += 1;
      return asked(locks);
    });
    const subscribe = () => counted.pipe(retry()).subscribe({ error: () => undefined });
    if (!late) subscribe();
    closing(v, locks, 100);
    if (late) v.at(150, subscribe);
    v.flush();
    return count;
  };

  it('is answered more and more slowly, without overflowing the stack', () => {
    const kinds: ((locks: LockCoordinator) => Observable<unknown>)[] = [
      (locks) => locks.mutex('a'),
      (locks) => NEVER.pipe(withLock(locks.mutex('a'))),
      (locks) => NEVER.pipe(withLock(allOf(locks.mutex('a'), locks.mutex('b')))),
      (locks) => NEVER.pipe(withLock(anyOf(locks.mutex('a'), locks.mutex('b')))),
      (locks) => locks.mutex('a').try(),
      (locks) => locks.leadership('a'),
      (locks) => locks.watch('a'),
      (locks) => locks.inspect('a'),
    ];
    for (const kind of kinds) {
      for (const late of [false, true]) {
        virtual((v) => {
          assert.isBelow(subscriptions(v, kind, late), 60);
          assert.equal(v.scheduler.pending, 0);
        });
      }
    }
  });

  it('ends if it has a count', () =>
    virtual((v) => {
      const locks = over(v);
      v.expectObservable(shown(locks.mutex('a').pipe(retry(3)))).toBe('-L 112ms #', undefined, 'COORDINATOR_CLOSED');
      closing(v, locks, 100);
      v.flush();
    }));

  for (const [what, ask] of [
    ['a lock', (locks) => locks.mutex('a').acquire()],
    ['a look', (locks) => firstValueFrom(locks.inspect('a'))],
  ] satisfies [string, (locks: LockCoordinator) => Promise<unknown>][]) {
    it(`leaves other work its turn where it is a loop of promises: ${what}`, async () => {
      const locks = memoryCoordinator();
      await locks.close();
      let asked = 0;
      let over = false;
      const loop = async (): Promise<void> => {
        for (; !over && asked < 10_000; asked += 1) await ask(locks).catch(() => undefined);
      };
      const looping = loop();
      await setImmediate();
      over = true;
      assert.isBelow(asked, 100);
      await looping;
    });
  }
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

  it('resolves the releases in flight to false, for their outcome is unknown', async () => {
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

  it('ends without waiting for repeated releases, and leaves no timer', () =>
    ended(({ store }) => {
      store.departures = [store.failure(1, BUSY)];
    }));

  it('ends without waiting for what may take effect late, and leaves no timer', () =>
    ended(({ store }) => {
      store.acquires = [silence];
      store.departures = [store.after(1, left({ now: -1e6 }))];
    }));
});

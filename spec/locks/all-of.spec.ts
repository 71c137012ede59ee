/** Several locks as one, and one of several, in virtual time. */
import { once } from 'node:events';
import { assert } from 'chai';
import { asapScheduler, asyncScheduler, lastValueFrom, map, NEVER, type Observable, observeOn, of, tap } from 'rxjs';
import { LockCoordinator } from '../../src/coordinator.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { allOf } from '../../src/locks/all-of.ts';
import { anyOf } from '../../src/locks/any-of.ts';
import { whileHeld } from '../../src/operators/while-held.ts';
import { withLock } from '../../src/operators/with-lock.ts';
import { ownStore } from '../../src/store/open-store.ts';
import { Memory, memoryCoordinator } from '../../src/testing.ts';
import { denied, FakeStore, granted, left } from '../support/fake-store.ts';
import { label, labelled, type Virtual, virtual } from '../support/virtual.ts';

/** The calls that reached the store, with the name that each was for. */
const calls = ({ store }: Virtual): string[] => store.log.map((call, i) => `${call} ${store.asked[i]?.name}`);

const names = map((leases: readonly { name: string }[]) => leases.map(({ name }) => name).join(''));

describe('allOf', () => {
  it('takes the locks one after another by name, whatever the order given, and emits the leases in that order', () =>
    virtual((v) => {
      const all = allOf(v.lock({}, 'c'), v.lock({}, 'a'), v.lock({}, 'b'));
      v.expectObservable(all.pipe(names), '^ 49ms !').toBe('---x', { x: 'cab' });
      v.flush();
      assert.deepEqual(calls(v), [
        '0 acquire a',
        '1 acquire b',
        '2 acquire c',
        '50 release a',
        '50 release b',
        '50 release c',
      ]);
    }));

  it('keeps what it has renewed while it waits for the rest', () =>
    virtual((v) => {
      const { store } = v;
      store.acquires = [store.after(1, granted()), store.after(1, denied({ wait: 5_000 })), store.after(1, granted())];
      v.expectObservable(allOf(v.lock({}, 'a'), v.lock({ waiterTtl: 90_000 }, 'b')).pipe(names), '^ 5099ms !').toBe(
        '5004ms x',
        { x: 'ab' },
      );
      v.flush();
      assert.lengthOf(
        calls(v).filter((call) => call.endsWith('renew a')),
        Math.floor(5_099 / 300),
      );
    }));

  it('leaves nothing of any when it is unsubscribed while it waits for one', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, granted()), v.store.after(1, denied())];
      v.expectObservable(allOf(v.lock({}, 'a'), v.lock({}, 'b'), v.lock({}, 'c')), '^ 49ms !').toBe('');
      v.flush();
      assert.deepEqual(calls(v), ['0 acquire a', '1 acquire b', '50 release a', '50 release b']);
      assert.equal(v.scheduler.pending, 0);
    }));

  it('releases what it has, and errors, when one cannot be acquired', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, granted()), v.store.failure(1, new Error('no b'))];
      v.expectObservable(allOf(v.lock({}, 'a'), v.lock({}, 'b')).pipe(names, labelled())).toBe('--#', {}, 'no b');
      v.flush();
      assert.deepEqual(calls(v), ['0 acquire a', '1 acquire b', '2 release a']);
    }));

  it('errors with the loss of one, and releases the others', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(1, 'renewed'), v.store.after(1, 'taken')];
      v.expectObservable(allOf(v.lock({}, 'a'), v.lock({}, 'b')).pipe(names, labelled())).toBe(
        '--x 299ms #',
        { x: 'ab' },
        'lost: taken',
      );
      v.flush();
      assert.includeMembers(calls(v), ['302 release a', '302 release b']);
      assert.equal(v.scheduler.pending, 0);
    }));

  it('errors with the loss of one while it still waits for another', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, granted()), v.store.after(1, denied())];
      v.store.renewals = [v.store.after(1, 'taken')];
      v.expectObservable(allOf(v.lock({}, 'a'), v.lock({}, 'b')).pipe(labelled())).toBe('301ms #', {}, 'lost: taken');
      v.flush();
      assert.includeMembers(calls(v), ['301 release a', '301 release b']);
    }));

  it('unsubscribes the work under it when one is lost, and errors', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(1, 'renewed'), v.store.after(1, 'taken')];
      const work = v.cold('x');
      v.expectObservable(work.pipe(withLock(allOf(v.lock({}, 'a'), v.lock({}, 'b'))), labelled())).toBe(
        '--x 299ms #',
        undefined,
        'lost: taken',
      );
      v.expectSubscriptions(work.subscriptions).toBe('--^ 299ms !');
      v.flush();
    }));

  it('completes when the work is done and every release is acknowledged', () =>
    virtual((v) => {
      v.store.departures = [v.store.after(5, left()), v.store.after(9, left())];
      const work = v.cold('x-|');
      v.expectObservable(work.pipe(withLock(allOf(v.lock({}, 'a'), v.lock({}, 'b'))))).toBe('--x 10ms |');
      v.flush();
    }));

  it('try() completes empty, with nothing kept, when one is busy', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, granted()), v.store.after(1, denied())];
      v.expectObservable(allOf(v.lock({}, 'a'), v.lock({}, 'b'), v.lock({}, 'c')).try()).toBe('--|');
      v.flush();
      assert.deepEqual(calls(v), ['0 try a', '1 try b', '2 release a']);
    }));

  it('try() emits all leases when all are free', () =>
    virtual((v) => {
      v.expectObservable(allOf(v.lock({}, 'b'), v.lock({}, 'a')).try().pipe(names), '^--!').toBe('--x', { x: 'ba' });
      v.flush();
    }));

  it('takes the locks of another allOf as its own', () =>
    virtual((v) => {
      const all = allOf(allOf(v.lock({}, 'c'), v.lock({}, 'a')), v.lock({}, 'b'));
      v.expectObservable(all.pipe(names), '^ 49ms !').toBe('---x', { x: 'cab' });
      v.flush();
    }));

  it('ends each lease, before it is released, for the loss of one', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(1, 'renewed'), v.store.after(1, 'taken')];
      const seen: string[] = [];
      allOf(v.lock({}, 'a'), v.lock({}, 'b'), v.lock({}, 'c')).subscribe({
        next: (leases) => {
          for (const { name, signal } of leases) {
            signal.addEventListener('abort', () => {
              seen.push(`${name} ${label(signal.reason)}, held ${leases.filter(({ held }) => held).length}`);
            });
          }
        },
        error: (error) => seen.push(error.message),
      });
      v.flush();
      const lost =
        'The lease on "b" is lost: taken (Redis does not have it any more); acquire the lock again if the work is still wanted';
      assert.deepEqual(seen, ['b lost: taken, held 0', lost, 'a lost: taken, held 0', 'c lost: taken, held 0']);
      assert.includeMembers(calls(v), ['302 release a', '302 release b', '302 release c']);
    }));

  it('aborts the signals with that loss also under an operator, and in promise code', async () => {
    const seen: unknown[] = [];
    const reason = (leases: readonly Lease[]) => seen.push(...leases.map(({ signal }) => label(signal.reason)));
    virtual((v) => {
      v.store.renewals = [v.store.after(1, 'renewed'), v.store.after(1, 'taken')];
      const all = allOf(v.lock({}, 'a'), v.lock({}, 'b'));
      let leases: readonly Lease[] = [];
      all
        .pipe(
          whileHeld((held) => {
            leases = held;
            return NEVER;
          }),
        )
        .subscribe({ error: () => reason(leases) });
      v.flush();
    });
    assert.deepEqual(seen, ['lost: taken', 'lost: taken']);
    const memory = new Memory();
    const [locks, others] = [memoryCoordinator({ memory }), memoryCoordinator({ memory })];
    const [a, b] = await allOf(locks.mutex('a'), locks.mutex('b', { ttl: 10_000, renewEvery: 20 })).acquire();
    const aborted = once(a.signal, 'abort');
    await lastValueFrom(others.forceRelease('b'));
    await aborted;
    assert.equal(label(a.signal.reason), 'lost: taken');
    assert.throws(() => a.assertHeld(), 'The lease on "b" is lost');
    assert.strictEqual(a.signal.reason, b.signal.reason);
    await Promise.all([locks.close(), others.close()]);
  });

  it('errors with released if one is released before all are held', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, granted()), v.store.after(1, denied())];
      const given = v.lock({}, 'a').pipe(tap((lease) => v.at(50, () => void lease.release())));
      const a = Object.assign(v.lock({}, 'a'), { subscribe: given.subscribe.bind(given) });
      v.expectObservable(allOf(a, v.lock({}, 'b')).pipe(labelled())).toBe('51ms #', {}, 'lost: released');
      v.flush();
      assert.includeMembers(calls(v), ['51 release a', '51 release b']);
    }));

  it('takes an array of locks, too', () =>
    virtual((v) => {
      const all = allOf([v.lock({}, 'c'), allOf([v.lock({}, 'a')]), v.lock({}, 'b')]);
      v.expectObservable(all.pipe(names), '^ 49ms !').toBe('---x', { x: 'cab' });
      v.flush();
      assert.throws(() => allOf([]), RangeError, 'at least 1 lock');
      assert.throws(() => allOf([v.lock(), 5 as never]), TypeError, 'takes only locks, got 5');
      const other = { tryAcquire: () => undefined } as never;
      assert.throws(() => allOf(v.lock(), other), TypeError, 'got one of another copy of redisync: see that it is');
    }));

  it('says that what anyOf or allOf made is several locks, where it takes only single ones', () =>
    virtual((v) => {
      const several = 'takes only locks, got several locks as one, of anyOf or allOf';
      assert.throws(() => allOf(v.lock({}, 'a'), anyOf(v.lock({}, 'b')) as never), TypeError, several);
      assert.throws(() => anyOf(v.lock({}, 'a'), allOf(v.lock({}, 'b')) as never), TypeError, several);
    }));

  it('tells one lock by its name and its coordinator', () => {
    const [one, other] = [memoryCoordinator(), memoryCoordinator()];
    assert.lengthOf(allOf(one.mutex('a'), other.mutex('a')).locks, 2);
    assert.throws(() => allOf(one.mutex('a'), one.semaphore('a', 2)), RangeError, '"a" twice');
  });

  it('knows how many leases there are, and of how many nobody knows', () => {
    const locks = memoryCoordinator();
    const two: Observable<[Lease, Lease]> = allOf(locks.mutex('a'), locks.mutex('b'));
    const three: Observable<[Lease, Lease, Lease]> = allOf(allOf(locks.mutex('a'), locks.mutex('b')), locks.mutex('c'));
    const same: Observable<[Lease, Lease]> = allOf([locks.mutex('a'), locks.mutex('b')]);
    const some: Observable<Lease[]> = allOf(['a', 'b'].map((name) => locks.mutex(name)));
    const fences = two.pipe(whileHeld(([a, b]) => [a.fence, b.fence]));
    // @ts-expect-error: there is no third
    const third = two.pipe(whileHeld(([, , c]) => [c.fence]));
    assert.lengthOf([two, three, same, some, fences, third], 6);
  });

  describe('over thousands of locks', () => {
    const MANY = 5_000;

    /** In real time: of thousands of timers, a virtual time makes one list that it sorts for each. */
    const setUp = () => {
      const store = new FakeStore(asyncScheduler);
      store.acquires = [of(granted())];
      store.departures = [of(left())];
      const locks = new LockCoordinator(ownStore(store), { ttl: 60_000 });
      const all = allOf(Array.from({ length: MANY }, (_, i) => locks.mutex(`n${i}`)));
      const releases = (): number => store.log.filter((call) => call.endsWith('release')).length;
      return { store, locks, all, releases };
    };

    it('emits them all, also where each is granted later, and releases them all when it is unsubscribed', async () => {
      for (const later of [false, true]) {
        const { store, all, releases } = setUp();
        if (later) store.acquires = [of(granted()).pipe(observeOn(asapScheduler))];
        const leases = await new Promise<readonly Lease[]>((resolve) => {
          const subscription = all.subscribe((held) => {
            resolve(held);
            queueMicrotask(() => subscription.unsubscribe());
          });
        });
        await Promise.resolve();
        assert.lengthOf(leases, MANY);
        assert.isFalse(leases.some(({ held }) => held));
        assert.equal(releases(), MANY);
      }
    });

    it('errors with the loss of one, and releases the others', async () => {
      const { store, all, releases } = setUp();
      store.renewals = [of('taken')];
      const errors: unknown[] = [];
      const work = all.pipe(
        whileHeld((leases) => {
          leases[MANY - 1]?.renew().catch(() => undefined);
          return NEVER;
        }),
      );
      work.subscribe({ error: (error) => errors.push(label(error)) });
      await Promise.resolve();
      assert.deepEqual(errors, ['lost: taken']);
      assert.equal(releases(), MANY);
    });

    it('ends them all when the coordinator closes', async () => {
      const { locks, all, releases } = setUp();
      const errors: unknown[] = [];
      NEVER.pipe(withLock(all)).subscribe({ error: (error) => errors.push(label(error)) });
      await locks.close();
      assert.deepEqual(errors, ['COORDINATOR_CLOSED']);
      assert.equal(releases(), MANY);
    });
  });

  it('refuses no lock at all, what is no lock, and a name that is given twice', () =>
    virtual((v) => {
      assert.throws(() => allOf(), RangeError, 'at least 1 lock');
      for (const other of [undefined, null, 'a', {}, Symbol('a'), Object.create(null)]) {
        assert.throws(() => allOf(v.lock(), other as never), TypeError, 'takes only locks');
      }
      assert.throws(() => allOf(v.lock(), v.lock()), RangeError, '"a" twice');
      assert.throws(() => allOf(allOf(v.lock()), v.lock()), RangeError, '"a" twice');
    }));
});

describe('anyOf', () => {
  it('emits the lease of the first that is granted; the others leave their queues', () =>
    virtual((v) => {
      const { store } = v;
      store.acquires = [store.after(1, denied()), store.after(20, granted()), store.after(1, denied())];
      const any = anyOf(v.lock({}, 'a'), v.lock({}, 'b'), v.lock({}, 'c'));
      v.expectObservable(any.pipe(map(({ name }) => name)), '^ 49ms !').toBe('20ms b');
      v.flush();
      assert.sameMembers(calls(v).slice(3), ['20 release a', '20 release c', '50 release b']);
      assert.equal(v.scheduler.pending, 0);
    }));

  it('releases the second of two that were granted at once', () =>
    virtual((v) => {
      const any = anyOf(v.lock({}, 'a'), v.lock({}, 'b'));
      v.expectObservable(any.pipe(map(({ name }) => name)), '^ 49ms !').toBe('-a');
      v.flush();
      assert.deepEqual(calls(v), ['0 acquire a', '0 acquire b', '1 release b', '50 release a']);
    }));

  it('leaves all queues when it is unsubscribed', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, denied())];
      v.expectObservable(anyOf(v.lock({}, 'a'), v.lock({}, 'b')), '^ 49ms !').toBe('');
      v.flush();
      assert.sameMembers(calls(v).slice(2), ['50 release a', '50 release b']);
    }));

  it('try() asks one after another, and emits the lease of the first that is free', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, denied()), v.store.after(1, granted())];
      const any = anyOf([v.lock({}, 'a'), v.lock({}, 'b'), v.lock({}, 'c')]).try();
      v.expectObservable(any.pipe(map(({ name }) => name)), '^ 49ms !').toBe('--b');
      v.flush();
      assert.deepEqual(calls(v), ['0 try a', '1 try b', '50 release b']);
    }));

  it('try() completes empty when all are busy, and when its lease is released, with no other asked for', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, denied()), v.store.after(1, denied()), v.store.after(1, granted())];
      v.expectObservable(anyOf(v.lock({}, 'a'), v.lock({}, 'b')).try()).toBe('--|');
      v.at(10, () => {
        anyOf(v.lock({}, 'c'), v.lock({}, 'd'))
          .try()
          .subscribe((lease) => void lease.release());
      });
      v.flush();
      assert.deepEqual(calls(v).slice(2), ['10 try c', '11 release c']);
    }));

  it('has the promise face of a lock', async () => {
    const locks = memoryCoordinator();
    const pool = anyOf(locks.mutex('a'), locks.mutex('b'));
    const first = await pool.acquire();
    const second = await pool.acquire({ timeout: 0 });
    assert.deepEqual([first.name, second.name], ['a', 'b']);
    assert.isNull(await pool.tryAcquire());
    const late = await pool.acquire({ timeout: 100 }).catch((error) => error);
    assert.deepEqual([late.lock, late.owners, late.heldHere], ['a, b', [first.owner, second.owner], true]);
    assert.match(late.message, /^The lock "a, b" was not granted within 100 ms: held by this coordinator/);
    await second.release();
    assert.equal(await pool.using(({ name }) => name), 'b');
    await locks.close();
  });

  it('refuses no lock at all, and what is no lock', () =>
    virtual((v) => {
      assert.throws(() => anyOf(), RangeError, 'at least 1 lock');
      for (const other of [undefined, null, 'a', {}, Symbol('a'), Object.create(null)]) {
        assert.throws(() => anyOf(v.lock(), other as never), TypeError, 'takes only locks');
      }
    }));
});

/** A bounded wait before work, and what its error tells, in virtual time. */
import { assert } from 'chai';
import {
  defer,
  map,
  NEVER,
  type Observable,
  of,
  retry,
  Subscriber,
  type Subscription,
  share,
  shareReplay,
  throwError,
} from 'rxjs';
import { LockTimeoutError, RedisRefusedError, RedisUnreachableError } from '../../src/errors.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { allOf } from '../../src/locks/all-of.ts';
import { anyOf } from '../../src/locks/any-of.ts';
import type { Lock } from '../../src/locks/lock.ts';
import type { Held } from '../../src/operators/held.ts';
import { whileHeld } from '../../src/operators/while-held.ts';
import { withLock } from '../../src/operators/with-lock.ts';
import { denied, granted, heldBy, silence } from '../support/fake-store.ts';
import { labelled, type Virtual, virtual } from '../support/virtual.ts';

const TIME_OUT = 100;

/** The sources of leases that a wait may have, each over locks that the given function makes. */
const SOURCES: Readonly<Record<string, (lock: (name: string) => Lock) => Observable<Held>>> = {
  'a lock': (lock) => lock('a'),
  'a piped lock': (lock) =>
    lock('a').pipe(
      map((lease) => lease),
      retry(2),
    ),
  'a lock that is made late': (lock) => defer(() => lock('a')),
  'a shared lock': (lock) => lock('a').pipe(share()),
  'a replayed lock': (lock) => lock('a').pipe(shareReplay({ bufferSize: 1, refCount: true })),
  'allOf one': (lock) => allOf(lock('a')),
  'allOf one that is piped': (lock) => allOf(lock('a')).pipe(map((lease) => lease)),
  'anyOf one': (lock) => anyOf(lock('a')),
};

/** What a bounded wait errors with, and when. */
const lateOf = (
  made: (lock: (name: string) => Lock) => Observable<Held>,
  set: (v: Virtual) => void,
): { error: unknown; at: number; calls: readonly string[] } => {
  let error: unknown;
  let at = -1;
  let calls: readonly string[] = [];
  virtual((v) => {
    set(v);
    calls = v.store.log;
    const source = made((name) => v.lock({ commandTimeout: 30, waiterTtl: 90_000 }, name));
    source.pipe(whileHeld(() => NEVER, { timeout: TIME_OUT })).subscribe({
      error: (reason) => {
        error = reason;
        at = v.time.now();
      },
    });
    v.flush();
    assert.equal(v.scheduler.pending, 0);
  });
  return { error, at, calls };
};

const busy = ({ store }: Virtual): void => {
  store.acquires = [store.after(1, denied({ rank: 3 }))];
  store.inspections = [store.after(2, heldBy(['web-1:7:u'], 1_700_000_000_000_000, 8_123))];
};

const timedOut = (error: unknown): LockTimeoutError => {
  if (error instanceof LockTimeoutError) return error;
  throw new Error(`It is no LockTimeoutError: ${error}`);
};

describe('whileHeld(work, { timeout })', () => {
  for (const [what, made] of Object.entries(SOURCES)) {
    it(`over ${what} leaves the queue on time, and tells who holds, since when and how many are ahead`, () => {
      const { error, at, calls } = lateOf(made, busy);
      const { lock, owners, since, remaining, rank, heldHere, cause, message } = timedOut(error);
      assert.deepEqual(
        { lock, owners, since, remaining, rank, heldHere, cause },
        {
          lock: 'a',
          owners: ['web-1:7:u'],
          since: new Date(1_700_000_000_000),
          remaining: 8_123,
          rank: 3,
          heldHere: false,
          cause: undefined,
        },
      );
      assert.equal(
        message,
        'The lock "a" was not granted within 100 ms: held by "web-1:7:u" since 2023-11-14T22:13:20.000Z, ' +
          'for 8123 ms more unless it is renewed, 3 ahead in the queue; try again, or raise the timeout',
      );
      assert.equal(at, TIME_OUT + 2);
      assert.deepEqual(calls, ['0 acquire', '100 release', '100 inspect']);
    });

    it(`over ${what} errors as unreachable where Redis was never heard, and looks at nothing`, () => {
      const refused = new Error('connect ECONNREFUSED 127.0.0.1:1');
      const { error, at, calls } = lateOf(made, ({ store }) => {
        store.acquires = [silence];
        store.lastError = refused;
      });
      assert.instanceOf(error, RedisUnreachableError);
      assert.strictEqual(error.lock, 'a');
      assert.include(error.message, 'connect ECONNREFUSED');
      assert.equal(at, TIME_OUT);
      assert.notInclude(calls.join(), 'inspect');
    });

    it(`over ${what} has the last connection error for its cause while Redis is out of reach`, () => {
      const refused = new Error('connect ECONNREFUSED 127.0.0.1:1');
      const { error, at, calls } = lateOf(made, (v) => {
        busy(v);
        v.at(50, () => {
          v.store.lastError = refused;
        });
      });
      assert.strictEqual(timedOut(error).cause, refused);
      assert.equal(timedOut(error).rank, 3);
      assert.equal(at, TIME_OUT);
      assert.notInclude(calls.join(), 'inspect');
    });

    it(`over ${what} leaves the work alone once it has begun`, () =>
      virtual(({ lock, cold, store, expectObservable, ends }) => {
        store.acquires = [store.after(1, granted())];
        const source = made((name) => lock({}, name));
        expectObservable(source.pipe(whileHeld(() => cold('a 198ms |'), { timeout: TIME_OUT }))).toBe('-a 199ms |');
        ends(['0 acquire', '200 release']);
      }));
  }

  it('looks who holds for a quarter of a second at most, and a failure of that look is not the error of the wait', () => {
    const looked = (look: (v: Virtual) => void): ReturnType<typeof lateOf> =>
      lateOf(
        (lock) => lock('a'),
        (v) => {
          busy(v);
          look(v);
        },
      );
    const slow = looked(({ store }) => (store.inspections = [store.after(10_000, heldBy(['x']))]));
    assert.isAtMost(slow.at, TIME_OUT + 250);
    assert.equal(
      timedOut(slow.error).message,
      'The lock "a" was not granted within 100 ms: 3 ahead in the queue, Redis fails now: No answer (lock "a"); ' +
        'check that Redis is up, and can be reached from here',
    );
    const refused = new RedisRefusedError('a', false, new Error('NOPERM'));
    const failing = looked(({ store }) => (store.inspections = [store.failure(3, refused)]));
    assert.equal(failing.at, TIME_OUT + 3);
    assert.isUndefined(timedOut(failing.error).cause);
    const away = new RedisUnreachableError('a', 'The connection closed');
    const broken = looked(({ store }) => (store.inspections = [store.failure(3, away)]));
    assert.strictEqual(timedOut(broken.error).cause, away);
  });

  it('says that this coordinator holds it, where a lock waits within itself', () => {
    let error: unknown;
    virtual((v) => {
      const { store, lock } = v;
      store.acquires = [store.after(1, granted()), store.after(1, denied())];
      let mine: Lease | undefined;
      store.inspections = [defer(() => of(heldBy([mine?.owner ?? '', 'other'], 1_000)))];
      const inner = NEVER.pipe(withLock(lock(), { timeout: TIME_OUT }));
      const work = (lease: Lease): Observable<never> => {
        mine = lease;
        return inner;
      };
      lock()
        .pipe(whileHeld(work))
        .subscribe({ error: (reason) => (error = reason) });
      v.flush();
      assert.equal(v.scheduler.pending, 0);
      const { heldHere, message } = timedOut(error);
      assert.isTrue(heldHere);
      assert.include(
        message,
        `held by this coordinator, as "${mine?.owner}" and "other" since 1970-01-01T00:00:00.001Z`,
      );
      assert.include(message, '; take the lock only once if this wait is part of the work under it');
    });
  });

  it('names the lock of allOf that it waited for, and every lock of anyOf', () => {
    const all = lateOf(
      (lock) => allOf(lock('a'), lock('b')),
      ({ store }) => {
        store.acquires = [store.after(1, granted()), store.after(1, denied({ rank: 1 }))];
        store.inspections = [store.after(1, heldBy(['x']))];
      },
    );
    assert.equal(
      timedOut(all.error).message,
      'The lock "b" was not granted within 100 ms: held by "x", for 500 ms more unless it is renewed, ' +
        '1 ahead in the queue; try again, or raise the timeout',
    );
    assert.equal(timedOut(all.error).lock, 'b');
    const any = lateOf(
      (lock) => anyOf(lock('a'), lock('b')),
      ({ store }) => {
        store.acquires = [store.after(1, denied({ rank: 5 })), store.after(1, denied({ rank: 2 }))];
        store.inspections = [store.after(1, heldBy(['x'], 7_000, 400)), store.after(1, heldBy(['y'], 5_000, 300))];
      },
    );
    const { lock, owners, since, remaining, rank } = timedOut(any.error);
    assert.deepEqual(
      { lock, owners, since, remaining, rank },
      { lock: 'a, b', owners: ['x', 'y'], since: new Date(5), remaining: 300, rank: 2 },
    );
  });

  it('with a timeout of 0 makes a single attempt at a lock, or at several', () => {
    const made: ((v: Virtual) => Observable<Held>)[] = [
      ({ lock }) => lock(),
      ({ lock }) => allOf(lock()),
      ({ lock }) => anyOf(lock()),
    ];
    for (const make of made) {
      virtual((v) => {
        const { store, ends } = v;
        let error: unknown;
        store.acquires = [store.after(5, denied())];
        store.inspections = [store.after(1, heldBy(['x']))];
        make(v)
          .pipe(whileHeld(() => NEVER, { timeout: 0 }))
          .subscribe({ error: (reason) => (error = reason) });
        ends(['0 try', '5 inspect']);
        assert.deepEqual(timedOut(error).owners, ['x']);
      });
      virtual((v) => {
        const { cold, expectObservable, ends } = v;
        expectObservable(make(v).pipe(whileHeld(() => cold('a|'), { timeout: 0 }))).toBe('-a-|');
        ends(['0 try', '2 release']);
      });
    }
  });

  it('tells no rank where there is no queue, as on a quorum', () => {
    for (const timeout of [TIME_OUT, 0])
      virtual(({ store, lock, flush }) => {
        let error: unknown;
        store.noQueue = true;
        store.acquires = [store.after(5, denied({ rank: undefined }))];
        store.inspections = [store.after(1, heldBy(['x']))];
        lock()
          .pipe(whileHeld(() => NEVER, { timeout }))
          .subscribe({ error: (reason) => (error = reason) });
        flush();
        assert.isUndefined(timedOut(error).rank);
        assert.notInclude(timedOut(error).message, 'queue');
      });
  });

  it('refuses a timeout of 0 over a piped lock, of which it can ask for no single attempt', () =>
    virtual(({ lock, ends }) => {
      const work = whileHeld(() => NEVER, { timeout: 0 });
      assert.throws(
        () =>
          lock().pipe(
            map((lease) => lease),
            work,
          ),
        TypeError,
        'lock.try()',
      );
      ends([]);
    }));

  it('names nobody if it cannot see the wait: if another subscription shares it, or it is no lock', () =>
    virtual((v) => {
      const { lock, store, flush } = v;
      store.acquires = [store.after(1, denied())];
      const shared$ = lock().pipe(share());
      const errors: unknown[] = [];
      let other: Subscription | undefined;
      v.at(0, () => {
        other = shared$.subscribe();
      });
      v.at(0, () => {
        shared$.pipe(whileHeld(() => NEVER, { timeout: TIME_OUT })).subscribe({ error: (error) => errors.push(error) });
        NEVER.pipe(whileHeld(() => NEVER, { timeout: TIME_OUT })).subscribe({ error: (error) => errors.push(error) });
      });
      v.at(1_000, () => other?.unsubscribe());
      flush();
      assert.deepEqual(
        errors.map((error) => timedOut(error).message),
        Array(2).fill('No lock was granted within 100 ms; try again, or raise the timeout'),
      );
    }));

  it('passes on an error of the source, and completes with a source that completes empty', () =>
    virtual(({ cold, expectObservable, flush }) => {
      const work = whileHeld(() => NEVER, { timeout: TIME_OUT });
      expectObservable(throwError(() => 'its own').pipe(work)).toBe('#', undefined, 'its own');
      expectObservable(cold<Lease>('--|').pipe(work)).toBe('--|');
      flush();
    }));

  it('leaves the queue when it is unsubscribed, before its time is over or while it looks who holds', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied())];
      store.inspections = [store.after(9, heldBy())];
      const work = whileHeld(() => NEVER, { timeout: TIME_OUT });
      expectObservable(lock().pipe(work), '^ 49ms !').toBe('');
      expectObservable(lock().pipe(work), '^ 104ms !').toBe('');
      ends(['0 acquire', '0 acquire', '50 release', '100 release', '100 inspect']);
    }));

  it('ends at once where nobody listens any more as it begins', () =>
    virtual(({ lock, ends }) => {
      const closed = new Subscriber<never>();
      closed.unsubscribe();
      lock()
        .pipe(whileHeld(() => NEVER, { timeout: TIME_OUT }))
        .subscribe(closed);
      ends(['0 acquire', '1 release']);
    }));

  it('is marked as timed out in the abandoned event', () => {
    const ends: unknown[] = [];
    lateOf(
      (lock) => lock('a').pipe(map((lease) => lease)),
      (v) => {
        busy(v);
        v.sessions.events$.subscribe((event) => event.type === 'abandoned' && ends.push(event.timedOut));
      },
    );
    assert.deepEqual(ends, [true]);
  });

  it('checks its options at once', () => {
    for (const timeout of [-1, 0.5, Number.NaN, 2 ** 31]) {
      assert.throws(() => whileHeld(() => NEVER, { timeout }), RangeError, 'timeout');
      assert.throws(() => withLock(NEVER, { timeout }), RangeError, 'timeout');
    }
    assert.throws(() => whileHeld(() => NEVER, { timeout: '5' as never }), TypeError, 'timeout');
    assert.throws(() => withLock(NEVER, { ttl: 5 } as never), TypeError, 'ttl');
    assert.throws(() => withLock(NEVER, 5 as never), TypeError, 'options');
  });
});

describe('withLock(lock, { timeout })', () => {
  it('never subscribes to the source of a wait that is over', () =>
    virtual(({ lock, store, cold, expectObservable, expectSubscriptions, ends }) => {
      store.acquires = [store.after(1, denied())];
      const source = cold('a');
      const result = source.pipe(withLock(lock(), { timeout: TIME_OUT }), labelled());
      expectObservable(result).toBe('101ms #', undefined, 'LOCK_TIMEOUT');
      expectSubscriptions(source.subscriptions).toBe([]);
      ends(['0 acquire', '100 release', '100 inspect']);
    }));
});

/** Unsubscribing, in virtual time, at every stage of a lease's life: nothing of it stays behind, in Redis or here. */
import { assert } from 'chai';
import fc from 'fast-check';
import { tap } from 'rxjs';
import { RedisRefusedError, RedisUnreachableError } from '../../src/errors.ts';
import type { Lease } from '../../src/lease/lease.ts';
import type { Answer, Released, Renewal } from '../../src/store/store.ts';
import { denied, granted, left, silence } from '../support/fake-store.ts';
import { shown, virtual } from '../support/virtual.ts';

const UNSENT = new RedisUnreachableError('a', 'No connection');
const BUSY = new RedisRefusedError('a', true, new Error('BUSY'));

describe('unsubscribing', () => {
  it('in the acquired event leaves no timer, not even that of maxHold', () =>
    virtual(({ lock, sessions, time, ends }) => {
      const subscription = lock({ maxHold: 5_000 }).subscribe();
      sessions.events$.subscribe(({ type }) => type === 'acquired' && subscription.unsubscribe());
      ends(['0 acquire', '1 release']);
      assert.isBelow(time.now(), 5_000);
    }));

  it('in the event of a failed attempt, the first or a later one, sends no further request', () => {
    for (const nth of [1, 2])
      virtual(({ lock, store, sessions, ends }) => {
        store.acquires = [store.failure(1, BUSY)];
        const subscription = lock().subscribe();
        let failures = 0;
        sessions.events$.subscribe(({ type }) => {
          if (type === 'attemptFailed' && ++failures === nth) subscription.unsubscribe();
        });
        ends(['0 acquire', '51 acquire'].slice(0, nth));
      });
  });

  it('while the request is in flight waits for its answer, then releases what it was granted', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(20, granted())];
      expectObservable(shown(lock()), '^ 9ms !').toBe('');
      ends(['0 acquire', '20 release']);
    }));

  it('while the request is in flight leaves the queue that the request has joined', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(20, denied())];
      expectObservable(shown(lock()), '^ 9ms !').toBe('');
      ends(['0 acquire', '20 release']);
    }));

  it('while a single attempt is in flight releases nothing if the attempt is denied', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(20, denied())];
      expectObservable(shown(lock().try()), '^ 9ms !').toBe('');
      ends(['0 try']);
    }));

  it('while a request without an answer is in flight releases at the request’s deadline', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [silence];
      expectObservable(shown(lock({ commandTimeout: 100 })), '^ 9ms !').toBe('');
      ends(['0 acquire', '100 release']);
    }));

  it('releases again after the not-after of a request of unknown outcome, which can take effect after the first release', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [silence];
      store.departures = [store.after(1, left({ held: false, now: 70 })), store.after(1, left({ now: 132 }))];
      expectObservable(shown(lock({ commandTimeout: 100 })), '^ 9ms !').toBe('');
      ends(['0 acquire', '100 release', '132 release']);
    }));

  it('releases again also if the first release came in the last ms in which the request could take effect', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [silence];
      store.departures = [store.after(1, left({ held: false, now: 100 })), store.after(1, left({ now: 102 }))];
      expectObservable(shown(lock({ commandTimeout: 100 })), '^ 9ms !').toBe('');
      ends(['0 acquire', '100 release', '102 release']);
    }));

  it('releases once more by its own clock if the server’s clock has stepped back', () =>
    virtual(({ lock, store, ends }) => {
      store.acquires = [store.failure(1, new RedisUnreachableError('a', 'Cut', 1_000_000)), store.after(1, granted())];
      store.departures = [store.after(1, left({ now: 5 }))];
      const life = lock({ commandTimeout: 500 }).subscribe(() => life.unsubscribe());
      ends(['0 acquire', '51 acquire', '52 release', '553 release']);
    }));

  it('releases nothing if the request was never sent, or was refused', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.failure(20, UNSENT), store.failure(20, BUSY)];
      expectObservable(shown(lock()), '^ 9ms !').toBe('');
      expectObservable(shown(lock()), '^ 9ms !').toBe('');
      ends(['0 acquire', '0 acquire']);
    }));

  it('while waiting leaves the queue at once', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied())];
      expectObservable(shown(lock()), '^ 49ms !').toBe('');
      ends(['0 acquire', '50 release']);
    }));

  it('while a heartbeat is in flight waits for its answer: the heartbeat could take effect after the release', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied({ wait: 40 })), store.after(30, denied())];
      expectObservable(shown(lock()), '^ 49ms !').toBe('');
      ends(['0 acquire', '42 acquire', '72 release']);
    }));

  it('while waiting for the next attempt after a failure leaves no timer', () =>
    virtual(({ lock, store, scheduler, expectObservable, at, ends }) => {
      store.acquires = [store.failure(1, BUSY)];
      expectObservable(shown(lock()), '^ 9ms !').toBe('');
      at(11, () => assert.equal(scheduler.pending, 0));
      ends(['0 acquire']);
    }));

  it('while held releases at once and leaves no timer, whether a renewal is in flight or not', () =>
    virtual(({ lock, store, scheduler, expectObservable, at, ends }) => {
      store.renewals = [store.after(90, 'renewed')];
      expectObservable(shown(lock({ maxHold: 5_000 })), '^ 309ms !').toBe('-L');
      at(315, () => assert.equal(scheduler.pending, 0));
      ends(['0 acquire', '300 renew', '310 release']);
    }));

  it('while held after a failed renewal leaves no timer', () =>
    virtual(({ lock, store, scheduler, expectObservable, at, ends }) => {
      store.renewals = [store.failure(1, BUSY)];
      expectObservable(shown(lock()), '^ 309ms !').toBe('-L');
      at(315, () => assert.equal(scheduler.pending, 0));
      ends(['0 acquire', '300 renew', '310 release']);
    }));

  it('inside the emission of the lease releases at once', () =>
    virtual(({ lock, scheduler, at, ends }) => {
      const subscription = lock().subscribe(() => subscription.unsubscribe());
      at(3, () => assert.equal(scheduler.pending, 0));
      ends(['0 acquire', '1 release']);
    }));

  it('during a release does not release a second time', () =>
    virtual(({ lock, store, at, expectObservable, ends }) => {
      let lease: Lease | undefined;
      store.departures = [store.after(30, left())];
      expectObservable(shown(lock().pipe(tap((value) => (lease = value)))), '^ 109ms !').toBe('-L');
      at(100, () => void lease?.release());
      ends(['0 acquire', '100 release']);
    }));

  it('while a late grant is being released leaves nothing', () =>
    virtual(({ lock, store, expectObservable, flush, scheduler }) => {
      store.acquires = [store.after(990, granted())];
      store.departures = [store.after(30, left())];
      expectObservable(shown(lock()), '^ 999ms !').toBe('');
      flush();
      assert.equal(scheduler.pending, 0);
      assert.equal(store.log.filter((call) => call.endsWith('acquire')).length, 1);
    }));

  it('after the loss does nothing more', () =>
    virtual(({ lock, store, at, ends }) => {
      store.renewals = [store.after(1, 'taken')];
      const subscription = lock().subscribe({ error: () => undefined });
      at(400, () => subscription.unsubscribe());
      ends(['0 acquire', '300 renew', '301 release']);
    }));
});

describe('a release', () => {
  it('names the fence of its lease, so a later lease of the same owner is not touched', () =>
    virtual(({ lock, store, flush, at }) => {
      store.acquires = [store.after(1, granted(7))];
      const subscription = lock().subscribe();
      at(100, () => subscription.unsubscribe());
      flush();
      assert.equal(store.asked[1]?.fence, 7);
    }));

  it('names only the owner if an attempt may still take effect, which would have another fence', () =>
    virtual(({ lock, store, flush, at }) => {
      const unknown = new RedisUnreachableError('a', 'Cut', 1_000);
      store.acquires = [store.failure(1, unknown), store.after(1, granted(7))];
      const subscription = lock().subscribe();
      at(100, () => subscription.unsubscribe());
      flush();
      assert.isUndefined(store.asked[2]?.fence);
    }));

  it('names the fence again once that attempt can no longer take effect', () =>
    virtual(({ lock, store, flush, at }) => {
      const unknown = new RedisUnreachableError('a', 'Cut', 1_000);
      store.acquires = [store.failure(1, unknown), store.after(1, granted(7))];
      const subscription = lock({ commandTimeout: 500 }).subscribe();
      at(502, () => subscription.unsubscribe());
      flush();
      assert.equal(store.asked.at(-1)?.fence, 7);
    }));

  it('that fails is repeated, soon at first, until Redis has acknowledged it', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      const fails = store.failure(0, BUSY);
      store.departures = [fails, fails, fails, store.after(1, left())];
      expectObservable(shown(lock()), '^ 99ms !').toBe('-L');
      ends(['0 acquire', '100 release', '125 release', '175 release', '275 release']);
    }));

  it('that Redis refuses for good is not repeated: the lease lapses by itself', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.departures = [store.failure(1, new RedisRefusedError('a', false, new Error('NOPERM')))];
      expectObservable(shown(lock()), '^ 99ms !').toBe('-L');
      ends(['0 acquire', '100 release']);
    }));

  it('that is not answered is repeated only until the lease, or the place in the queue, has lapsed by itself', () =>
    virtual(({ lock, store, time, expectObservable, flush, scheduler }) => {
      store.departures = [silence];
      expectObservable(shown(lock({ commandTimeout: 200, waiterTtl: 600 })), '^ 99ms !').toBe('-L');
      flush();
      assert.equal(scheduler.pending, 0);
      assert.isAtMost(time.now(), 100 + 1_000 + 2 * 200);
      assert.isAbove(store.log.length, 4);
    }));

  /** For how long a release is repeated, of a lease of that ttl whose renewals with these ttls, 100 ms apart, were answered or not. */
  const repeatedFor = (ttl: number, renewals: readonly (readonly [ttl: number, answered: boolean])[]): number => {
    let ms = 0;
    virtual(({ lock, store, at, flush }) => {
      store.departures = [silence];
      store.renewals = renewals.map(([, answered]) => (answered ? store.after(1, 'renewed') : silence));
      const leases: Lease[] = [];
      const subscription = lock({ ttl, commandTimeout: 50, waiterTtl: 90 }).subscribe((lease) => leases.push(lease));
      for (const [i, [longer]] of renewals.entries())
        at(10 + 100 * i, () => void leases[0]?.renew(longer).catch(() => undefined));
      const leaves = 20 + 100 * (renewals.length - 1);
      at(leaves, () => subscription.unsubscribe());
      flush();
      ms = Number(store.log.at(-1)?.split(' ')[0]) - leaves;
    });
    return ms;
  };

  it('that is not answered is repeated for as long as a renewal that was not answered may have made the lease last', () => {
    assert.isAtLeast(repeatedFor(1_000, [[20_000, false]]), 18_000);
    assert.isAtLeast(repeatedFor(20_000, [[500, false]]), 18_000);
  });

  it('that is not answered is repeated no longer than an answered renewal makes the lease last', () => {
    assert.isAtLeast(repeatedFor(1_000, [[20_000, true]]), 18_000);
    const renewals = [
      [20_000, false],
      [20_000, true],
      [500, true],
    ] as const;
    assert.isBelow(repeatedFor(1_000, renewals), 2_000);
  });
});

/** One of the store's possible answers to a call, in up to 40 ms of virtual time. */
type Line<T> = { readonly ms: number; readonly answer: T | 'silence' | 'busy' | 'unsent' | 'refused' };

describe('unsubscribing at any moment of any history', () => {
  const line = <T>(...answers: T[]): fc.Arbitrary<Line<T>> =>
    fc.record({
      ms: fc.integer({ min: 0, max: 40 }),
      answer: fc.constantFrom<Line<T>['answer']>(...answers, 'silence', 'busy', 'unsent', 'refused'),
    });

  it('leaves no timer and nothing in Redis, whether answers come or not', () =>
    fc.assert(
      fc.property(
        fc.array(line<Answer>(granted(), denied({ wait: 20 }), denied({ announced: false })), { maxLength: 5 }),
        fc.array(line<Renewal>('renewed', 'taken'), { maxLength: 5 }),
        fc.array(line<Released>(left(), left({ now: 0 })), { maxLength: 3 }),
        fc.integer({ min: 0, max: 250 }),
        fc.array(fc.integer({ min: 0, max: 250 }), { maxLength: 3 }),
        fc.boolean(),
        (acquires, renewals, departures, leaveAt, hints, single) =>
          virtual(({ lock, store, scheduler, time, at, flush }) => {
            const script = <T>(lines: Line<T>[]) =>
              lines.map(({ ms, answer }) => {
                if (answer === 'silence') return silence;
                if (answer === 'busy') return store.failure(ms, BUSY);
                if (answer === 'unsent') return store.failure(ms, UNSENT);
                if (answer === 'refused') return store.failure(ms, new RedisRefusedError('a', false, new Error('NO')));
                return store.after(ms, answer as T);
              });
            store.acquires.unshift(...script(acquires));
            store.renewals.unshift(...script(renewals));
            store.departures.unshift(...script(departures));
            for (const ms of hints) {
              const owner = () => store.asked[0]?.owner ?? '';
              at(ms, () => store.grants$.next(ms % 2 ? { name: 'a', owner: owner(), fence: ms } : undefined));
            }
            const lock$ = lock({ ttl: 60, renewEvery: 20, waiterTtl: 90, commandTimeout: 50, backoff: () => 10 });
            const subscription = (single ? lock$.try() : lock$).subscribe({ error: () => undefined });
            at(leaveAt, () => subscription.unsubscribe());
            flush();
            assert.equal(scheduler.pending, 0);
            assert.isAtMost(time.now(), leaveAt + 1_000);
            const last = store.log.at(-1) ?? '';
            const mayHold = store.log.some((call, i) => /acquire|try/.test(call) && maySucceed(acquires[i]));
            if (mayHold && !single) assert.match(last, /release$/);
          }),
      ),
      { numRuns: 2_000, seed: 7 },
    ));

  const maySucceed = (answered: Line<Answer> | undefined): boolean =>
    answered === undefined || !['busy', 'unsent', 'refused'].includes(String(answered.answer));
});

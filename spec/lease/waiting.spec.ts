/** Waiting in virtual time: by heartbeat, by the holder's time, by back-off, and cut short by a grant. */
import { assert } from 'chai';
import { tap, timeout } from 'rxjs';
import { RedisRefusedError, RedisUnreachableError } from '../../src/errors.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { denied, granted, left, silence } from '../support/fake-store.ts';
import { shown, type Virtual, virtual } from '../support/virtual.ts';

const BUSY = new RedisRefusedError('a', true, new Error('BUSY'));
const UNSENT = new RedisUnreachableError('a', 'No connection');
const UNKNOWN = new RedisUnreachableError('a', 'The connection closed', 1_000);

/** A release elsewhere makes the owner of the first call the holder. */
const handOver = ({ store }: Virtual, fence = 9): void =>
  store.grants$.next({ name: 'a', owner: store.asked[0]?.owner ?? '', fence });

/** A lock whose waiters are heard of every 3 000 ms. */
const TTL = { waiterTtl: 9_000 };

describe('a waiter', () => {
  it('asks again right after a holder’s lease is due to lapse, and not before', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied({ wait: 200 })), store.after(1, granted())];
      expectObservable(shown(lock(TTL)), '^ 299ms !').toBe('203ms L');
      ends(['0 acquire', '202 acquire', '300 release']);
    }));

  it('sends a heartbeat every third of its waiterTtl while a holder renews', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied())];
      expectObservable(shown(lock(TTL)), '^ 9999ms !').toBe('');
      ends(['0 acquire', '3001 acquire', '6002 acquire', '9003 acquire', '10000 release']);
    }));

  it('that is not among the first three does not ask at the holder’s lapse', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied({ wait: 200, rank: 3 }))];
      expectObservable(shown(lock(TTL)), '^ 3999ms !').toBe('');
      ends(['0 acquire', '3001 acquire', '4000 release']);
    }));

  it('asks by back-off, counted from the first attempt, while a foreign client holds', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied({ announced: false }))];
      expectObservable(shown(lock({ ...TTL, backoff: (attempt) => 10 * attempt })), '^ 99ms !').toBe('');
      ends(['0 acquire', '11 acquire', '32 acquire', '63 acquire', '100 release']);
    }));

  it('sends its ticket whenever it asks again, in case its place was lost; but none if there is no queue', () => {
    for (const [rank, tickets] of [
      [1, [undefined, 77, 77]],
      [undefined, [undefined, undefined, undefined]],
    ] as const)
      virtual(({ lock, store, flush, at }) => {
        store.acquires = [store.after(1, denied({ rank, ticket: 77 }))];
        const subscription = lock({ waiterTtl: 900 }).subscribe();
        at(700, () => subscription.unsubscribe());
        flush();
        const asked = store.asked.slice(0, 3);
        assert.deepEqual(
          asked.map(({ ticket }) => ticket),
          [...tickets],
        );
      });
  });

  it('asks when a foreign holder’s key expires, if that is sooner than the back-off', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied({ announced: false, wait: 30 })), store.after(1, granted())];
      expectObservable(shown(lock(TTL)), '^ 99ms !').toBe('33ms L');
      ends(['0 acquire', '32 acquire', '100 release']);
    }));

  it('sends its heartbeats in time whatever its back-off', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied({ announced: false }))];
      expectObservable(shown(lock({ ...TTL, backoff: () => 60_000 })), '^ 3999ms !').toBe('');
      ends(['0 acquire', '3001 acquire', '4000 release']);
    }));

  it('does not spin when it is denied although the holder’s lease should have lapsed', () =>
    virtual(({ lock, store, expectObservable, flush }) => {
      store.acquires = [store.after(1, denied({ wait: 0 }))];
      expectObservable(shown(lock(TTL)), '^ 29ms !').toBe('');
      flush();
      assert.isAtMost(store.log.length, 12);
    }));

  it('errors when its back-off is no number of ms', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied({ announced: false }))];
      const lock$ = lock({ ...TTL, backoff: () => Number.NaN });
      expectObservable(shown(lock$)).toBe('-#', undefined, 'backoff(1) must be from 0 to 2147483647, got NaN');
      ends(['0 acquire', '1 release']);
    }));

  it('that times out leaves the queue, and wakes, cancels and unsubscribes no other waiter', () =>
    virtual(({ lock, store, scheduler, expectObservable, flush }) => {
      store.acquires = [store.after(1, denied())];
      const shared = lock(TTL);
      expectObservable(shown(shared.pipe(timeout({ first: 100, scheduler })))).toBe(
        '100ms #',
        undefined,
        'Timeout has occurred',
      );
      expectObservable(shown(shared), '^ 4999ms !').toBe('');
      flush();
      assert.deepEqual(store.log, ['0 acquire', '0 acquire', '100 release', '3001 acquire', '5000 release']);
      const [a, b, ...rest] = store.asked.map(({ owner }) => owner);
      assert.deepEqual(rest, [a, b, b]);
    }));
});

describe('a grant', () => {
  it('cuts the wait short, and is emitted without asking', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, ends } = v;
      store.acquires = [store.after(1, denied({ wait: 500 }))];
      at(100, () => handOver(v));
      expectObservable(shown(lock(TTL)), '^ 199ms !').toBe('100ms L');
      ends(['0 acquire', '200 release']);
    }));

  it('for another name is ignored', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, ends } = v;
      store.acquires = [store.after(1, denied())];
      at(100, () => store.grants$.next({ name: 'b', owner: store.asked[0]?.owner ?? '', fence: 9 }));
      expectObservable(shown(lock(TTL)), '^ 199ms !').toBe('');
      ends(['0 acquire', '200 release']);
    }));

  it('to an owner that has left, or was never known, is released, and the others go on waiting', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, ends } = v;
      store.acquires = [store.after(1, denied())];
      at(101, () => store.grants$.next({ name: 'a', owner: 'b', fence: 9 }));
      expectObservable(shown(lock(TTL)), '^ 199ms !').toBe('');
      ends(['0 acquire', '101 release', '200 release']);
      assert.deepInclude(store.asked[1], { name: 'a', owner: 'b' });
    }));

  it('to an owner that has left is not released again if the owner’s own release covers it', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, ends } = v;
      store.acquires = [store.after(1, denied())];
      store.departures = [store.after(1, left({ held: true }))];
      at(110, () => handOver(v));
      expectObservable(shown(lock(TTL)), '^ 99ms !').toBe('');
      ends(['0 acquire', '100 release']);
    }));

  it('to an explicit owner that has left is not released: another process may hold under that owner', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, ends } = v;
      store.acquires = [store.after(1, denied())];
      store.departures = [store.after(1, left({ held: false }))];
      at(110, () => handOver(v));
      expectObservable(shown(lock({ ...TTL, owner: 'me' })), '^ 99ms !').toBe('');
      ends(['0 acquire', '100 release']);
    }));

  it('to an explicit owner that has left long ago is released: no message about an earlier grant takes that long', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, ends } = v;
      store.acquires = [store.after(1, denied())];
      store.departures = [store.after(1, left({ held: false }))];
      at(101 + 2 * 900, () => handOver(v));
      at(101 + 2 * 900 + 1, () => handOver(v));
      expectObservable(shown(lock({ waiterTtl: 900, owner: 'me' })), '^ 99ms !').toBe('');
      ends(['0 acquire', '100 release', '1902 release']);
    }));

  it('counts from the sending of the last answered heartbeat', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, flush } = v;
      store.acquires = [store.after(1, denied())];
      const seen: number[] = [];
      at(3_100, () => handOver(v));
      const lock$ = lock(TTL).pipe(tap((lease) => seen.push(lease.remaining(), lease.fence)));
      expectObservable(shown(lock$), '^ 3199ms !').toBe('3100ms L');
      flush();
      assert.deepEqual(seen, [3_001 + 988 - 3_100, 9]);
    }));

  it('lasts for waiterTtl where that is shorter than the ttl, and is renewed to the full ttl in a moment, unless it is over by then', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, flush } = v;
      const remaining: number[] = [];
      store.acquires = [store.after(1, denied())];
      let lease: Lease | undefined;
      at(100, () => handOver(v));
      at(100, () => remaining.push(lease?.remaining() ?? 0));
      at(122, () => remaining.push(lease?.remaining() ?? 0));
      const lock$ = lock({ waiterTtl: 600 }).pipe(tap((value) => (lease = value)));
      expectObservable(shown(lock$), '^ 149ms !').toBe('100ms L');
      flush();
      assert.deepEqual(store.log, ['0 acquire', '120 renew', '150 release']);
      assert.deepEqual(remaining, [600 - 8 - 100, 988 - 2]);
    }));

  it('whose time may be over is confirmed before it is emitted', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, ends } = v;
      store.acquires = [store.after(1, denied()), store.after(5, granted())];
      at(988, () => handOver(v));
      expectObservable(shown(lock(TTL)), '^ 1099ms !').toBe('993ms L');
      ends(['0 acquire', '988 acquire', '1100 release']);
    }));

  it('that arrives before the denial is not forgotten: the waiter asks for it as soon as the denial arrives', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, ends } = v;
      store.acquires = [store.after(20, denied()), store.after(5, granted())];
      at(10, () => handOver(v));
      expectObservable(shown(lock(TTL)), '^ 99ms !').toBe('25ms L');
      ends(['0 acquire', '20 acquire', '100 release']);
    }));

  it('that arrives while a heartbeat is in flight is emitted at once', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, ends } = v;
      store.acquires = [store.after(1, denied({ wait: 99 })), store.after(20, granted())];
      at(110, () => handOver(v));
      expectObservable(shown(lock(TTL)), '^ 111ms !').toBe('110ms L');
      ends(['0 acquire', '101 acquire', '121 release']);
    }));

  it('with a fence that is no higher than the clock of the last denial is an old message, and ignored', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, ends } = v;
      store.acquires = [store.after(1, denied({ drawn: 9 }))];
      at(100, () => handOver(v, 9));
      at(200, () => handOver(v, 10));
      expectObservable(shown(lock(TTL)), '^ 299ms !').toBe('200ms L');
      ends(['0 acquire', '300 release']);
    }));

  it('after the lease was emitted changes nothing', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, ends } = v;
      at(100, () => handOver(v));
      at(150, () => store.grants$.next(undefined));
      expectObservable(shown(lock(TTL)), '^ 199ms !').toBe('-L');
      ends(['0 acquire', '200 release']);
    }));

  it('is released with whatever else the owner has, if a heartbeat was granted another lease meanwhile', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, ends } = v;
      store.acquires = [store.after(1, denied({ wait: 99 })), store.after(20, granted(8))];
      store.renewals = [store.after(1, 'taken')];
      at(110, () => handOver(v, 6));
      expectObservable(shown(lock(TTL))).toBe('110ms L 190ms #', undefined, 'lost: taken');
      ends(['0 acquire', '101 acquire', '300 renew', '301 release']);
      assert.isUndefined(store.asked.at(-1)?.fence);
    }));

  it('is not released if a heartbeat sent before it is answered too late', () =>
    virtual((v) => {
      const { lock, store, expectObservable, at, ends } = v;
      store.acquires = [store.after(1, denied({ wait: 40 })), store.after(995, granted(9))];
      at(50, () => handOver(v));
      expectObservable(shown(lock({ ...TTL, renewEvery: 900 })), '^ 1099ms !').toBe('50ms L');
      ends(['0 acquire', '42 acquire', '900 renew', '1100 release']);
    }));

  it('that arrives after its time is over is released, and asked for again', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(988, granted(5)), store.after(1, granted(6))];
      store.departures = [store.after(4, left())];
      expectObservable(shown(lock(TTL)), '^ 1099ms !').toBe('1043ms L');
      ends(['0 acquire', '988 release', '1042 acquire', '1100 release']);
      assert.equal(store.asked[1]?.fence, 5); // another process may have the next lease of this owner by then
    }));

  it('that arrives after its time is over again and again is asked for more and more seldom', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(988, granted()), store.after(988, granted()), store.after(1, granted())];
      const backoff = (attempt: number): number => 100 * attempt;
      expectObservable(shown(lock({ ...TTL, backoff })), '^ 2399ms !').toBe('2279ms L');
      ends(['0 acquire', '988 release', '1089 acquire', '2077 release', '2278 acquire', '2400 release']);
    }));

  it('that could not be released is asked for again all the same', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(988, granted()), store.after(1, granted())];
      store.departures = [silence, store.after(1, left())];
      expectObservable(shown(lock({ ...TTL, commandTimeout: 1_000 })), '^ 2099ms !').toBe('2039ms L');
      ends(['0 acquire', '988 release', '2038 acquire', '2100 release']);
    }));
});

describe('a waiter that may have missed a grant', () => {
  it('asks at once', () =>
    virtual(({ lock, store, expectObservable, at, ends }) => {
      store.acquires = [store.after(1, denied()), store.after(1, granted())];
      at(100, () => store.grants$.next(undefined));
      expectObservable(shown(lock(TTL)), '^ 199ms !').toBe('101ms L');
      ends(['0 acquire', '100 acquire', '200 release']);
    }));

  it('during a request asks once more after it', () =>
    virtual(({ lock, store, expectObservable, at, ends }) => {
      store.acquires = [store.after(30, denied()), store.after(1, denied())];
      at(10, () => store.grants$.next(undefined));
      at(20, () => store.grants$.next(undefined));
      expectObservable(shown(lock(TTL)), '^ 199ms !').toBe('');
      ends(['0 acquire', '30 acquire', '200 release']);
    }));

  it('keeps its order of arrival', () =>
    virtual(({ lock, store, at, flush }) => {
      store.acquires = [store.after(1, denied())];
      const lock$ = lock(TTL);
      const all = Array.from({ length: 20 }, () => lock$.subscribe());
      at(100, () => store.grants$.next(undefined));
      at(200, () => {
        for (const subscription of all) subscription.unsubscribe();
      });
      flush();
      const owners = store.asked.map(({ owner }) => owner);
      assert.equal(owners.length, 60);
      assert.deepEqual(owners.slice(20, 40), owners.slice(0, 20));
    }));
});

describe('an attempt that fails', () => {
  it('while Redis is busy is repeated after the back-off', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.failure(1, BUSY), store.failure(1, BUSY), store.after(1, granted())];
      expectObservable(shown(lock({ ...TTL, backoff: (attempt) => 10 * attempt })), '^ 99ms !').toBe('33ms L');
      ends(['0 acquire', '11 acquire', '32 acquire', '100 release']);
    }));

  it('with an unknown outcome is repeated after the back-off', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.failure(1, UNKNOWN), store.after(1, granted())];
      expectObservable(shown(lock(TTL)), '^ 99ms !').toBe('52ms L');
      ends(['0 acquire', '51 acquire', '100 release']);
    }));

  it('starts the back-off anew after an answer', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      const busy = store.failure(1, BUSY);
      store.acquires = [busy, busy, store.after(1, denied({ wait: 100 })), busy, store.after(1, granted())];
      expectObservable(shown(lock({ ...TTL, backoff: (attempt) => 10 * attempt })), '^ 199ms !').toBe('146ms L');
      ends(['0 acquire', '11 acquire', '32 acquire', '134 acquire', '145 acquire', '200 release']);
    }));

  it('before it could be sent is repeated as soon as the connection is back', () =>
    virtual(({ lock, store, expectObservable, at, ends }) => {
      store.acquires = [store.failure(10, UNSENT), store.after(1, granted())];
      at(60, () => store.grants$.next(undefined));
      expectObservable(shown(lock({ ...TTL, backoff: () => 60_000 })), '^ 99ms !').toBe('61ms L');
      ends(['0 acquire', '60 acquire', '100 release']);
    }));

  it('before it could be sent is repeated after the back-off if the connection tells nothing', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.failure(10, UNSENT), store.after(1, granted())];
      expectObservable(shown(lock(TTL)), '^ 99ms !').toBe('61ms L');
      ends(['0 acquire', '60 acquire', '100 release']);
    }));
});

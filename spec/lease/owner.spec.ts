/** The same owner twice in one process, in virtual time: one lease, with as many subscriptions as there are. */
import { assert } from 'chai';
import { type Subscription, take, tap } from 'rxjs';
import { RedisUnreachableError } from '../../src/errors.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { denied, granted, left, silence } from '../support/fake-store.ts';
import { shown, virtual } from '../support/virtual.ts';

const ME = { owner: 'me', waiterTtl: 9_000 };

describe('the same owner twice', () => {
  it('is granted both times, and released by the first that leaves: the other’s lease is over at once', () =>
    virtual(({ lock, store, expectObservable, flush, scheduler }) => {
      expectObservable(shown(lock(ME)), '^ 99ms !').toBe('-L');
      expectObservable(shown(lock(ME))).toBe('-L 99ms |');
      flush();
      assert.deepEqual(store.log, ['0 acquire', '0 acquire', '100 release']);
      assert.equal(scheduler.pending, 0);
    }));

  it('is over for both when one calls release(): nobody believes in it while the next one is granted', () =>
    virtual(({ lock, store, at, flush }) => {
      const leases: Lease[] = [];
      const keep = tap<Lease>((lease) => leases.push(lease));
      store.departures = [store.after(20, left())];
      lock(ME).pipe(keep).subscribe();
      lock(ME).pipe(keep).subscribe();
      at(100, () => {
        void leases[0]?.release();
        assert.deepEqual(
          leases.map(({ held }) => held),
          [false, false],
        );
      });
      flush();
      assert.equal(leases[1]?.signal.reason.name, 'AbortError');
    }));

  it('is lost for both at once', () =>
    virtual(({ lock, expectObservable, flush }) => {
      expectObservable(shown(lock({ ...ME, maxHold: 200 }))).toBe('-L 199ms #', undefined, 'lost: maxHold');
      expectObservable(shown(lock(ME))).toBe('-L 199ms #', undefined, 'lost: maxHold');
      flush();
    }));

  it('keeps its place in the queue when one of two waiters leaves', () =>
    virtual(({ lock, store, at, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied())];
      at(200, () => store.grants$.next({ name: 'a', owner: 'me', fence: 5 }));
      expectObservable(shown(lock(ME)), '^ 99ms !').toBe('');
      expectObservable(shown(lock(ME)), '^ 299ms !').toBe('200ms L');
      ends(['0 acquire', '0 acquire', '300 release']);
    }));

  it('is granted to both waiters by one grant', () =>
    virtual(({ lock, store, at, expectObservable, flush }) => {
      store.acquires = [store.after(1, denied())];
      at(200, () => store.grants$.next({ name: 'a', owner: 'me', fence: 5 }));
      expectObservable(shown(lock(ME)), '^ 299ms !').toBe('200ms L');
      expectObservable(shown(lock(ME))).toBe('200ms L 100ms |');
      flush();
    }));

  it('gives its lease to another subscription that is about to be granted it, with no release', async () => {
    let answer: Promise<boolean> | undefined;
    virtual(({ lock, store, at, expectObservable, ends }) => {
      let lease: Lease | undefined;
      store.acquires = [store.after(1, granted()), store.after(20, granted())];
      lock(ME).subscribe((value) => {
        lease = value;
      });
      expectObservable(shown(lock(ME)), '50ms ^ 99ms !').toBe('70ms L');
      at(60, () => {
        answer = lease?.release();
      });
      ends(['0 acquire', '50 acquire', '150 release']);
    });
    assert.isTrue(await answer);
  });

  it('is granted to the second waiter by the same grant, where the first leaves on hearing of it', () =>
    virtual(({ lock, store, at, expectObservable, flush }) => {
      store.acquires = [store.after(1, denied())];
      at(200, () => store.grants$.next({ name: 'a', owner: 'me', fence: 5 }));
      expectObservable(shown(lock(ME).pipe(take(1)))).toBe('200ms (L|)');
      expectObservable(shown(lock(ME)), '^ 299ms !').toBe('200ms L');
      flush();
    }));

  it('leaves its lease to another subscription that still waits, which asks at once', () =>
    virtual(({ lock, store, at, expectObservable, flush }) => {
      store.acquires = [store.after(1, denied()), store.after(1, granted())];
      expectObservable(shown(lock(ME)), '^ 199ms !').toBe('101ms L');
      at(10, () => {
        const second = lock(ME).subscribe();
        at(90, () => second.unsubscribe());
      });
      flush();
    }));

  it('leaves the queue with its last subscription, be that a single attempt which another left its place to', () =>
    virtual(({ lock, store, at, ends }) => {
      store.acquires = [store.after(1, denied()), store.after(20, denied())];
      const first = lock(ME).subscribe();
      at(50, () => void lock(ME).try().subscribe());
      at(60, () => first.unsubscribe());
      ends(['0 acquire', '50 try', '70 release']);
    }));

  it('believes in it no longer than the shorter ttl of its two gives, and is renewed as often as that needs', () =>
    virtual(({ lock, store, at, flush }) => {
      const held: Lease[] = [];
      const first = lock(ME).subscribe((lease) => held.push(lease));
      at(100, () => {
        lock({ ...ME, ttl: 100, renewEvery: 50 }).subscribe((lease) => held.push(lease));
        assert.equal(held[0]?.remaining(), 97);
      });
      at(110, () => assert.isAtMost(Number(held[0]?.remaining()), 97 - 10));
      at(499, () => {
        assert.isAtMost(Number(held[0]?.remaining()), 97);
        assert.isTrue(held[0]?.held);
        first.unsubscribe();
      });
      flush();
      assert.isAtLeast(store.log.filter((call) => call.endsWith('renew')).length, 10);
    }));

  it('believes in it no longer than one gives that has left, but whose request was on its way', () =>
    virtual(({ lock, store, at, flush }) => {
      store.acquires = [store.after(1, granted()), store.after(20, granted())];
      store.renewals = [store.after(20, 'renewed')];
      let lease: Lease | undefined;
      const first = lock({ ...ME, ttl: 6_000, renewEvery: 2_000 }).subscribe((value) => {
        lease = value;
      });
      at(100, () => void lease?.renew());
      at(105, () => {
        const second = lock({ ...ME, ttl: 100, renewEvery: 50 }).subscribe();
        at(5, () => second.unsubscribe());
      });
      at(121, () => assert.isAtMost(Number(lease?.remaining()), 97));
      at(300, () => {
        assert.isAbove(Number(lease?.remaining()), 5_000); // it was renewed since
        first.unsubscribe();
      });
      flush();
    }));

  it('believes in it no longer than a renewal gives that its predecessor sent, and that may land yet', () =>
    virtual(({ lock, store, at, flush }) => {
      store.acquires = [store.after(1, granted()), store.after(30, granted())];
      store.renewals = [store.failure(1, new RedisUnreachableError('a', 'Cut', 0)), store.after(1, 'renewed')];
      const believed: number[] = [];
      let lease: Lease | undefined;
      const first = lock({ ...ME, ttl: 200, renewEvery: 90, commandTimeout: 150 }).subscribe();
      let second: Subscription | undefined;
      at(85, () => {
        second = lock({ ...ME, ttl: 6_000, renewEvery: 2_000 }).subscribe((value) => {
          lease = value;
        });
      });
      at(95, () => first.unsubscribe());
      at(116, () => believed.push(Number(lease?.remaining())));
      at(400, () => {
        believed.push(Number(lease?.remaining()));
        second?.unsubscribe();
      });
      flush();
      assert.isAtMost(Number(believed[0]), 196);
      assert.isAbove(Number(believed[1]), 5_000);
    }));

  it('believes in it no longer than a request gives that another had more time for, and goes on with its own ttl', () =>
    virtual(({ lock, store, at, flush }) => {
      store.acquires = [
        store.after(1, granted()),
        store.failure(1, new RedisUnreachableError('a', 'Cut', 700)),
        store.after(1, granted()),
      ];
      store.renewals = [store.after(1, 'renewed')];
      let lease: Lease | undefined;
      const first = lock({ ...ME, ttl: 6_000, renewEvery: 2_000, commandTimeout: 50 }).subscribe((value) => {
        lease = value;
      });
      at(100, () => {
        const single = lock({ ...ME, ttl: 300, renewEvery: 100, commandTimeout: 600 }).try();
        single.subscribe({ error: () => undefined });
      });
      at(400, () => void lease?.renew());
      at(402, () => assert.isAtMost(Number(lease?.remaining()), 295));
      at(1_500, () => {
        assert.isAbove(Number(lease?.remaining()), 5_000);
        first.unsubscribe();
      });
      flush();
    }));

  it('makes a single attempt wait for its release no longer than for an answer', () =>
    virtual(({ lock, store, at, expectObservable, flush }) => {
      store.departures = [silence];
      const first = lock(ME).subscribe();
      at(100, () => first.unsubscribe());
      expectObservable(shown(lock({ ...ME, commandTimeout: 50 }).try()), '105ms ^').toBe(
        '155ms #',
        undefined,
        'REDIS_UNREACHABLE',
      );
      flush();
    }));

  it('leaves for both who waited, also where the last one’s attempts never reached Redis', () =>
    virtual(({ lock, store, at, ends }) => {
      const unsent = new RedisUnreachableError('a', 'No connection');
      store.acquires = [store.after(1, denied()), store.failure(1, unsent)];
      const [first, second] = [lock(ME).subscribe(), lock(ME).subscribe()];
      at(20, () => first.unsubscribe());
      at(30, () => second.unsubscribe());
      ends(['0 acquire', '0 acquire', '30 release']);
    }));

  it('leaves again after the not-after of an attempt that the other one made', () =>
    virtual(({ lock, store, at, ends }) => {
      const unknown = new RedisUnreachableError('a', 'The connection closed', 80);
      store.acquires = [store.failure(1, unknown), store.after(1, denied())];
      store.departures = [store.after(1, left({ held: false, now: 31 })), store.after(1, left({ now: 90 }))];
      const [first, second] = [lock(ME).subscribe(), lock(ME).subscribe()];
      at(20, () => first.unsubscribe());
      at(30, () => second.unsubscribe());
      ends(['0 acquire', '0 acquire', '30 release', '81 release']);
    }));

  it('asks anew only when its release is acknowledged: that must not land behind', () =>
    virtual(({ lock, store, at, expectObservable, ends }) => {
      store.departures = [store.after(20, left())];
      const first = lock(ME).subscribe();
      at(100, () => first.unsubscribe());
      expectObservable(shown(lock(ME)), '105ms ^ 99ms !').toBe('121ms L');
      ends(['0 acquire', '100 release', '120 acquire', '205 release']);
    }));

  it('asks anew only when its release was made again and acknowledged, where the first one failed', () =>
    virtual(({ lock, store, at, expectObservable, ends }) => {
      store.departures = [silence, store.after(20, left())];
      const first = lock(ME).subscribe();
      at(100, () => first.unsubscribe());
      expectObservable(shown(lock({ ...ME, commandTimeout: 50 })), '105ms ^ 2999ms !').toBe('2146ms L');
      ends([
        '0 acquire',
        '100 release',
        '2125 release',
        '2145 acquire',
        '2445 renew',
        '2745 renew',
        '3045 renew',
        '3105 release',
      ]);
    }));

  it('that leaves while it waits to ask anew has asked nothing', () =>
    virtual(({ lock, store, at, expectObservable, ends }) => {
      store.departures = [store.after(20, left())];
      const first = lock(ME).subscribe();
      at(100, () => first.unsubscribe());
      expectObservable(shown(lock(ME)), '105ms ^ 9ms !').toBe('');
      ends(['0 acquire', '100 release']);
    }));

  it('keeps the lease of the one when the other leaves before it was answered', () =>
    virtual(({ lock, store, at, flush }) => {
      let lease: Lease | undefined;
      store.acquires = [store.after(1, granted()), store.after(20, granted())];
      const first = lock(ME).subscribe((value) => (lease = value));
      at(50, () => {
        const second = lock(ME).subscribe();
        at(10, () => second.unsubscribe());
      });
      at(150, () => assert.isTrue(lease?.held));
      at(200, () => first.unsubscribe());
      flush();
      assert.deepEqual(store.log, ['0 acquire', '50 acquire', '200 release']);
    }));
});

/** The same owner in one process, in virtual time: one session, to which subscriptions attach, and one lease. */
import { assert } from 'chai';
import { take } from 'rxjs';
import { LockLostError, RedisUnreachableError } from '../../src/errors.ts';
import type { Lease } from '../../src/lease/lease.ts';
import type { Kind } from '../../src/lease/terms.ts';
import { Lock } from '../../src/locks/lock.ts';
import type { LockOptions } from '../../src/options.ts';
import { denied, granted, left, silence } from '../support/fake-store.ts';
import { CountingScheduler, label, shown, type Virtual, virtual } from '../support/virtual.ts';

const ME = { owner: 'me', waiterTtl: 9_000 };

/** Subscribes, and keeps what comes. */
const held = (
  { lock, time }: Virtual,
  options: LockOptions = {},
): { leases: Lease[]; seen: string[]; leave(): void } => {
  const leases: Lease[] = [];
  const seen: string[] = [];
  const subscription = lock({ ...ME, ...options }).subscribe({
    next: (lease) => leases.push(lease),
    error: (error) => seen.push(`${time.now()} ${label(error)}`),
    complete: () => seen.push(`${time.now()} complete`),
  });
  return { leases, seen, leave: () => subscription.unsubscribe() };
};

describe('the same owner twice', () => {
  it('waits by one request, and is granted to both by one grant', () =>
    virtual(({ lock, store, at, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied())];
      at(200, () => store.grants$.next({ name: 'a', owner: 'me', fence: 5 }));
      expectObservable(shown(lock(ME)), '^ 299ms !').toBe('200ms L');
      expectObservable(shown(lock(ME)), '50ms ^').toBe('200ms L 99ms #', undefined, 'lost: released');
      ends(['0 acquire', '300 release']);
    }));

  it('keeps its place in the queue when one of two waiters leaves, and leaves with the last', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied())];
      expectObservable(shown(lock(ME)), '^ 99ms !').toBe('');
      expectObservable(shown(lock(ME)), '^ 299ms !').toBe('');
      ends(['0 acquire', '300 release']);
    }));

  it('is one session also if the first subscription named no owner, and the second names the one that it was given', () =>
    virtual((v) => {
      const leases: Lease[] = [];
      const first = v.lock().subscribe((lease) => leases.push(lease));
      v.at(100, () => {
        const owner = leases[0]?.owner;
        const second = held(v, { owner });
        v.lock({ owner }, 'b').try().subscribe().unsubscribe();
        v.at(2, () => assert.deepEqual(second.leases, leases));
        v.at(50, () => {
          first.unsubscribe();
          assert.deepEqual(second.seen, ['150 lost: released']);
        });
      });
      v.at(200, () => v.lock({ owner: leases[0]?.owner }).try().subscribe().unsubscribe());
      v.ends(['0 acquire', '100 renew', '100 try', '101 release', '150 release', '200 try', '201 release']);
    }));

  it('has one lease: a subscription that comes while it is held is given that lease, once it is renewed', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(20, 'renewed')];
      const first = held(v);
      v.at(100, () => {
        const second = held(v);
        v.at(19, () => assert.isEmpty(second.leases));
        v.at(21, () => assert.deepEqual(second.leases, first.leases));
        v.at(50, () => first.leave());
      });
      v.ends(['0 acquire', '100 renew', '150 release']);
    }));

  it('is not ended by a subscription that leaves before it was given the lease', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(20, 'renewed')];
      const first = held(v);
      v.at(100, () => {
        const second = held(v);
        v.at(10, () => second.leave());
      });
      v.at(150, () => first.leave());
      v.ends(['0 acquire', '100 renew', '150 release']);
      assert.isEmpty(first.seen);
    }));

  it('is not shared with another owner that looks like name and owner together', () =>
    virtual((v) => {
      const both = [held(v), held(v, { owner: '1 ame' })];
      v.at(100, () => {
        for (const { leave } of both) leave();
      });
      v.ends(['0 acquire', '0 acquire', '100 release', '100 release']);
    }));

  it('keeps a lease that is granted while an earlier attempt is answered too late: nothing is released', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(995, granted()), v.store.after(500, granted())];
      const first = held(v);
      v.at(500, () =>
        v
          .lock(ME)
          .try()
          .subscribe({ error: () => undefined }),
      );
      v.at(1_010, () => assert.isTrue(first.leases[0]?.held));
      v.at(1_050, () => first.leave());
      v.flush();
      assert.deepEqual(
        v.store.log.filter((call) => call.endsWith('release')),
        ['1050 release'],
      );
    }));

  it('ignores a message about a grant that is older than the denial of a single attempt', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, denied({ drawn: 10 })), v.store.after(1, denied({ drawn: 30 }))];
      const first = held(v);
      v.at(100, () => v.lock(ME).try().subscribe());
      v.at(200, () => v.store.grants$.next({ name: 'a', owner: 'me', fence: 20 }));
      v.at(300, () => first.leave());
      v.ends(['0 acquire', '100 try', '300 release']);
      assert.isEmpty(first.leases);
    }));

  it('is renewed once at a time, also if a subscription that comes asks for two renewals as it is given the lease', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(20, 'renewed')];
      const first = held(v);
      v.at(100, () =>
        v.lock(ME).subscribe({
          next: (lease) => {
            void lease.renew();
            void lease.renew();
          },
          error: () => undefined,
        }),
      );
      v.at(190, () => first.leave());
      v.ends(['0 acquire', '100 renew', '120 renew', '140 renew', '190 release']);
    }));

  it('is given the lease also if that renewal fails, for it is held; and the loss, if the renewal finds one', () => {
    for (const [ttl, seen] of [
      ['unreachable', []],
      ['taken', ['101 lost: taken']],
    ] as const)
      virtual((v) => {
        const cut = v.store.failure(1, new RedisUnreachableError('a', 'Cut'));
        v.store.renewals = [ttl === 'taken' ? v.store.after(1, 'taken') : cut, v.store.after(1, 'renewed')];
        const first = held(v);
        v.at(100, () => {
          const second = held(v);
          v.at(2, () => assert.lengthOf(second.leases, seen.length === 0 ? 1 : 0));
          v.at(20, () => assert.deepEqual(second.seen, [...seen]));
          v.at(50, () => first.leave());
        });
        v.flush();
      });
  });

  it('is renewed with the ttl of the last subscription, and as often as that ttl needs', () =>
    virtual((v) => {
      const { leases, leave } = held(v);
      v.at(100, () => held(v, { ttl: 6_000, renewEvery: 2_000 }));
      v.at(102, () => assert.equal(leases[0]?.remaining(), 5_940 - 2 - 2));
      v.at(2_200, () => held(v, { ttl: 100, renewEvery: 50 }));
      v.at(2_202, () => assert.equal(leases[0]?.remaining(), 99 - 2 - 2));
      v.at(2_320, () => leave());
      v.ends(['0 acquire', '100 renew', '2100 renew', '2200 renew', '2250 renew', '2300 renew', '2320 release']);
    }));

  it('is renewed with the ttl of the last subscription also if it waited, although the request named the first one’s', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(50, granted())];
      const { leases, leave } = held(v);
      v.at(10, () => held(v, { ttl: 6_000, renewEvery: 2_000 }));
      v.at(50, () => assert.equal(leases[0]?.remaining(), 988 - 50));
      v.at(52, () => assert.equal(leases[0]?.remaining(), 5_940 - 2 - 2));
      v.at(100, () => leave());
      v.ends(['0 acquire', '50 renew', '100 release']);
    }));

  it('is released by the first that unsubscribes: the other errors with released at once', () =>
    virtual((v) => {
      v.store.departures = [v.store.after(20, left())];
      const [first, second] = [held(v), held(v)];
      v.at(100, () => {
        first.leave();
        assert.isFalse(second.leases[0]?.held);
        assert.deepEqual(second.seen, ['100 lost: released']);
      });
      v.ends(['0 acquire', '100 release']);
      assert.deepEqual(first.seen, []);
    }));

  it('is over for both when one calls release(), and both complete when that is acknowledged', () =>
    virtual((v) => {
      v.store.departures = [v.store.after(20, left())];
      const [first, second] = [held(v), held(v)];
      v.at(100, () => {
        void first.leases[0]?.release();
        assert.isFalse(second.leases[0]?.held);
        assert.equal(second.leases[0]?.signal.reason.name, 'AbortError');
      });
      v.ends(['0 acquire', '100 release']);
      assert.deepEqual([...first.seen, ...second.seen], ['120 complete', '120 complete']);
    }));

  it('is over for a subscription that has not been given it yet, if another unsubscribes as it is emitted', () =>
    virtual(({ lock, store, expectObservable, flush }) => {
      store.acquires = [store.after(20, granted())];
      expectObservable(shown(lock(ME).pipe(take(1)))).toBe('20ms (L|)');
      expectObservable(shown(lock(ME))).toBe('20ms #', undefined, 'lost: released');
      flush();
    }));

  it('is over for a subscription that has not been given it yet, if another calls release(): it does not complete as if it had held', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(50, 'renewed')];
      const first = held(v);
      let second: ReturnType<typeof held> | undefined;
      v.at(100, () => (second = held(v)));
      v.at(120, () => void first.leases[0]?.release());
      v.ends(['0 acquire', '100 renew', '120 release']);
      assert.deepEqual([first.seen, second?.seen], [['121 complete'], ['121 lost: released']]);
      assert.isEmpty(second?.leases);
    }));

  it('keeps its terms when a newcomer leaves that has not been given it yet', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(50, 'renewed')];
      const first = held(v);
      v.at(100, () => {
        const second = held(v, { maxHold: 100, ttl: 500 });
        v.at(20, () => second.leave());
      });
      v.at(600, () => assert.isTrue(first.leases[0]?.held));
      v.at(601, () => first.leave());
      v.ends(['0 acquire', '100 renew', '266 renew', '432 renew', '598 renew', '601 release']);
      assert.deepEqual(first.seen, []);
    }));

  it('is lost for both at once, with one error, and at the sooner of two maxHolds', () =>
    virtual((v) => {
      const errors: unknown[] = [];
      for (const maxHold of [200, 500, undefined])
        v.lock({ ...ME, maxHold }).subscribe({ error: (error) => errors.push(v.time.now(), error) });
      v.ends(['0 acquire', '201 release']);
      const [at, error] = errors;
      assert.equal(at, 201);
      assert.instanceOf(error, LockLostError);
      assert.deepEqual(errors, [201, error, 201, error, 201, error]);
    }));

  it('is a conflict in another mode or for more permits, which is found without asking Redis, and changes nothing', () =>
    virtual((v) => {
      const two: Kind = { mode: 'shared', permits: 2, limit: 3 };
      const [exclusive, shared] = [v.lock(ME), new Lock({ ...v.lock(ME, 'b').wanted, kind: two })];
      const as = (kind: Kind, of: Lock): Lock => new Lock({ ...of.wanted, kind });
      const said: string[] = [];
      const say = { error: (error: unknown) => said.push(label(error)), next: () => said.push('held') };
      const all = exclusive.subscribe();
      all.add(shared.subscribe());
      v.at(100, () => {
        as(two, exclusive).subscribe(say);
        as({ ...two, permits: 3 }, shared).subscribe(say);
        as({ ...two, permits: 1 }, shared).subscribe(say);
      });
      v.at(200, () => all.unsubscribe());
      v.ends(['0 acquire', '0 acquire', '100 renew', '200 release', '200 release']);
      assert.deepEqual(said.slice(0, 3), ['OWNER_CONFLICT', 'OWNER_CONFLICT', 'held']);
    }));

  it('is a conflict by another scheduler, whose clock could not judge the lease, while it waits and while it is held', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(50, granted())];
      const said: string[] = [];
      const other = new CountingScheduler(v.time);
      const first = v.lock(ME).subscribe();
      for (const ms of [10, 100])
        v.at(ms, () => {
          v.lock({ ...ME, scheduler: other }).subscribe({
            error: (error) => said.push(`${v.time.now()} ${label(error)}`),
          });
        });
      v.at(200, () => first.unsubscribe());
      v.ends(['0 acquire', '200 release']);
      assert.deepEqual(said, ['10 OWNER_CONFLICT', '100 OWNER_CONFLICT']);
    }));
});

describe('try() under an owner that waits', () => {
  it('is one attempt of its own: it completes empty, and the waiter keeps its place', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied())];
      expectObservable(shown(lock(ME)), '^ 299ms !').toBe('');
      expectObservable(shown(lock(ME).try()), '50ms ^').toBe('51ms |');
      ends(['0 acquire', '50 try', '300 release']);
    }));

  it('that is granted is granted to both', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied()), store.after(1, granted())];
      expectObservable(shown(lock(ME)), '^ 299ms !').toBe('51ms L');
      expectObservable(shown(lock(ME).try()), '50ms ^').toBe('51ms L 248ms #', undefined, 'lost: released');
      ends(['0 acquire', '50 try', '300 release']);
    }));

  it('that fails errors, and leaves the waiter alone', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied()), store.failure(1, new RedisUnreachableError('a', 'Cut'))];
      expectObservable(shown(lock(ME)), '^ 299ms !').toBe('');
      expectObservable(shown(lock(ME).try()), '50ms ^').toBe('51ms #', undefined, 'REDIS_UNREACHABLE');
      ends(['0 acquire', '50 try', '300 release']);
    }));

  it('emits the lease that a hand-off grants while it is in flight, whatever its own answer is', () =>
    virtual(({ lock, store, at, expectObservable, ends }) => {
      store.acquires = [store.after(1, denied()), store.after(40, denied())];
      at(60, () => store.grants$.next({ name: 'a', owner: 'me', fence: 5 }));
      expectObservable(shown(lock(ME)), '^ 99ms !').toBe('60ms L');
      expectObservable(shown(lock(ME).try()), '50ms ^').toBe('60ms L 39ms #', undefined, 'lost: released');
      ends(['0 acquire', '50 try', '100 release']);
    }));

  it('waits too if a subscription without a timeout of 0 joins it', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(20, denied()), store.after(20, granted())];
      expectObservable(shown(lock(ME).try())).toBe('20ms |');
      expectObservable(shown(lock(ME)), '10ms ^ 89ms !').toBe('30ms L');
      ends(['0 try', '10 acquire', '100 release']);
    }));

  it('leaves nothing if the waiter has left before it is answered: it is released again after its not-after', () =>
    virtual(({ lock, store, at, ends }) => {
      const unknown = new RedisUnreachableError('a', 'The connection closed', 80);
      store.acquires = [store.after(1, denied()), store.failure(20, unknown)];
      store.departures = [store.after(1, left({ held: false, now: 71 })), store.after(1, left({ now: 90 }))];
      const first = lock(ME).subscribe();
      at(
        50,
        () =>
          void lock(ME)
            .try()
            .subscribe({ error: () => undefined }),
      );
      at(60, () => first.unsubscribe());
      ends(['0 acquire', '50 try', '70 release', '81 release']);
    }));
});

describe('the same owner again, while its lease is being released', () => {
  it('asks anew only when that is acknowledged: the release must not take effect after the new request', () =>
    virtual(({ lock, store, at, expectObservable, ends }) => {
      store.departures = [store.after(20, left())];
      const first = lock(ME).subscribe();
      at(100, () => first.unsubscribe());
      expectObservable(shown(lock(ME)), '105ms ^ 99ms !').toBe('121ms L');
      ends(['0 acquire', '100 release', '120 acquire', '205 release']);
    }));

  it('asks anew only when the repeated release is acknowledged, if the first one failed', () =>
    virtual(({ lock, store, at, expectObservable, ends }) => {
      store.departures = [silence, store.after(20, left())];
      const first = lock(ME).subscribe();
      at(100, () => first.unsubscribe());
      expectObservable(shown(lock({ ...ME, commandTimeout: 50 })), '105ms ^ 2099ms !').toBe('2146ms L');
      ends(['0 acquire', '100 release', '2125 release', '2145 acquire', '2205 release']);
    }));

  it('that unsubscribes before it asks anew has sent nothing', () =>
    virtual(({ lock, store, at, expectObservable, ends }) => {
      store.departures = [store.after(20, left())];
      const first = lock(ME).subscribe();
      at(100, () => first.unsubscribe());
      expectObservable(shown(lock(ME)), '105ms ^ 9ms !').toBe('');
      ends(['0 acquire', '100 release']);
    }));

  it('makes a single attempt wait no longer than commandTimeout', () =>
    virtual(({ lock, store, at, expectObservable, flush }) => {
      store.departures = [silence];
      const first = lock(ME).subscribe();
      at(100, () => first.unsubscribe());
      const single = lock({ ...ME, commandTimeout: 50 }).try();
      expectObservable(shown(single), '105ms ^').toBe('155ms #', undefined, 'REDIS_UNREACHABLE');
      flush();
    }));

  it('errors when the coordinator closes', () =>
    virtual(({ lock, store, sessions, at, expectObservable, flush }) => {
      store.departures = [silence];
      const first = lock(ME).subscribe();
      at(100, () => first.unsubscribe());
      at(110, () => void sessions.shut().subscribe());
      expectObservable(shown(lock(ME)), '105ms ^').toBe('110ms #', undefined, 'COORDINATOR_CLOSED');
      flush();
    }));
});

describe('a lease under an owner that was given', () => {
  it('is not released after a loss, for another process may go on with it; and can be asked for at once', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(1, 'taken')];
      const first = held(v);
      v.at(302, () => {
        const second = held(v);
        v.at(50, () => second.leave());
      });
      v.ends(['0 acquire', '300 renew', '302 acquire', '352 release']);
      assert.deepEqual(first.seen, ['301 lost: taken']);
    }));

  it('is released, with its fence, when its maxHold ends it: nobody else can have been granted it', () =>
    virtual((v) => {
      held(v, { maxHold: 100 });
      v.ends(['0 acquire', '101 release']);
    }));

  it('is asked for again only when no renewal with the former ttl can still take effect', () =>
    virtual((v) => {
      const step = { wall: 0 };
      const clock = { now: () => v.time.now(), wall: () => v.time.now() + step.wall };
      const { wanted } = v.lock({ ...ME, commandTimeout: 500 });
      const lock$ = new Lock({ ...wanted, terms: { ...wanted.terms, clock } });
      const [lost, again]: [Lease[], number[]] = [[], []];
      v.store.renewals = [silence];
      lock$.subscribe({ next: (lease) => lost.push(lease), error: () => undefined });
      v.at(410, () => {
        step.wall = 3_600_000;
        assert.isFalse(lost[0]?.held);
        step.wall = 0;
        const second = lock$.subscribe(() => again.push(v.time.now()));
        v.at(500, () => second.unsubscribe());
      });
      v.ends(['0 acquire', '300 renew', '801 acquire', '910 release']);
      assert.deepEqual(again, [802]);
    }));
});

/** What a lock tells of itself while it works, in virtual time; and that telling it changes nothing. */
import { assert } from 'chai';
import { RedisRefusedError } from '../../src/errors.ts';
import type { LockEvent } from '../../src/lease/events.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { denied, granted, left, silence } from '../support/fake-store.ts';
import { label, type Virtual, virtual } from '../support/virtual.ts';

const BUSY = new RedisRefusedError('a', true, new Error('BUSY'));

/** Collects events as "ms type field=value …". */
const listen = ({ sessions, time }: Virtual): string[] => {
  const told: string[] = [];
  sessions.events$.subscribe(({ type, name, owner, at, ...rest }: LockEvent) => {
    assert.equal(at, time.now());
    const fields = Object.entries(rest).map(
      ([field, value]) => `${field}=${value instanceof Error ? label(value) : value}`,
    );
    told.push([at, name, owner, type, ...fields].join(' '));
  });
  return told;
};

const ME = { owner: 'me', waiterTtl: 9_000 };

describe('events$', () => {
  it('tells a life: acquired, renewed, released, with the time waited and held', () =>
    virtual((v) => {
      const told = listen(v);
      v.store.acquires = [v.store.after(5, granted(7))];
      v.store.departures = [v.store.after(10, left())];
      v.at(50, () => {
        const subscription = v.lock(ME).subscribe();
        v.at(405, () => subscription.unsubscribe());
      });
      v.flush();
      assert.deepEqual(told, [
        '55 a me acquired waited=5 fence=7',
        '351 a me renewed',
        '465 a me released held=400 acknowledged=true',
      ]);
    }));

  it('tells that it waits, once, and what failed meanwhile', () =>
    virtual((v) => {
      const told = listen(v);
      v.store.acquires = [
        v.store.after(1, denied({ wait: 100 })),
        v.store.failure(1, BUSY),
        v.store.after(1, denied({ wait: 100 })),
        v.store.after(1, granted(7)),
      ];
      const subscription = v.lock(ME).subscribe();
      v.at(400, () => subscription.unsubscribe());
      v.flush();
      assert.deepEqual(told.slice(0, 3), [
        '1 a me waiting',
        '103 a me attemptFailed error=REDIS_REFUSED',
        '256 a me acquired waited=256 fence=7',
      ]);
    }));

  it('tells of a renewal that failed, and of the loss', () =>
    virtual((v) => {
      const told = listen(v);
      v.store.renewals = [v.store.failure(1, BUSY), v.store.after(1, 'taken')];
      v.lock(ME).subscribe({ error: () => undefined });
      v.flush();
      assert.deepEqual(told, [
        '1 a me acquired waited=1 fence=1',
        '301 a me renewalFailed error=REDIS_REFUSED',
        '327 a me lost reason=taken held=326',
      ]);
    }));

  it('has no event of a request that was left before its answer, and ends the wait of a subscriber that leaves inside its event', () =>
    virtual((v) => {
      const told = listen(v);
      v.store.acquires = [v.store.after(20, granted()), v.store.after(20, denied())];
      for (const at of [0, 40]) {
        v.at(at, () => {
          const early = v.lock(ME).subscribe();
          v.at(10, () => early.unsubscribe());
        });
      }
      v.at(100, () => {
        const second = v.lock(ME).subscribe();
        v.sessions.events$.subscribe(({ type }) => type === 'waiting' && second.unsubscribe());
      });
      v.flush();
      assert.deepEqual(told, ['120 a me waiting', '120 a me abandoned waited=20']);
    }));

  it('tells of a waiter that left, and of the waiters that were granted the lock because of it', () =>
    virtual((v) => {
      const told = listen(v);
      v.store.acquires = [v.store.after(1, denied())];
      v.store.departures = [v.store.after(3, left({ held: false, grants: 2 }))];
      v.at(50, () => {
        const subscription = v.lock(ME).subscribe();
        v.at(100, () => subscription.unsubscribe());
      });
      v.flush();
      assert.deepEqual(told, ['51 a me waiting', '150 a me abandoned waited=100', '153 a me handedOver to=2']);
    }));

  it('tells of a release that handed over, and of one that found no lease', () =>
    virtual((v) => {
      const told = listen(v);
      const { store } = v;
      store.departures = [store.after(3, left({ grants: 1 })), store.after(3, left({ held: false }))];
      const a = v.lock(ME).subscribe();
      v.at(100, () => a.unsubscribe());
      const b = v.lock({ owner: 'b' }).subscribe();
      v.at(200, () => b.unsubscribe());
      v.flush();
      assert.sameMembers(told.slice(2), [
        '103 a me released held=99 acknowledged=true',
        '103 a me handedOver to=1',
        '203 a b released held=199 acknowledged=false',
      ]);
    }));

  it('tells of a release that got no answer, after commandTimeout', () =>
    virtual((v) => {
      const told = listen(v);
      v.store.departures = [silence];
      const subscription = v.lock({ ...ME, commandTimeout: 200 }).subscribe();
      v.at(100, () => subscription.unsubscribe());
      v.flush();
      assert.deepEqual(told.slice(1), ['300 a me released held=99 acknowledged=false']);
    }));

  it('tells of a release that fails again and again once commandTimeout is over', () =>
    virtual((v) => {
      const told = listen(v);
      v.store.departures = [v.store.failure(0, BUSY)];
      const subscription = v.lock({ ...ME, commandTimeout: 200 }).subscribe();
      v.at(100, () => subscription.unsubscribe());
      v.flush();
      assert.deepEqual(told.slice(1), ['475 a me released held=99 acknowledged=false']);
    }));

  it('tells nothing of a try() that found the lock busy', () =>
    virtual((v) => {
      const told = listen(v);
      v.store.acquires = [v.store.after(1, denied())];
      v.lock(ME).try().subscribe();
      v.flush();
      assert.deepEqual(told, []);
    }));
});

describe('a listener', () => {
  it('that unsubscribes the lock inside an event leaves nothing behind', () => {
    for (const type of ['waiting', 'attemptFailed', 'acquired', 'renewed', 'renewalFailed', 'lost'] as const) {
      virtual((v) => {
        const { store } = v;
        store.acquires = [store.failure(1, BUSY), store.after(1, denied({ wait: 9 })), store.after(1, granted())];
        store.renewals = [store.after(1, 'renewed'), store.failure(1, BUSY), store.after(1, 'taken')];
        const subscription = v.lock(ME).subscribe({ error: () => undefined });
        v.sessions.events$.subscribe((event) => {
          if (event.type === type) subscription.unsubscribe();
        });
        v.flush();
        assert.equal(v.scheduler.pending, 0, type);
        const releases = store.log.filter((call) => call.endsWith('release'));
        assert.lengthOf(releases, type === 'attemptFailed' || type === 'lost' ? 0 : 1, type);
      });
    }
  });

  it('that releases a lease inside its lost event does not change the loss', () =>
    virtual((v) => {
      const seen: string[] = [];
      let lease: Lease | undefined;
      v.store.renewals = [v.store.after(1, 'taken')];
      v.sessions.events$.subscribe((event) => {
        seen.push(event.type);
        if (event.type === 'lost') void lease?.release();
      });
      v.lock(ME).subscribe({ next: (value) => (lease = value), error: (error) => seen.push(label(error)) });
      v.flush();
      assert.deepEqual(seen, ['acquired', 'lost', 'lost: taken']);
      assert.equal(label(lease?.signal.reason), 'lost: taken');
    }));
});

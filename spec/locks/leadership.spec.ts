/** Leadership in virtual time: null while following, the lease while leading, and null before anyone else can lead. */
import { assert } from 'chai';
import { tap } from 'rxjs';
import { RedisRefusedError } from '../../src/errors.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { leadership } from '../../src/locks/leadership.ts';
import { denied, granted } from '../support/fake-store.ts';
import { shown, virtual } from '../support/virtual.ts';

const TTL = { waiterTtl: 9_000 };

describe('leadership', () => {
  it('is null until it leads, and resigns when it is unsubscribed', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(5, granted())];
      expectObservable(shown(leadership(lock(TTL))), '^ 99ms !').toBe('n----L');
      ends(['0 acquire', '100 release']);
    }));

  it('is null once while it follows, however often it asks', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [
        store.after(1, denied({ wait: 40 })),
        store.after(1, denied({ wait: 40 })),
        store.after(1, granted()),
      ];
      expectObservable(shown(leadership(lock(TTL))), '^ 99ms !').toBe('n 84ms L');
      ends(['0 acquire', '42 acquire', '84 acquire', '100 release']);
    }));

  it('is null at the moment of a loss, and campaigns again after the back-off', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.renewals = [store.after(1, 'taken')];
      expectObservable(shown(leadership(lock(TTL))), '^ 399ms !').toBe('nL 299ms n 50ms L');
      ends(['0 acquire', '300 renew', '301 release', '351 acquire', '400 release']);
    }));

  it('is null after the lease was released, and campaigns again after the back-off', () =>
    virtual(({ lock, at, expectObservable, ends }) => {
      const leases: (Lease | null)[] = [];
      at(100, () => void leases.at(-1)?.release());
      expectObservable(shown(leadership(lock(TTL)).pipe(tap((lease) => leases.push(lease)))), '^ 199ms !').toBe(
        'nL 99ms n 50ms L',
      );
      ends(['0 acquire', '100 release', '151 acquire', '200 release']);
    }));

  it('ends the lease before it emits null, so that its work can see that it is over', () =>
    virtual(({ lock, store, scheduler, flush, at }) => {
      const held: (boolean | undefined)[] = [];
      const leases: (Lease | null)[] = [];
      store.renewals = [store.after(1, 'taken')];
      const subscription = leadership(lock(TTL)).subscribe((lease) => {
        if (!lease) held.push(leases.at(-1)?.held);
        leases.push(lease);
      });
      at(320, () => subscription.unsubscribe());
      at(321, () => assert.equal(scheduler.pending, 0));
      flush();
      assert.deepEqual(held, [undefined, false]);
    }));

  it('says null, then errors, with what Redis refuses for good', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [
        store.after(1, granted()),
        store.failure(1, new RedisRefusedError('a', false, new Error('NOPERM'))),
      ];
      store.renewals = [store.after(1, 'taken')];
      expectObservable(shown(leadership(lock(TTL)))).toBe('nL 299ms n 50ms #', undefined, 'REDIS_REFUSED');
      ends(['0 acquire', '300 renew', '301 release', '351 acquire']);
    }));
});

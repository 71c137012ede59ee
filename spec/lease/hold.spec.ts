/** The life of a lease in virtual time: acquired, renewed, released. ttl 1 000 (valid for 988 ms), renewed every 300. */
import { assert } from 'chai';
import { tap } from 'rxjs';
import { RedisRefusedError, RedisUnreachableError } from '../../src/errors.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { denied, granted, left, silence } from '../support/fake-store.ts';
import { shown, virtual } from '../support/virtual.ts';

describe('lease.signal', () => {
  const { AbortController: own } = globalThis;

  afterEach(() => {
    globalThis.AbortController = own;
  });

  it('is of the kind that the environment has, also if that is not Node’s own, as under jsdom', () => {
    class Foreign {
      readonly signal = { aborted: false, reason: undefined as unknown };
      abort(reason: unknown): void {
        Object.assign(this.signal, { aborted: true, reason });
      }
    }
    globalThis.AbortController = Foreign as unknown as typeof AbortController;
    virtual(({ lock, at, flush }) => {
      let lease: Lease | undefined;
      const subscription = lock().subscribe((value) => (lease = value));
      at(10, () => assert.isFalse(lease?.signal.aborted));
      at(20, () => subscription.unsubscribe());
      at(20, () => assert.equal(lease?.signal.reason.name, 'AbortError'));
      flush();
    });
  });
});

describe('a lock', () => {
  it('does nothing until it is subscribed to', () =>
    virtual(({ lock, ends }) => {
      lock();
      lock().try();
      ends([]);
    }));

  it('emits one lease when it is granted, stays open, and releases it on unsubscribe', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(5, granted())];
      expectObservable(shown(lock()), '^ 99ms !').toBe('5ms L');
      ends(['0 acquire', '100 release']);
    }));

  it('gives every subscription an owner of its own', () =>
    virtual(({ lock, store, flush, at }) => {
      const shared = lock();
      const both = shared.subscribe();
      both.add(shared.subscribe());
      at(10, () => both.unsubscribe());
      flush();
      const [a, b, ...released] = store.asked.map(({ owner }) => owner);
      assert.notEqual(a, b);
      assert.deepEqual(released, [a, b]);
    }));

  it('puts the identity before the uuid, or uses the owner that is given', () =>
    virtual(({ lock, store, flush, at }) => {
      const both = lock({ identity: 'host-7' }).subscribe();
      both.add(lock({ owner: 'me' }).subscribe());
      at(10, () => both.unsubscribe());
      flush();
      assert.match(store.asked[0]?.owner ?? '', /^host-7:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      assert.equal(store.asked[1]?.owner, 'me');
    }));

  it('is renewed every renewEvery, counted from the sending of the last answered command', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(20, granted())];
      store.renewals = [store.after(40, 'renewed')];
      expectObservable(shown(lock()), '^ 999ms !').toBe('20ms L');
      ends(['0 acquire', '300 renew', '600 renew', '900 renew', '1000 release']);
    }));

  it('is renewed as seldom as renewEvery says, up to the whole ttl', () =>
    virtual(({ lock, expectObservable, ends }) => {
      expectObservable(shown(lock({ renewEvery: 900 })), '^ 1999ms !').toBe('-L');
      ends(['0 acquire', '900 renew', '1800 renew', '2000 release']);
    }));

  it('is renewed at once when its acquisition took longer than renewEvery', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(400, granted())];
      expectObservable(shown(lock()), '^ 599ms !').toBe('400ms L');
      ends(['0 acquire', '400 renew', '600 release']);
    }));

  it('gives each renewal its fence, its ttl, and the time that the lease still has', () =>
    virtual(({ lock, store, expectObservable, flush }) => {
      store.acquires = [store.after(20, granted(7))];
      expectObservable(shown(lock()), '^ 399ms !').toBe('20ms L');
      flush();
      assert.deepInclude(store.asked[1], { within: 688, fence: 7, ttl: 1_000 });
    }));

  it('gives no command a longer timeout than commandTimeout', () =>
    virtual(({ lock, store, expectObservable, flush }) => {
      expectObservable(shown(lock({ commandTimeout: 70 })), '^ 399ms !').toBe('-L');
      flush();
      assert.deepEqual(
        store.asked.map(({ within }) => within),
        [70, 70, 70],
      );
    }));

  it('outlives its ttl while it is subscribed to', () =>
    virtual(({ lock, store, expectObservable, flush }) => {
      expectObservable(shown(lock()), '^ 10m !').toBe('-L');
      flush();
      assert.equal(store.log.filter((call) => call.endsWith('renew')).length, 2_000);
    }));

  it('completes after release(), but not before Redis has acknowledged it', () =>
    virtual(({ lock, store, expectObservable, at, ends }) => {
      let lease: Lease | undefined;
      store.departures = [store.after(25, left())];
      expectObservable(shown(lock().pipe(tap((value) => (lease = value))))).toBe('-L 123ms |');
      at(100, () => void lease?.release());
      ends(['0 acquire', '100 release']);
    }));

  it('completes after release() even if Redis does not answer, within commandTimeout', () =>
    virtual(({ lock, store, expectObservable, at, flush }) => {
      let lease: Lease | undefined;
      store.departures = [silence];
      const lock$ = lock({ commandTimeout: 200 });
      expectObservable(shown(lock$.pipe(tap((value) => (lease = value))))).toBe('-L 298ms |');
      at(100, () => void lease?.release());
      flush();
    }));

  it('errors with a final refusal of Redis, and has nothing to release', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.failure(3, new RedisRefusedError('a', false, new Error('NOPERM')))];
      expectObservable(shown(lock())).toBe('3ms #', undefined, 'REDIS_REFUSED');
      ends(['0 acquire']);
    }));

  it('leaves the queue, then errors, when Redis refuses a heartbeat for good', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [
        store.after(1, denied({ announced: false })),
        store.failure(3, new RedisRefusedError('a', false, new Error('NOPERM'))),
      ];
      expectObservable(shown(lock())).toBe('54ms #', undefined, 'REDIS_REFUSED');
      ends(['0 acquire', '51 acquire', '54 release']);
    }));
});

describe('try()', () => {
  it('emits a lease and stays open when the lock is free', () =>
    virtual(({ lock, expectObservable, ends }) => {
      expectObservable(shown(lock().try()), '^ 399ms !').toBe('-L');
      ends(['0 try', '300 renew', '400 release']);
    }));

  it('completes empty, with nothing to leave, when others hold the lock', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(4, denied({ rank: 2 }))];
      expectObservable(shown(lock().try())).toBe('4ms |');
      ends(['0 try']);
    }));

  it('errors when Redis fails, since that is neither free nor busy, and releases what it may have been granted', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [silence];
      expectObservable(shown(lock({ commandTimeout: 100 }).try())).toBe('100ms #', undefined, 'REDIS_UNREACHABLE');
      ends(['0 try', '100 release']);
    }));

  it('errors without a second attempt when Redis is busy', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.failure(1, new RedisRefusedError('a', true, new Error('BUSY')))];
      expectObservable(shown(lock().try())).toBe('-#', undefined, 'REDIS_REFUSED');
      ends(['0 try']);
    }));

  it('releases a grant that arrives after its time is over, and errors', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(990, granted())];
      expectObservable(shown(lock().try())).toBe('991ms #', undefined, 'REDIS_UNREACHABLE');
      ends(['0 try', '990 release', '991 release']);
    }));

  it('has nothing to release when it never reached Redis', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.failure(7, new RedisUnreachableError('a', 'No connection'))];
      expectObservable(shown(lock().try())).toBe('7ms #', undefined, 'REDIS_UNREACHABLE');
      ends(['0 try']);
    }));
});

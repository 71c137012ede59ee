/** Work piped through a lock, in virtual time: when it is subscribed to, when it is not any more, and what the result says. */
import { assert } from 'chai';
import {
  defer,
  EMPTY,
  finalize,
  merge,
  NEVER,
  Observable,
  of,
  repeat,
  retry,
  take,
  tap,
  throwError,
  timeout,
  toArray,
} from 'rxjs';
import { Lock } from '../../src/locks/lock.ts';
import { withLock } from '../../src/operators/with-lock.ts';
import { denied, granted, left, silence } from '../support/fake-store.ts';
import { labelled, virtual } from '../support/virtual.ts';

describe('withLock', () => {
  it('subscribes to the source when the lock is granted, passes its values on, and releases before it completes', () =>
    virtual(({ lock, store, cold, expectObservable, expectSubscriptions, ends }) => {
      store.acquires = [store.after(3, granted())];
      store.departures = [store.after(4, left())];
      const source = cold('  --a--b--|    ');
      const subscribed = '---^-------!    ';
      const expected = '  -----a--b------|';
      expectObservable(source.pipe(withLock(lock()))).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subscribed);
      ends(['0 acquire', '11 release']);
    }));

  it('does not subscribe to the source while it waits, nor when it leaves while waiting', () =>
    virtual(({ lock, store, cold, expectObservable, expectSubscriptions, ends }) => {
      store.acquires = [store.after(1, denied())];
      const source = cold('a');
      expectObservable(source.pipe(withLock(lock())), '^---!').toBe('-----');
      expectSubscriptions(source.subscriptions).toBe([]);
      ends(['0 acquire', '4 release']);
    }));

  it('releases first, then errors with the source’s own error', () =>
    virtual(({ lock, store, cold, expectObservable, expectSubscriptions, ends }) => {
      store.departures = [store.after(4, left())];
      const source = cold(' --a--#     ');
      const subscribed = ' -^----!     ';
      const expected = '   ---a------#';
      expectObservable(source.pipe(withLock(lock()))).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subscribed);
      ends(['0 acquire', '6 release']);
    }));

  it('unsubscribes the source when the lease is lost, on the same frame, and errors with the loss', () =>
    virtual(({ lock, store, cold, expectObservable, expectSubscriptions, ends }) => {
      store.renewals = [store.after(5, 'taken')];
      const source = cold('  a 99ms b 999ms c');
      const subscribed = '  -^ 303ms !';
      const expected = '    -a 99ms b 203ms #';
      expectObservable(source.pipe(withLock(lock()), labelled())).toBe(expected, undefined, 'lost: taken');
      expectSubscriptions(source.subscriptions).toBe(subscribed);
      ends(['0 acquire', '300 renew', '305 release']);
    }));

  it('errors with the loss when the source ends after the lease did, whichever is seen first', () =>
    virtual(({ lock, cold, time, expectObservable, ends }) => {
      const step = { now: 0 };
      const clock = { now: () => time.now() + step.now, wall: () => time.now() + step.now };
      const { wanted } = lock();
      const lock$ = new Lock({ ...wanted, terms: { ...wanted.terms, clock } });
      const blocking = cold('99ms a|').pipe(tap(() => (step.now = 5_000)));
      expectObservable(blocking.pipe(withLock(lock$), labelled())).toBe('100ms a#', undefined, 'lost: expired');
      ends(['0 acquire', '101 release']);
    }));

  it('unsubscribes the source when it is unsubscribed, and starts the release on the same frame', () =>
    virtual(({ lock, cold, expectObservable, expectSubscriptions, ends }) => {
      const source = cold('     a--b--c--d');
      const subscribed = '      -^-----!   ';
      const unsubscribed = '    ^------!   ';
      const expected = '        -a--b---   ';
      expectObservable(source.pipe(withLock(lock())), unsubscribed).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subscribed);
      ends(['0 acquire', '7 release']);
    }));

  it('has unsubscribed the work before a release is sent, however it ends', () => {
    const order = (work: Observable<unknown>, end: 'itself' | 'unsubscribed' | 'lost'): string[] => {
      const seen: string[] = [];
      virtual(({ lock, store, at, flush }) => {
        if (end === 'lost') store.renewals = [store.after(1, 'taken')];
        store.departures = [defer(() => of(left()).pipe(tap(() => seen.push('release'))))];
        const subscription = work
          .pipe(
            finalize(() => seen.push('unsubscribed')),
            withLock(lock()),
          )
          .subscribe({ error: () => seen.push('error'), complete: () => seen.push('complete') });
        at(500, () => subscription.unsubscribe());
        flush();
      });
      return seen;
    };
    assert.deepEqual(order(of(1), 'itself'), ['unsubscribed', 'release', 'complete']);
    assert.deepEqual(
      order(
        throwError(() => 'no'),
        'itself',
      ),
      ['unsubscribed', 'release', 'error'],
    );
    assert.deepEqual(order(NEVER, 'unsubscribed'), ['unsubscribed', 'release']);
    assert.deepEqual(order(NEVER, 'lost'), ['unsubscribed', 'release', 'error']);
  });

  it('completes with what the work gave, also when the release gets no answer', () =>
    virtual(({ lock, store, cold, expectObservable, flush }) => {
      store.departures = [silence];
      const lock$ = lock({ commandTimeout: 10, waiterTtl: 30, ttl: 30, renewEvery: 20 });
      expectObservable(cold('a|').pipe(withLock(lock$))).toBe('-a----------|');
      flush();
    }));

  it('errors with the work’s error, also when the release gets no answer', () =>
    virtual(({ lock, store, cold, expectObservable, flush }) => {
      store.departures = [silence];
      const lock$ = lock({ commandTimeout: 10, waiterTtl: 30, ttl: 30, renewEvery: 20 });
      expectObservable(cold('a#').pipe(withLock(lock$))).toBe('-a----------#');
      flush();
    }));

  it('releases when the work completes synchronously', () =>
    virtual(({ lock, expectObservable, ends }) => {
      expectObservable(of('a', 'b').pipe(withLock(lock()), toArray())).toBe('--(c|)', { c: ['a', 'b'] });
      ends(['0 acquire', '1 release']);
    }));

  it('releases when the work throws as it is subscribed to', () =>
    virtual(({ lock, expectObservable, ends }) => {
      const broken = new Observable(() => {
        throw new Error('broken');
      });
      expectObservable(broken.pipe(withLock(lock()), labelled())).toBe('--#', undefined, 'broken');
      ends(['0 acquire', '1 release']);
    }));

  it('releases when a taker downstream has enough', () =>
    virtual(({ lock, cold, expectObservable, expectSubscriptions, ends }) => {
      const source = cold('a--b');
      expectObservable(source.pipe(withLock(lock()), take(1))).toBe('-(a|)');
      expectSubscriptions(source.subscriptions).toBe('-(^!)');
      ends(['0 acquire', '1 release']);
    }));

  it('completes empty, with the source never subscribed to, when try() finds the lock busy', () =>
    virtual(({ lock, store, cold, expectObservable, expectSubscriptions, ends }) => {
      store.acquires = [store.after(2, denied())];
      const source = cold('a|');
      expectObservable(source.pipe(withLock(lock().try()))).toBe('--|');
      expectSubscriptions(source.subscriptions).toBe([]);
      ends(['0 try']);
    }));

  it('takes a lock with operators of the user’s own, such as a bound on the wait', () =>
    virtual(({ lock, store, scheduler, cold, expectObservable, expectSubscriptions, ends }) => {
      store.acquires = [store.after(1, denied())];
      const source = cold('a|');
      const bounded = lock().pipe(timeout({ first: 50, scheduler, with: () => EMPTY }));
      expectObservable(source.pipe(withLock(bounded))).toBe('50ms |');
      expectSubscriptions(source.subscriptions).toBe([]);
      ends(['0 acquire', '50 release']);
    }));

  it('acquires anew for each subscription, as another owner', () =>
    virtual(({ lock, store, cold, expectObservable, expectSubscriptions, flush }) => {
      const source = cold('    a|        ');
      const subscribed = [' -^!       ', '----^!    '];
      expectObservable(source.pipe(withLock(lock()), repeat(2))).toBe('-a--a-|');
      expectSubscriptions(source.subscriptions).toBe(subscribed);
      flush();
      const [first, , second] = store.asked.map(({ owner }) => owner);
      assert.notEqual(first, second);
    }));

  it('acquires anew when the result is retried after a loss', () =>
    virtual(({ lock, store, cold, expectObservable, ends }) => {
      store.renewals = [store.after(1, 'taken')];
      const source = cold('500ms a|');
      expectObservable(source.pipe(withLock(lock({ renewEvery: 100 })), retry(1), labelled())).toBe(
        '202ms #',
        undefined,
        'lost: taken',
      );
      ends(['0 acquire', '100 renew', '101 release', '101 acquire', '201 renew', '202 release']);
    }));

  it('passes on the errors of the lock', () =>
    virtual(({ lock, store, cold, expectObservable, ends }) => {
      store.acquires = [store.failure(2, new Error('no lock'))];
      expectObservable(cold('a|').pipe(withLock(lock()), labelled())).toBe('--#', undefined, 'no lock');
      ends(['0 acquire']);
    }));

  it('emits the values of concurrent works, each under its own lock, in the order of the user’s flattening operator', () =>
    virtual(({ lock, cold, expectObservable, flush }) => {
      const work = (marbles: string) => cold(marbles).pipe(withLock(lock()));
      expectObservable(merge(work('a-c|'), work('-b|'))).toBe('-abc-|');
      flush();
    }));

  it('throws for anything but an Observable at once', () => {
    for (const lock of [undefined, null, 'a', {}, () => undefined]) {
      assert.throws(() => withLock(lock as never), TypeError, 'lock');
    }
  });
});

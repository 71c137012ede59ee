/** Work that needs the lease, in virtual time. */
import { assert } from 'chai';
import {
  config,
  finalize,
  map,
  NEVER,
  Observable,
  of,
  range,
  Subject,
  shareReplay,
  take,
  tap,
  timer,
  toArray,
} from 'rxjs';
import type { Lease } from '../../src/lease/lease.ts';
import { whileHeld } from '../../src/operators/while-held.ts';
import { granted, left } from '../support/fake-store.ts';
import { label, labelled, virtual } from '../support/virtual.ts';

describe('whileHeld', () => {
  it('gives the work its lease, and releases before it completes', () =>
    virtual(({ lock, store, cold, expectObservable, ends }) => {
      store.acquires = [store.after(1, granted(7))];
      store.departures = [store.after(3, left())];
      const result = lock().pipe(whileHeld((lease) => cold('a-b|').pipe(map((value) => `${value}${lease.fence}`))));
      expectObservable(result).toBe('-a-b---|', { a: 'a7', b: 'b7' });
      ends(['0 acquire', '4 release']);
    }));

  it('has a lease that is held for as long as the work runs, and not a moment longer', () =>
    virtual(({ lock, scheduler, flush }) => {
      const seen: unknown[] = [];
      lock()
        .pipe(
          whileHeld((lease) =>
            timer(10, scheduler).pipe(
              map(() => lease.held),
              tap((held) => seen.push(held)),
              finalize(() => seen.push(lease.held)),
            ),
          ),
        )
        .subscribe({ complete: () => seen.push('complete') });
      flush();
      assert.deepEqual(seen, [true, true, 'complete']);
    }));

  it('unsubscribes the work when it is lost, and errors with the loss', () =>
    virtual(({ lock, store, cold, expectObservable, expectSubscriptions, ends }) => {
      store.renewals = [store.after(1, 'taken')];
      const work = cold('a');
      const result = lock().pipe(
        whileHeld(() => work),
        labelled(),
      );
      expectObservable(result).toBe('-a 299ms #', undefined, 'lost: taken');
      expectSubscriptions(work.subscriptions).toBe('-^ 299ms !');
      ends(['0 acquire', '300 renew', '301 release']);
    }));

  it('unsubscribes the work when the work itself releases the lease, and errors', () =>
    virtual(({ lock, store, at, expectObservable, ends }) => {
      let lease: Lease | undefined;
      store.departures = [store.after(3, left())];
      const result = lock().pipe(
        whileHeld((value) => {
          lease = value;
          return NEVER;
        }),
        labelled(),
      );
      at(50, () => void lease?.release());
      expectObservable(result).toBe('53ms #', undefined, 'lost: released');
      ends(['0 acquire', '50 release']);
    }));

  it('unsubscribes the work, then releases, when it is unsubscribed', () =>
    virtual(({ lock, cold, expectObservable, expectSubscriptions, ends }) => {
      const work = cold('a');
      expectObservable(lock().pipe(whileHeld(() => work)), '^ 99ms !').toBe('-a');
      expectSubscriptions(work.subscriptions).toBe('-^ 98ms !');
      ends(['0 acquire', '100 release']);
    }));

  it('stops work that emits synchronously when its subscriber has unsubscribed', () =>
    virtual(({ lock, ends, flush }) => {
      let made = 0;
      const endless = new Observable<number>((subscriber) => {
        for (; !subscriber.closed && made < 1_000; made += 1) subscriber.next(made);
      });
      lock()
        .pipe(
          whileHeld(() => endless),
          take(3),
        )
        .subscribe();
      flush();
      assert.equal(made, 3);
      ends(['0 acquire', '1 release']);
    }));

  const torn = (): never => {
    throw new Error('torn');
  };

  it('releases the lock when it is unsubscribed, also where a teardown of the work throws', () =>
    virtual(({ lock, at, ends }) => {
      const work = lock().pipe(whileHeld(() => NEVER.pipe(finalize(torn))));
      const subscription = work.subscribe();
      at(20, () => assert.throws(() => subscription.unsubscribe(), /torn/));
      ends(['0 acquire', '20 release']);
    }));

  it('ends when its lease does, also where a teardown of the work throws, which is reported as rxjs does', () => {
    const reported: unknown[] = [];
    const told: string[] = [];
    config.onUnhandledError = (error) => reported.push(error);
    try {
      virtual(({ lock, at, ends }) => {
        let lease: Lease | undefined;
        const work = (held: Lease) => {
          lease = held;
          return NEVER.pipe(finalize(torn));
        };
        const error = (reason: unknown): void => void told.push(label(reason));
        lock({ maxHold: 100 }).pipe(whileHeld(work)).subscribe({ error });
        at(200, () => lock().pipe(whileHeld(work)).subscribe({ error }));
        at(230, () => void lease?.release());
        ends(['0 acquire', '101 release', '200 acquire', '230 release']);
      });
    } finally {
      config.onUnhandledError = null;
    }
    assert.deepEqual(told, ['lost: maxHold', 'lost: released']);
    assert.lengthOf(reported, 2);
  });

  it('completes when its work has, also where a teardown behind the lock throws', () =>
    virtual(({ lock, at, ends }) => {
      const done = new Subject<never>();
      const told: string[] = [];
      lock()
        .pipe(
          finalize(torn),
          whileHeld(() => done),
        )
        .subscribe({ complete: () => told.push('complete') });
      at(20, () => assert.throws(() => done.complete(), /torn/));
      ends(['0 acquire', '20 release']);
      assert.deepEqual(told, ['complete']);
    }));

  it('unsubscribes the work at once, also within its first value, where the lease is shared and goes on', () =>
    virtual(({ lock, at, flush }) => {
      const seen: unknown[] = [];
      const shared = lock().pipe(shareReplay({ bufferSize: 1, refCount: true }));
      const holder = shared.subscribe((lease) => {
        shared
          .pipe(
            whileHeld(() => range(0, 5).pipe(tap((value) => seen.push(value)))),
            take(1),
          )
          .subscribe();
        seen.push(lease.held);
      });
      at(10, () => holder.unsubscribe());
      flush();
      assert.deepEqual(seen, [0, true]);
    }));

  it('releases and errors when the work cannot even be made', () =>
    virtual(({ lock, expectObservable, ends }) => {
      const result = lock().pipe(
        whileHeld(() => {
          throw new Error('no work');
        }),
        labelled(),
      );
      expectObservable(result).toBe('--#', undefined, 'no work');
      ends(['0 acquire', '1 release']);
    }));

  it('takes whatever rxjs can make an Observable of', () =>
    virtual(({ lock, expectObservable, ends }) => {
      expectObservable(
        lock().pipe(
          whileHeld(() => ['a', 'b']),
          toArray(),
        ),
      ).toBe('--(c|)', { c: ['a', 'b'] });
      ends(['0 acquire', '1 release']);
    }));

  it('is of all types that its work may be of, as with switchMap', () =>
    virtual(({ lock, expectObservable }) => {
      const either: Observable<string | number> = lock().pipe(
        whileHeld((lease) => (lease.mode === 'shared' ? of('a') : of(5))),
      );
      expectObservable(either).toBe('-a|', { a: 5 });
    }));

  it('lets work that listens to the signal end by itself before the loss is reported', () =>
    virtual(({ lock, store, flush }) => {
      const seen: string[] = [];
      store.renewals = [store.after(1, 'taken')];
      lock()
        .pipe(
          whileHeld((lease) => {
            lease.signal.addEventListener('abort', () => seen.push(label(lease.signal.reason)));
            return NEVER;
          }),
        )
        .subscribe({ error: (error) => seen.push(`error ${label(error)}`) });
      flush();
      assert.deepEqual(seen, ['lost: taken', 'error lost: taken']);
    }));

  it('errors where it is given no lease, and does not work without one', () => {
    for (const none of [null, undefined, 5, [], [null]]) {
      const seen: unknown[] = [];
      const work = (): string[] => {
        seen.push('work');
        return [];
      };
      of<Lease>(none as never)
        .pipe(whileHeld(work))
        .subscribe({ error: (error) => seen.push(String(error)) });
      assert.lengthOf(seen, 1);
      assert.match(String(seen[0]), /^TypeError: whileHeld and withLock need a lease, got /);
    }
    const another = { assertHeld: () => undefined } as never;
    const error = (reason: unknown) => assert.match(String(reason), /got one of another copy of redisync: see that/);
    of<Lease>(another)
      .pipe(whileHeld(() => assert.fail('there is no lease')))
      .subscribe({ error, complete: () => assert.fail('no error') });
  });

  it('throws for anything but a function at once', () => {
    for (const work of [undefined, null, of(1), 'a']) {
      assert.throws(() => whileHeld(work as never), TypeError, 'work');
    }
  });
});

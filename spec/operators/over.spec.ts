/** A lease that is over is not an answer: work that never began, or was cut off, is never told as a success. */
import { assert } from 'chai';
import {
  defer,
  EMPTY,
  firstValueFrom,
  from,
  lastValueFrom,
  merge,
  mergeMap,
  NEVER,
  type Observable,
  of,
  share,
  shareReplay,
  take,
  tap,
  timeout,
  timer,
} from 'rxjs';
import { LockLostError } from '../../src/errors.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { Lock } from '../../src/locks/lock.ts';
import { whileHeld } from '../../src/operators/while-held.ts';
import { withLock } from '../../src/operators/with-lock.ts';
import { memoryCoordinator } from '../../src/testing.ts';
import { left } from '../support/fake-store.ts';
import { labelled, type Virtual, virtual } from '../support/virtual.ts';

const HINT = 'its subscription has ended: was the lock piped through take(1) or firstValueFrom?';

/** A lease that its subscription keeps, for later use. */
const kept = (v: Virtual, use: (lease: Lease) => void): void => {
  v.lock().subscribe({ next: use, error: () => undefined });
};

describe('a lease that was released before it arrives', () => {
  it('is an error before the work begins, and names the usual cause', () =>
    virtual((v) => {
      const errors: unknown[] = [];
      let begun = 0;
      kept(v, (lease) => {
        void lease.release();
        of(lease)
          .pipe(
            whileHeld(() => {
              begun += 1;
              return of('x');
            }),
          )
          .subscribe({ error: (error) => errors.push(error), complete: () => errors.push('complete') });
      });
      v.ends(['0 acquire', '1 release']);
      assert.equal(begun, 0);
      const [error] = errors;
      assert.instanceOf(error, LockLostError);
      assert.equal(error.reason, 'released');
      assert.include(error.message, HINT);
    }));

  it('is reported when Redis has acknowledged that release', () =>
    virtual((v) => {
      v.store.departures = [v.store.after(20, left())];
      const lease$ = v.lock().pipe(
        tap((lease) => void lease.release()),
        whileHeld(() => of('x')),
        labelled(),
      );
      v.expectObservable(lease$).toBe('21ms #', undefined, 'lost: released');
      v.ends(['0 acquire', '1 release']);
    }));

  it('is what firstValueFrom(lock) resolves with', async () => {
    const locks = memoryCoordinator();
    let begun = 0;
    const work = (): Observable<string> => {
      begun += 1;
      return timer(1).pipe(mergeMap(() => of('x')));
    };
    const first = await lastValueFrom(from(firstValueFrom(locks.mutex('a'))).pipe(whileHeld(work))).catch((e) => e);
    assert.instanceOf(first, LockLostError);
    assert.include(first.message, HINT);
    assert.equal(begun, 0);
    await locks.close();
  });

  it('is an error also where all other leases are held', () =>
    virtual((v) => {
      kept(v, (lease) => void lease.release());
      const work = v.cold('a|');
      v.at(0, () => undefined);
      const both = v.lock({}, 'b').pipe(
        mergeMap((b) =>
          v.lock({}, 'c').pipe(
            tap((c) => void c.release()),
            mergeMap((c) => of([b, c] as const)),
          ),
        ),
      );
      v.expectObservable(work.pipe(withLock(both), labelled())).toBe('---#', undefined, 'lost: released');
      v.expectSubscriptions(work.subscriptions).toBe([]);
      v.flush();
      assert.equal(v.scheduler.pending, 0);
    }));
});

describe('a lease that was lost before it arrives', () => {
  it('is that loss', () =>
    virtual((v) => {
      let lease: Lease | undefined;
      v.store.renewals = [v.store.after(1, 'taken')];
      kept(v, (value) => {
        lease = value;
      });
      const later = defer(() => (lease ? of(lease) : EMPTY));
      v.expectObservable(
        timerOf(v, 500).pipe(
          mergeMap(() => later.pipe(whileHeld(() => of(1)))),
          labelled(),
        ),
      ).toBe('500ms #', undefined, 'lost: taken');
      v.flush();
    }));

  it('is a loss also where its time is over and nobody has looked', () =>
    virtual((v) => {
      const step = { now: 0 };
      const clock = { now: () => v.time.now() + step.now, wall: () => v.time.now() + step.now };
      const { wanted } = v.lock();
      const lock$ = new Lock({ ...wanted, terms: { ...wanted.terms, clock } });
      const work = v.cold('a|');
      const late = lock$.pipe(tap(() => (step.now = 5_000)));
      v.expectObservable(work.pipe(withLock(late), labelled())).toBe('-#', undefined, 'lost: expired');
      v.expectSubscriptions(work.subscriptions).toBe([]);
      v.ends(['0 acquire', '1 release']);
    }));
});

const timerOf = ({ scheduler }: Virtual, ms: number): Observable<0> => timer(ms, scheduler);

describe('work whose lease somebody else releases', () => {
  it('is unsubscribed at once, and errors as released when that is acknowledged', () =>
    virtual((v) => {
      v.store.departures = [v.store.after(5, left())];
      let lease: Lease | undefined;
      const work = v.cold('a');
      const lock$ = v.lock().pipe(tap((value) => (lease = value)));
      v.at(50, () => void lease?.release());
      v.expectObservable(work.pipe(withLock(lock$), labelled())).toBe('-a 53ms #', undefined, 'lost: released');
      v.expectSubscriptions(work.subscriptions).toBe('-^ 48ms !');
      v.ends(['0 acquire', '50 release']);
    }));

  it('errors also where its source has ended, as by take(1), which says so', () =>
    virtual((v) => {
      const errors: unknown[] = [];
      const work = v.cold('a-b|');
      work.pipe(withLock(v.lock().pipe(take(1)))).subscribe({ error: (error) => errors.push(error) });
      v.ends(['0 acquire', '1 release']);
      v.expectSubscriptions(work.subscriptions).toBe('-(^!)');
      const [error] = errors;
      assert.instanceOf(error, LockLostError);
      assert.equal(error.reason, 'released');
      assert.include(error.message, HINT);
    }));

  it('errors with the source’s own error if that comes before the acknowledgement, as that of timeout', () =>
    virtual((v) => {
      const work = v.cold('a');
      const bounded = v.lock().pipe(timeout({ each: 20, scheduler: v.scheduler }));
      v.expectObservable(work.pipe(withLock(bounded), labelled())).toBe('-a 19ms #', undefined, 'Timeout has occurred');
      v.expectSubscriptions(work.subscriptions).toBe('-^ 19ms !');
      v.ends(['0 acquire', '21 release']);
    }));

  it('under the same owner is cut off when an inner section releases the one lease, and errors with released', () =>
    virtual((v) => {
      const lock$ = v.lock({ owner: 'me' });
      const inner = v.cold('a|').pipe(withLock(lock$));
      const outer = merge(inner, NEVER).pipe(withLock(lock$), labelled());
      v.expectObservable(outer).toBe('--a-#', undefined, 'lost: released');
      v.flush();
    }));

  it('is told of it by assertHeld and renew, too, and by the signal', async () => {
    const said: unknown[] = [];
    const answers: Promise<unknown>[] = [];
    virtual((v) => {
      kept(v, (lease) => {
        const { signal } = lease;
        void lease.release();
        try {
          lease.assertHeld();
        } catch (error) {
          said.push(error);
        }
        said.push(signal.reason);
        answers.push(lease.renew().catch((error) => said.push(error)));
      });
      v.flush();
    });
    await Promise.all(answers);
    assert.lengthOf(said, 3);
    for (const error of said) {
      assert.instanceOf(error, LockLostError);
      assert.equal(error.reason, 'released');
    }
    assert.equal((said[1] as Error).name, 'AbortError', 'what the platform calls it');
  });
});

describe('works on one lease', () => {
  it('end independently, and the last of them releases', () =>
    virtual((v) => {
      v.store.departures = [v.store.after(5, left())];
      const shared$ = v.lock().pipe(share());
      const short = v.cold('a-|');
      const long = v.cold(' b---c|');
      v.expectObservable(short.pipe(withLock(shared$))).toBe('-a-|');
      v.expectObservable(long.pipe(withLock(shared$))).toBe(' -b---c-----|');
      v.ends(['0 acquire', '6 release']);
    }));

  it('that comes when the last has left acquires anew: shareReplay with refCount', () =>
    virtual((v) => {
      const shared$ = v.lock().pipe(shareReplay({ bufferSize: 1, refCount: true }));
      const used = v.cold('a|').pipe(withLock(shared$));
      v.expectObservable(used).toBe('-a-|');
      v.expectObservable(timerOf(v, 10).pipe(mergeMap(() => used))).toBe('10ms -a-|');
      v.ends(['0 acquire', '2 release', '10 acquire', '12 release']);
    }));

  it('fails where a released one is replayed', () =>
    virtual((v) => {
      const shared$ = v.lock().pipe(shareReplay(1));
      shared$.subscribe((lease) => void lease.release());
      const work = v.cold('a|');
      v.at(10, () => v.expectSubscriptions(work.subscriptions).toBe([]));
      v.expectObservable(
        timerOf(v, 9).pipe(
          mergeMap(() => work.pipe(withLock(shared$))),
          labelled(),
        ),
      ).toBe('9ms #', undefined, 'lost: released');
      v.flush();
    }));

  it('is one at a time: a second lease is an error, for the work under the first would be cut off', () =>
    virtual((v) => {
      const work = v.cold('a');
      const two = merge(v.lock({}, 'a'), timerOf(v, 20).pipe(mergeMap(() => v.lock({}, 'b'))));
      v.expectObservable(work.pipe(withLock(two), labelled())).toBe(
        '-a 19ms #',
        undefined,
        'whileHeld and withLock work under one lease, and were given a second: "b"; give each lock its own',
      );
      v.ends(['0 acquire', '20 acquire', '21 release', '21 release']);
    }));
});

describe('a lease whose source has completed', () => {
  const given = (v: Virtual, use: (lease$: Observable<Lease>) => void): void => kept(v, (lease) => use(of(lease)));

  it('is released when the work is done, which waits for that', () =>
    virtual((v) => {
      v.store.departures = [v.store.after(5, left())];
      const seen: string[] = [];
      const say = (what: string) => () => seen.push(`${v.time.now()} ${what}`);
      given(v, (lease$) => {
        timerOf(v, 10)
          .pipe(withLock(lease$))
          .subscribe({ next: say('done'), complete: say('complete') });
      });
      v.ends(['0 acquire', '11 release']);
      assert.deepEqual(seen, ['11 done', '16 complete']);
    }));

  it('is released when the work errors, and when it is unsubscribed', () =>
    virtual((v) => {
      given(v, (lease$) => {
        v.cold('--#')
          .pipe(withLock(lease$))
          .subscribe({ error: () => undefined });
      });
      given(v, (lease$) => {
        const subscription = NEVER.pipe(withLock(lease$)).subscribe();
        v.at(20, () => subscription.unsubscribe());
      });
      v.ends(['0 acquire', '0 acquire', '3 release', '21 release']);
    }));

  it('is released where a promise gave it, however soon the work is done', async () => {
    const locks = memoryCoordinator();
    const told: string[] = [];
    locks.events$.subscribe(({ type }) => told.push(type));
    assert.equal(await lastValueFrom(of('x').pipe(withLock(from(locks.mutex('a').acquire())))), 'x');
    assert.deepEqual(told, ['acquired', 'released']);
    const slow = timer(5).pipe(withLock(defer(() => locks.mutex('a').acquire())));
    assert.equal(await lastValueFrom(slow), 0);
    assert.deepEqual(told, ['acquired', 'released', 'acquired', 'released']);
    await locks.close();
  });
});

/** Back-off: its numbers, and the operator that waits so, in virtual time. */
import { assert } from 'chai';
import fc from 'fast-check';
import { defer, EMPTY, throwError } from 'rxjs';
import { constantBackoff, exponentialBackoff, retryWithBackoff } from '../src/backoff.ts';
import * as errors from '../src/errors.ts';
import { labelled, virtual } from './support/virtual.ts';

const attempts = fc.integer({ min: 1, max: 100_000 });

describe('constantBackoff', () => {
  it('waits the same after every attempt', () =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), attempts, (ms, attempt) => {
        assert.equal(constantBackoff(ms)(attempt), ms);
      }),
    ));
});

describe('exponentialBackoff', () => {
  it('doubles from initial to max without jitter', () => {
    const backoff = exponentialBackoff({ initial: 100, max: 1_000, jitter: 0 });
    assert.deepEqual([1, 2, 3, 4, 5, 60, 5_000].map(backoff), [100, 200, 400, 800, 1_000, 1_000, 1_000]);
  });

  it('starts by default at 50 and ends at 5 000 ms, or at initial where that is more', () => {
    const first = exponentialBackoff({ jitter: 0 });
    assert.deepEqual([1, 100].map(first), [50, 5_000]);
    assert.deepEqual([1, 100].map(exponentialBackoff({ initial: 7_000, jitter: 0 })), [7_000, 7_000]);
  });

  it('draws each wait from the share that jitter leaves to it, as an integer', () =>
    fc.assert(
      fc.property(
        fc.nat(100),
        fc.nat(1e6),
        fc.double({ min: 0, max: 1, noNaN: true }),
        attempts,
        (low, more, jitter, n) => {
          const initial = low + 1;
          const ms = exponentialBackoff({ initial, max: initial + more, jitter })(n);
          const full = exponentialBackoff({ initial, max: initial + more, jitter: 0 })(n);
          assert.isTrue(Number.isInteger(ms));
          assert.isAtLeast(ms, Math.floor(full * (1 - jitter)));
          assert.isAtMost(ms, full);
        },
      ),
    ));

  it('with full jitter spreads the waits evenly from nothing to all', () => {
    const backoff = exponentialBackoff({ initial: 1_000, max: 1_000, jitter: 1 });
    const waits = Array.from({ length: 10_000 }, () => backoff(1));
    const quarters = [0, 250, 500, 750].map((from) => waits.filter((ms) => ms >= from && ms < from + 250).length);
    for (const share of quarters) assert.closeTo(share, 2_500, 300);
  });
});

describe('retryWithBackoff', () => {
  it('subscribes again after each error, waiting as told on the scheduler that is given', () =>
    virtual(({ scheduler, cold, expectObservable, expectSubscriptions, flush }) => {
      const source = cold('  --#               ');
      const subscribed = [
        '                    ^-!               ',
        '                    ---^-!            ',
        '                    -------^-!        ',
        '                    ------------^-!   ',
      ];
      expectObservable(source.pipe(retryWithBackoff((n) => n, scheduler)), '^-------------!').toBe('');
      expectSubscriptions(source.subscriptions).toBe(subscribed);
      flush();
      assert.equal(scheduler.pending, 0);
    }));

  it('counts from one again after a value', () =>
    virtual(({ scheduler, cold, expectObservable }) => {
      const courses = ['#', '#', 'a#', '#', 'b|'].map((marbles) => cold(marbles));
      const source = defer(() => courses.shift() ?? EMPTY);
      // waits of 1 and 2, then a; one frame later it fails: 1 and 2 again, then b
      expectObservable(source.pipe(retryWithBackoff((n) => n, scheduler))).toBe('---a---b|');
    }));

  it('passes values and the end on', () =>
    virtual(({ scheduler, cold, expectObservable }) => {
      expectObservable(cold('a-b|').pipe(retryWithBackoff(() => 1, scheduler))).toBe('a-b|');
    }));

  it('errors with a RangeError when the back-off is no number of ms, and does not spin', () =>
    virtual(({ scheduler, cold, expectObservable, expectSubscriptions }) => {
      for (const ms of [Number.NaN, -1, Number.POSITIVE_INFINITY, 2 ** 31]) {
        const source = cold('#');
        const error = `backoff(1) must be from 0 to 2147483647, got ${ms}`;
        expectObservable(
          source.pipe(
            retryWithBackoff(() => ms, scheduler),
            labelled(),
          ),
        ).toBe('#', undefined, error);
        expectSubscriptions(source.subscriptions).toBe('(^!)');
      }
    }));

  it('errors with what the back-off throws: that is how to give up', () =>
    virtual(({ scheduler, cold, expectObservable }) => {
      const thrice = (attempt: number): number => {
        if (attempt > 3) throw new Error('gave up');
        return 10;
      };
      expectObservable(cold('#').pipe(retryWithBackoff(thrice, scheduler), labelled())).toBe('30ms #', {}, 'gave up');
    }));

  it('retries errors that may pass, and rethrows final ones at once, unless its caller says otherwise', () =>
    virtual(({ scheduler, cold, expectObservable }) => {
      const cause = new Error('LOADING');
      const passing = [
        new errors.LockLostError('a', 'taken'),
        new errors.LockTimeoutError('a', 5),
        new errors.RedisUnreachableError('a', 'No answer'),
        new errors.RedisRefusedError('a', true, cause),
        new errors.NotReplicatedError('a', 2, 1),
        new TypeError('fetch failed'),
      ];
      const final = [
        new errors.CoordinatorClosedError(),
        new errors.LockCorruptedError('a'),
        new errors.OwnerConflictError('a', 'me'),
        new errors.FenceExhaustedError('a'),
        new errors.LockAbortedError('a'),
        new errors.RedisRefusedError('a', false, cause),
      ];
      const once = (error: Error) => {
        const courses = [throwError(() => error), cold('a|')];
        return defer(() => courses.shift() ?? EMPTY);
      };
      for (const error of passing) {
        expectObservable(once(error).pipe(retryWithBackoff(() => 5, scheduler))).toBe('-----a|');
      }
      for (const error of final) {
        expectObservable(once(error).pipe(retryWithBackoff(() => 5, scheduler))).toBe('#', undefined, error);
        const all = retryWithBackoff<string>(
          () => 5,
          scheduler,
          () => true,
        );
        expectObservable(once(error).pipe(all)).toBe('-----a|');
      }
    }));

  it('leaves no timer when it is unsubscribed while it waits', () =>
    virtual(({ scheduler, at, flush }) => {
      const subscription = throwError(() => 'no')
        .pipe(retryWithBackoff(() => 100, scheduler))
        .subscribe();
      at(50, () => subscription.unsubscribe());
      at(51, () => assert.equal(scheduler.pending, 0));
      flush();
    }));
});

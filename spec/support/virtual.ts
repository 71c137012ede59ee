/** Virtual time for specs of locks: rxjs's TestScheduler in run mode, over a fake store, with an eye on what stays scheduled. */
import { assert } from 'chai';
import {
  catchError,
  type MonoTypeOperatorFunction,
  map,
  type Observable,
  type SchedulerAction,
  type SchedulerLike,
  type Subscription,
  throwError,
} from 'rxjs';
import { type RunHelpers, TestScheduler } from 'rxjs/testing';
import { LockLostError, RedisyncError } from '../../src/errors.ts';
import { Sessions } from '../../src/lease/sessions.ts';
import { type Kind, termsOf } from '../../src/lease/terms.ts';
import { Lock } from '../../src/locks/lock.ts';
import type { LockOptions } from '../../src/options.ts';
import { FakeStore } from './fake-store.ts';

/** More than any spec needs: a lease that nobody releases is renewed for ever. */
const MOST = 50_000;

/** Passes everything on to another scheduler, and counts what is still scheduled. */
export class CountingScheduler implements SchedulerLike {
  /** The longest delay that was asked for: more than 2^31 - 1 ms a timer of Node's would not wait at all. */
  longest = 0;
  private readonly live = new Set<object>();
  private count = 0;
  private readonly inner: SchedulerLike;

  constructor(inner: SchedulerLike) {
    this.inner = inner;
  }

  /** How many actions are scheduled and neither run nor unsubscribed. */
  get pending(): number {
    return this.live.size;
  }

  now(): number {
    return this.inner.now();
  }

  schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T): Subscription {
    const { live } = this;
    const mark = {};
    this.count += 1;
    this.longest = Math.max(this.longest, delay);
    if (this.count > MOST) throw new Error('Virtual time does not run out: something is held for ever');
    live.add(mark);
    const run = function (this: SchedulerAction<T>, value?: T): void {
      live.delete(mark);
      work.call(this, value);
    };
    const action = this.inner.schedule(run, delay, state as T);
    action.add(() => live.delete(mark));
    return action;
  }
}

/** What an error says of itself: the reason of a loss, the code of another of ours, the message of the rest. */
export const label = (error: unknown): string => {
  if (error instanceof LockLostError) return `lost: ${error.reason}`;
  if (error instanceof RedisyncError) return error.code;
  return error instanceof Error ? error.message : String(error);
};

/** `L` for every lease, and labels for errors. */
export const shown = (lock$: Observable<unknown>): Observable<string> =>
  lock$.pipe(
    map((value) => (value === null ? 'n' : 'L')),
    labelled(),
  );

/** Errors as their labels. */
export const labelled = <T>(): MonoTypeOperatorFunction<T> => catchError((error) => throwError(() => label(error)));

const EXCLUSIVE: Kind = { mode: 'exclusive', permits: 1, limit: 0 };

/** What a spec has at hand besides the marbles. */
export interface Virtual extends Omit<RunHelpers, 'time'> {
  /** The virtual time itself. */
  readonly time: TestScheduler;
  /** The scheduler of the locks. What is still pending on it at the end was left behind by a lock. */
  readonly scheduler: CountingScheduler;
  readonly store: FakeStore;
  readonly sessions: Sessions;
  /** A mutex with a ttl of 1 000 ms, so a validity of 988, renewed every 300 and waiting with a back-off of 50. */
  lock(options?: LockOptions, name?: string): Lock;
  /** Does something at an instant. */
  at(ms: number, act: () => void): void;
  /** Checks, when virtual time has run out, what has reached the store and that nothing is left behind. */
  ends(calls: readonly string[]): void;
}

/** Runs a spec in virtual time. */
export const virtual = (spec: (at: Virtual) => void): void => {
  const time = new TestScheduler((actual, expected) => assert.deepEqual(actual, expected));
  time.run((helpers) => {
    const scheduler = new CountingScheduler(time);
    const store = new FakeStore(time);
    const sessions = new Sessions(store);
    spec({
      ...helpers,
      time,
      scheduler,
      store,
      sessions,
      lock: (options = {}, name = 'a') =>
        new Lock({
          sessions,
          name,
          kind: EXCLUSIVE,
          terms: termsOf({ ttl: 1_000, renewEvery: 300, backoff: () => 50, scheduler, ...options }),
        }),
      at: (ms, act) => void time.schedule(act, ms),
      ends: (calls) => {
        helpers.flush();
        assert.deepEqual(store.log, calls);
        assert.equal(scheduler.pending, 0, 'actions that are still scheduled');
      },
    });
  });
};

/** Bounds a wait for a lease by a timeout, and makes the error of a wait that has timed out. */
import {
  asyncScheduler,
  catchError,
  combineLatest,
  concatMap,
  type MonoTypeOperatorFunction,
  map,
  Observable,
  of,
  type SchedulerLike,
  Subscriber,
  type Subscription,
  throwError,
  timeout,
} from 'rxjs';
import { type Busy, LockTimeoutError, RedisUnreachableError } from '../errors.ts';
import { type AttachedLock, type Attachment, endLate } from './attachment.ts';
import { inOwnContext } from './context.ts';

/** ms that the error waits for Redis's answer who holds the lock. */
const LOOK = 250;

/** How many locks are inspected for the error, and how many claims on each, so that many simultaneous timeouts cost Redis little. */
const FEW = 8;

/** What is known of a wait, or of a single attempt, that ended without a lease. */
interface Late {
  readonly wanted: AttachedLock;
  readonly rank?: number | undefined;
  /** The last error since Redis's last answer. */
  readonly failure?: Error | undefined;
}

/**
 * Mirrors `source`, but unsubscribes from it if it emits nothing within `ms`, and errors. The error is about the waits that
 * end during this unsubscription, so `source` may be a lock with any operators behind it. Written by hand, because the
 * waits have to be collected around the teardown.
 */
export const inTime =
  <T>(ms: number, scheduler: SchedulerLike = asyncScheduler): MonoTypeOperatorFunction<T> =>
  (source) =>
    new Observable((subscriber) => source.subscribe(new Wait(subscriber, ms, scheduler)));

/** It is one object: as closures, and a list of what to tear down, it cost each waiter 1 KB. */
class Wait<T> extends Subscriber<T> {
  private readonly result: Subscriber<T>;
  private readonly ms: number;
  private readonly alarm: Subscription | undefined;

  constructor(result: Subscriber<T>, ms: number, scheduler: SchedulerLike) {
    super(result);
    this.result = result;
    this.ms = ms;
    if (!this.closed) this.alarm = scheduler.schedule(() => this.end(), ms);
  }

  override next(value: T): void {
    this.alarm?.unsubscribe();
    super.next(value);
  }

  override unsubscribe(): void {
    this.alarm?.unsubscribe(); // none is set yet where the result is closed already
    super.unsubscribe();
  }

  private end(): void {
    const left = endLate(() => this.unsubscribe());
    this.result.add(lateError(this.ms, left).subscribe(this.result));
  }
}

/** The error of waits that have timed out after `ms`: others hold the locks, or Redis never answered. */
const lateError = (ms: number, left: readonly Attachment[]): Observable<never> => {
  const silent = left.map((one) => silenceOf(one, ms));
  if (silent.length > 0 && silent.every((error) => error !== undefined)) return throwError(() => silent[0]);
  return busyError(
    ms,
    left.map((one) => ({ wanted: one.wanted, rank: one.host?.acquisition.standing.rank, failure: failureOf(one) })),
  );
};

/** The error of a wait in which Redis never answered; undefined if it has answered. */
const silenceOf = ({ host, wanted: { name, sessions } }: Attachment, ms: number): Error | undefined => {
  if (!host) return undefined;
  const { heard, failure } = host.acquisition.standing;
  if (heard || (failure && !(failure instanceof RedisUnreachableError))) return undefined;
  const cause = sessions.store.lastError ?? failure?.cause ?? failure;
  return new RedisUnreachableError(name, `Redis did not answer within ${ms} ms`, undefined, cause);
};

const failureOf = ({ host, wanted: { name, sessions } }: Attachment): Error | undefined => {
  if (!host) return new RedisUnreachableError(name, 'An earlier lease of this owner is still being released');
  const { failure } = host.acquisition.standing;
  return failure && !(failure instanceof RedisUnreachableError) ? failure : (sessions.store.lastError ?? failure);
};

/** Errors with a LockTimeoutError that says who holds the locks, as far as Redis answers at once. */
export const busyError = (ms: number, late: readonly Late[]): Observable<never> => {
  const names = late.map(({ wanted }) => wanted.name).join(', ') || undefined;
  const looks = late.slice(0, FEW).map(lookAt);
  return (looks.length > 0 ? combineLatest(looks) : of([])).pipe(
    concatMap((told) => {
      const failures = [...told, ...late].flatMap(({ failure }) => failure ?? []);
      return throwError(() => new LockTimeoutError(names, ms, failures[0], summary(told)));
    }),
  );
};

type Look = Busy & Pick<Late, 'failure'>;

/** Asks Redis who holds the lock. Not while Redis fails; and an answer that takes too long is not awaited. */
const lookAt = ({ wanted: { name, sessions, terms }, rank, failure }: Late): Observable<Look> => {
  const known: Look = { owners: [], rank, failure };
  if (failure) return of(known);
  return inOwnContext(sessions.store.inspect(name, terms.commandTimeout, FEW)).pipe(
    map(({ holders, waiting, fence }): Look => {
      const owners = holders.map(({ owner }) => owner);
      return {
        owners,
        since: fence === undefined ? undefined : new Date(fence / 1_000), // it is drawn from the time, in µs
        remaining: least(holders.map(({ remaining }) => remaining)),
        rank: rank ?? waiting.length,
        heldHere: owners.some((owner) => sessions.holds(name, owner)),
      };
    }),
    timeout({ first: LOOK, scheduler: terms.scheduler, with: () => of(known) }),
    catchError((error: unknown) => {
      const away = error instanceof RedisUnreachableError;
      return of({ ...known, failure: away ? (sessions.store.lastError ?? error) : undefined });
    }),
  );
};

const least = (numbers: readonly number[]): number | undefined =>
  numbers.length > 0 ? Math.min(...numbers) : undefined;

/** The answers about several locks, of which any would have been enough, as one. */
const summary = (all: readonly Busy[]): Busy => {
  const since = least(all.flatMap(({ since }) => since?.getTime() ?? []));
  return {
    owners: all.flatMap(({ owners }) => owners).slice(0, FEW),
    since: since === undefined ? undefined : new Date(since),
    remaining: least(all.flatMap(({ remaining }) => remaining ?? [])),
    rank: least(all.flatMap(({ rank }) => rank ?? [])),
    heldHere: all.some(({ heldHere }) => heldHere),
  };
};

/** A wait that may last for so long and no longer, and the error that tells what it has come to. */
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
import { type Attachment, endLate, type Wanted } from './attachment.ts';
import { inOwnContext } from './context.ts';

/** ms for which an error waits until Redis tells who holds. */
const LOOK = 250;

/** How many locks are looked at, and how many claims on each: a crowd whose time is over at once costs Redis little. */
const FEW = 8;

/** What is known of a wait, or of a single attempt, that has come to nothing. */
interface Late {
  readonly wanted: Wanted;
  readonly rank?: number | undefined;
  /** What Redis has failed with since it was last heard. */
  readonly failure?: Error | undefined;
}

/**
 * The same, for `ms` at the most until the first value: then it is unsubscribed from, and errors with what the wait has come
 * to. Whose waits those are is told by whoever leaves within that, so `source` may be a lock with any operators behind it.
 * Written out, since that has to happen around its teardown.
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

/** The error of waits that have all lasted for `ms`: others hold the locks, or Redis was never heard. */
const lateError = (ms: number, left: readonly Attachment[]): Observable<never> => {
  const silent = left.map((one) => silenceOf(one, ms));
  if (silent.length > 0 && silent.every((error) => error !== undefined)) return throwError(() => silent[0]);
  return busyError(
    ms,
    left.map((one) => ({ wanted: one.wanted, rank: one.host?.acquisition.standing.rank, failure: failureOf(one) })),
  );
};

/** The error of a wait in which Redis was never heard; undefined where it was. */
const silenceOf = ({ host, wanted: { name, sessions } }: Attachment, ms: number): Error | undefined => {
  if (!host) return undefined;
  const { heard, failure } = host.acquisition.standing;
  if (heard || (failure && !(failure instanceof RedisUnreachableError))) return undefined;
  const cause = sessions.store.trouble ?? failure?.cause ?? failure;
  return new RedisUnreachableError(name, `No answer within ${ms} ms`, undefined, cause);
};

const failureOf = ({ host, wanted: { name, sessions } }: Attachment): Error | undefined => {
  if (!host) return new RedisUnreachableError(name, 'An earlier lease of this owner is still being released');
  const { failure } = host.acquisition.standing;
  return failure && !(failure instanceof RedisUnreachableError) ? failure : (sessions.store.trouble ?? failure);
};

/** Errors with who holds the locks, or with no more than is known where Redis does not tell at once. */
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

/** Redis is asked in vain while it fails. An answer that takes longer is not waited for. */
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
      return of({ ...known, failure: away ? (sessions.store.trouble ?? error) : undefined });
    }),
  );
};

const least = (numbers: readonly number[]): number | undefined =>
  numbers.length > 0 ? Math.min(...numbers) : undefined;

/** Several locks, any of which would have done, as one. */
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

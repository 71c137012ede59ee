/** The error of a wait that has timed out, or of a single attempt at a busy lock: it tells who holds the lock. */
import { catchError, combineLatest, concatMap, map, type Observable, of, throwError, timeout } from 'rxjs';
import { type Busy, LockTimeoutError, RedisUnreachableError } from '../errors.ts';
import type { Attachment } from '../lease/attachment.ts';
import { inOwnContext } from '../lease/context.ts';
import type { LockDefinition } from '../lease/session-view.ts';

/** ms that the error waits for Redis's answer who holds the lock. */
const LOOK = 250;

/** How many locks are inspected for the error, and how many claims on each, so that many simultaneous timeouts cost Redis little. */
const FEW = 8;

/** What is known of a wait, or of a single attempt, that ended without a lease. */
interface Late {
  readonly wanted: LockDefinition;
  readonly rank?: number | undefined;
  /** The last error since Redis's last answer. */
  readonly failure?: Error | undefined;
  /** Set if Redis has never answered: why. */
  readonly silence?: { readonly cause: unknown } | undefined;
}

/** The error of waits that have timed out after `ms`: others hold the locks, or Redis never answered. */
export const lateError = (ms: number, waits: readonly Attachment[]): Observable<never> => {
  const late = waits.map(lateOf);
  const [first] = late;
  if (!first?.silence || !late.every(({ silence }) => silence)) return busyError(ms, late);
  const { wanted, silence } = first;
  const message = `Redis did not answer within ${ms} ms`;
  return throwError(() => new RedisUnreachableError(wanted.name, message, undefined, silence.cause));
};

const lateOf = ({ session, wanted }: Attachment): Late => {
  const { lastError } = wanted.sessions.store;
  const released = 'An earlier lease of this owner is still being released';
  if (!session) return { wanted, failure: new RedisUnreachableError(wanted.name, released) };
  const { heard, denied, pace } = session.acquisition;
  const failure = pace.failed?.error;
  const late = { wanted, rank: denied?.rank };
  if (failure && !(failure instanceof RedisUnreachableError)) return { ...late, failure };
  const silence = heard ? undefined : { cause: lastError ?? failure?.cause ?? failure };
  return { ...late, failure: lastError ?? failure, silence };
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
        rank: sessions.store.noQueue ? undefined : (rank ?? waiting.length),
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

/** Leaving for certain: by owner, whatever became of earlier commands. */
import { defer, EMPTY, type Observable, repeat, retry, type SchedulerLike, tap, throwError, timer } from 'rxjs';
import { exponentialBackoff } from '../backoff.ts';
import { isTransient } from '../errors.ts';
import type { Departure } from '../store/store.ts';

/** Between attempts at what must be done before a lease lapses: to renew it, or to leave. */
export const soon = exponentialBackoff({ initial: 25, max: 1_000, jitter: 0 });

interface Terms {
  /** Server ms until which an earlier command of unknown outcome may still take effect: leave again after that. */
  readonly notAfter: number;
  /** Asked after each failure: whether something may be left to clear. */
  readonly goOn: () => boolean;
  readonly scheduler: SchedulerLike;
}

/** Emits the outcome of each release that Redis answered; the first is the answer. */
export const depart = (release: () => Observable<Departure>, terms: Terms): Observable<Departure> => {
  const { notAfter, goOn, scheduler } = terms;
  let reached = 0;
  return defer(release).pipe(
    tap(({ now }) => {
      reached = now;
    }),
    repeat({ delay: () => (reached < notAfter ? timer(notAfter - reached + 1, scheduler) : EMPTY) }),
    retry({
      delay: (error, attempt) =>
        isTransient(error) && goOn() ? timer(soon(attempt), scheduler) : throwError(() => error),
    }),
  );
};

/** Leaving for certain: by owner, whatever became of earlier commands. */
import { catchError, concatMap, type Observable, type SchedulerLike, throwError, timer } from 'rxjs';
import { exponentialBackoff } from '../backoff.ts';
import { isTransient } from '../errors.ts';
import { repeated } from '../store/repeated.ts';
import type { Released } from '../store/store.ts';

/** Between attempts at what must be done before a lease lapses: to renew it, or to leave. */
export const soon = exponentialBackoff({ initial: 25, max: 1_000, jitter: 0 });

interface Terms {
  /** Server ms until which an earlier command of unknown outcome may still take effect: leave again after that. */
  readonly notAfter: number;
  /** ms from now until which that is at the most: should the server's clock step back, that would be long. */
  readonly within: number;
  /** Asked after each failure: whether something may be left to clear. */
  readonly goOn: () => boolean;
  readonly scheduler: SchedulerLike;
}

/** Emits the outcome of each release that Redis answered; the first is the answer. */
export const depart = (
  release: () => Observable<Released>,
  { notAfter, within, goOn, scheduler }: Terms,
): Observable<Released> => {
  const once = (failures = 0): Observable<Released> =>
    release().pipe(
      catchError((error: unknown) =>
        isTransient(error) && goOn()
          ? timer(soon(failures + 1), scheduler).pipe(concatMap(() => once(failures + 1)))
          : throwError(() => error),
      ),
    );
  return notAfter === 0 ? once() : repeated(once, notAfter, within, scheduler);
};

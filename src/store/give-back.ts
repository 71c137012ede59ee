/** A release before the next attempt of the same owner. */
import {
  catchError,
  concatMap,
  defer,
  ignoreElements,
  type Observable,
  type SchedulerLike,
  throwError,
  timer,
} from 'rxjs';
import { clockOf } from '../clock.ts';
import { RedisUnreachableError } from '../errors.ts';
import { LONGEST } from '../options.ts';

/**
 * Completes when the lease was given back. Errors when that is not known, and only once the release can land no more, for
 * it would end what the owner is granted next: it carries a not-after, which is `within` ms from now at the latest.
 */
export const giveBack = (
  release: () => Observable<unknown>,
  within: number,
  scheduler: SchedulerLike,
): Observable<never> =>
  defer(() => {
    const clock = clockOf(scheduler);
    const over = clock.now() + within + 1; // in the ms of its not-after it can still land
    return release().pipe(
      ignoreElements(),
      catchError((error: unknown) => {
        const unsent = error instanceof RedisUnreachableError && error.notAfter === undefined;
        const rest = unsent ? 0 : Math.max(0, over - clock.now());
        return timer(Math.min(rest, LONGEST), scheduler).pipe(concatMap(() => throwError(() => error)));
      }),
    );
  });

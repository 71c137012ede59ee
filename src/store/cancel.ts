/** Takes back what may have been granted: a release, made again until nothing that was sent before it can still land. */
import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  expand,
  type Observable,
  retry,
  type SchedulerLike,
  throwError,
  timer,
} from 'rxjs';
import { soon } from '../backoff.ts';
import { clockOf } from '../clock.ts';
import { isTransient, RedisUnreachableError } from '../errors.ts';
import { LONGEST } from '../options.ts';
import type { Released } from './store.ts';

export interface Cancellation {
  /** Server ms until which an earlier command of unknown outcome may still take effect; default: 0, where none may. */
  readonly notAfter?: number;
  /** ms that a command has to take effect: an earlier one from now, should the server's clock step back, and each release. */
  readonly within: number;
  /** ms from now for which a release that fails in passing is made again; default: 0, where it is made once. */
  readonly patience?: number;
  readonly scheduler: SchedulerLike;
  /** Called after each release that failed. */
  readonly failed?: () => void;
}

/**
 * Emits the outcome of each release that was answered; the first one tells whether there was anything to give up. Errors
 * when one has failed for good, and only once that can land no more: it would end what the owner is granted next.
 */
export const cancel = (
  release: () => Observable<Released>,
  { notAfter = 0, within, patience = 0, scheduler, failed }: Cancellation,
): Observable<Released> =>
  defer(() => {
    const clock = clockOf(scheduler);
    const began = clock.now();
    let sent = began;
    const after = <T>(ms: number, next: () => Observable<T>): Observable<T> =>
      timer(Math.min(ms, LONGEST), scheduler).pipe(concatMap(next));
    const once = (): Observable<Released> =>
      defer(() => {
        sent = clock.now();
        return release();
      }).pipe(
        retry({
          delay: (error: unknown, failures) => {
            failed?.();
            const again = isTransient(error) && clock.now() - began < patience;
            return again ? timer(soon(failures), scheduler) : throwError(() => error);
          },
        }),
        catchError((error: unknown) => {
          const rest = isUnknown(error) ? sent + within + 1 - clock.now() : 0; // in the ms of its not-after it can still land
          const last = throwError(() => error);
          return rest > 0 ? after(rest, () => last) : last;
        }),
      );
    if (notAfter === 0) return once();
    const over = began + within; // nothing can land behind a release that is sent later
    return once().pipe(
      expand(({ now }) => {
        if (now > notAfter || sent > over) return EMPTY;
        return after(Math.max(0, Math.min(notAfter - now, over - clock.now())) + 1, once);
      }),
    );
  });

/** Whether a command that failed so may have been sent. */
const isUnknown = (error: unknown): boolean => error instanceof RedisUnreachableError && error.notAfter !== undefined;

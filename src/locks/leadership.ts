/** Leadership: a mutex that is acquired again after each loss. */
import {
  catchError,
  concat,
  distinctUntilChanged,
  type Observable,
  of,
  repeat,
  retry,
  startWith,
  throwError,
  timer,
} from 'rxjs';
import { waitAfter } from '../backoff.ts';
import { isTransient, LockLostError } from '../errors.ts';
import type { Lease } from '../lease/lease.ts';
import type { Lock } from './lock.ts';

/**
 * Emits the lease while leading, null while following, and null first. After a loss, or after `lease.release()`, it emits
 * null and campaigns again, after the first wait of the lock's back-off. Unsubscribing resigns.
 *
 *     a  -n-L------------------|      a leads until it is unsubscribed
 *     b  -n---------------------L---  b follows, then leads
 */
export const leadership = (lock: Lock): Observable<Lease | null> => {
  const { backoff, scheduler } = lock.wanted.terms;
  const rest = (): Observable<unknown> => timer(waitAfter(backoff, 1), scheduler);
  return concat(lock, of(null)).pipe(
    catchError((error: unknown) =>
      concat(
        of(null),
        throwError(() => error),
      ),
    ),
    repeat({ delay: rest }),
    retry({
      delay: (error) => (error instanceof LockLostError || isTransient(error) ? rest() : throwError(() => error)),
    }),
    startWith(null),
    distinctUntilChanged(),
  );
};

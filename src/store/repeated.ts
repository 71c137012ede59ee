/** A release that is made again for as long as what it clears away may land behind it. */
import { concatMap, defer, EMPTY, expand, type Observable, type SchedulerLike, timer } from 'rxjs';
import { clockOf } from '../clock.ts';
import { LONGEST } from '../options.ts';
import type { Released } from './store.ts';

/**
 * Emits the outcome of each. @param notAfter server ms until which an earlier command may take effect @param within ms
 * from now until which that is at the most: should the server's clock step back, that would be long
 */
export const repeated = (
  release: () => Observable<Released>,
  notAfter: number,
  within: number,
  scheduler: SchedulerLike,
): Observable<Released> =>
  defer(() => {
    const clock = clockOf(scheduler);
    const over = clock.now() + within;
    let sent = 0;
    const once = (): Observable<Released> => {
      sent = clock.now(); // one that is sent later than `over` is the last: nothing can land behind it
      return release();
    };
    return once().pipe(
      expand(({ now }) => {
        if (now > notAfter || sent > over) return EMPTY;
        const rest = Math.max(0, Math.min(notAfter - now, over - clock.now()));
        return timer(Math.min(rest + 1, LONGEST), scheduler).pipe(concatMap(once));
      }),
    );
  });

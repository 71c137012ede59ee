/** A question to a server that ends in time: ioredis alone may wait, or try again, for ever. */
import { defer, type Observable, type SchedulerLike, throwError, timeout } from 'rxjs';
import type { Replicas } from '../options.ts';

export interface Look {
  /** ms for each question. */
  readonly within: number;
  readonly replicas: Replicas | undefined;
  readonly scheduler: SchedulerLike;
}

export const bounded = <T>(ask: () => Promise<T>, { within, scheduler }: Look): Observable<T> =>
  defer(ask).pipe(
    timeout({ first: within, with: () => throwError(() => new Error(`No answer within ${within} ms`)), scheduler }),
  );

/** Bounds a question to a server by a timeout: ioredis alone may wait or retry for ever. */
import { defer, type Observable, type SchedulerLike, throwError, timeout } from 'rxjs';
import type { Replicas } from '../options.ts';

export interface DiagnoseTerms {
  /** Timeout of each question, in ms. */
  readonly within: number;
  readonly replicas: Replicas | undefined;
  readonly scheduler: SchedulerLike;
}

export const bounded = <T>(ask: () => Promise<T>, { within, scheduler }: DiagnoseTerms): Observable<T> =>
  defer(ask).pipe(
    timeout({
      first: within,
      with: () => throwError(() => new Error(`The server did not answer within ${within} ms`)),
      scheduler,
    }),
  );

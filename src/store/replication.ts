/** Waits until replicas have confirmed what was written, by WAIT. */
import { catchError, defer, map, merge, type Observable, type SchedulerLike, take, throwError, timeout } from 'rxjs';
import { RedisUnreachableError, RedisyncError } from '../errors.ts';
import type { Replicas } from '../options.ts';
import type { Driver } from './driver.ts';

/** What is to be confirmed, by when, and on which connection: WAIT is about the writes of its own connection. */
interface Confirmation {
  readonly node: Driver | undefined;
  readonly replicas: Replicas;
  readonly within: number;
  /** The name that errors tell. */
  readonly lock: string;
  /** Whether it is still the connection that wrote. */
  readonly same: () => boolean;
  /** Emits when a connection closes. */
  readonly closing$: Observable<void>;
  readonly scheduler: SchedulerLike;
}

/** Emits how many replicas have what was written so far. WAIT blocks the connection for other commands until it is answered. */
export const replicated = (confirmation: Confirmation): Observable<number> => {
  const { node, replicas, within, lock, same, closing$, scheduler } = confirmation;
  const connectionClosed = (): Error =>
    new RedisUnreachableError(lock, 'The connection to Redis closed before the replicas confirmed the lease', 0);
  const confirmed$ = defer(() =>
    node && same() ? node.wait(replicas.count, replicas.timeout) : throwError(connectionClosed),
  );
  return merge(confirmed$, closing$).pipe(
    take(1),
    map((confirmed) => {
      if (confirmed === undefined || !same()) throw connectionClosed();
      return confirmed;
    }),
    catchError((error: unknown) => throwError(() => (error instanceof RedisyncError ? error : connectionClosed()))),
    timeout({
      first: Math.max(1, within),
      with: () =>
        throwError(
          () => new RedisUnreachableError(lock, `The replicas did not confirm the lease within ${within} ms`, 0),
        ),
      scheduler,
    }),
  );
};

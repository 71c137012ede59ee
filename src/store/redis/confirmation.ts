/** Grants and renewals with `replicas`: they count only once the replicas have confirmed them, on the connection that wrote. */
import { catchError, concat, ignoreElements, map, type Observable, of, type SchedulerLike, throwError } from 'rxjs';
import { NotReplicatedError, RedisUnreachableError } from '../../errors.ts';
import type { Server } from '../call.ts';
import { cancel } from '../cancel.ts';
import type { Connection } from '../connection.ts';
import type { Released, Request } from '../store.ts';

/** Emits the value once enough replicas have confirmed what the server wrote before this answer. @param within ms */
export const confirmed = <T>(
  value: T,
  { name, replicas }: Request,
  connection: Connection,
  server: Server | undefined,
  within: number,
): Observable<T> => {
  if (!replicas || !server) return of(value);
  return connection.replicated(server, replicas, Math.ceil(within), name).pipe(
    map((count) => {
      if (count < replicas.count) throw new NotReplicatedError(name, replicas.count, count);
      return value;
    }),
  );
};

const NOT_RELEASED = 'The lease was not confirmed by the replicas, and its release was not confirmed by Redis';

/** Cancels a grant that the replicas have not confirmed, then errors with the reason. */
export const unconfirmed = (
  name: string,
  error: unknown,
  release: () => Observable<Released>,
  within: number,
  scheduler: SchedulerLike,
): Observable<never> =>
  concat(
    cancel(release, { within, scheduler }).pipe(
      ignoreElements(),
      catchError(() => throwError(() => new RedisUnreachableError(name, NOT_RELEASED, 0, error))),
    ),
    throwError(() => error),
  );

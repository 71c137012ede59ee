/** One subscription to a lock, which is told all that it is told in the async context in which it was made. */
import { AsyncResource } from 'node:async_hooks';
import type { Subscriber } from 'rxjs';
import { LockTimeoutError, OwnerConflictError, RedisUnreachableError } from '../errors.ts';
import type { Mode, Request } from '../store/store.ts';
import { UNTRACKED } from './context.ts';
import type { Lease } from './lease.ts';
import type { Kind, Terms } from './terms.ts';

/** What a subscription wants. */
export interface Wanted {
  readonly name: string;
  readonly kind: Kind;
  readonly terms: Terms;
}

/** What it is attached to. */
export interface Host {
  readonly acquisition: { late(timeout: number): Error };
  leave(one: Attachment): void;
}

export class Attachment extends AsyncResource {
  host: Host | undefined;
  /** Whether it leaves because its `timeout` is over. */
  timedOut = false;
  readonly wanted: Wanted;
  private readonly subscriber: Subscriber<Lease>;

  constructor(subscriber: Subscriber<Lease>, wanted: Wanted) {
    super('redisync.Lock', UNTRACKED);
    this.subscriber = subscriber;
    this.wanted = wanted;
  }

  next(lease: Lease): void {
    this.runInAsyncScope(this.subscriber.next, this.subscriber, lease);
  }

  error(error: unknown): void {
    this.runInAsyncScope(this.subscriber.error, this.subscriber, error);
  }

  complete(): void {
    this.runInAsyncScope(this.subscriber.complete, this.subscriber);
  }

  /** It leaves. */
  unsubscribe(): void {
    this.host?.leave(this);
  }

  /** The wait has timed out, after `timeout` ms: the error for it. */
  late(timeout: number): Error {
    this.timedOut = true;
    if (this.host) return this.host.acquisition.late(timeout);
    const { name } = this.wanted;
    const cause = new RedisUnreachableError(name, 'An earlier lease of this owner is still being released');
    return new LockTimeoutError(name, timeout, cause);
  }
}

/** The error of a subscription that wants something else than its owner has, or waits for. */
export const conflictOf = (request: Request, has: Mode, { mode, permits }: Kind): OwnerConflictError | undefined => {
  if (mode === has && permits <= request.permits) return undefined;
  const otherwise = mode === has ? 'of fewer permits' : 'in another mode';
  return new OwnerConflictError(request.name, request.owner, otherwise);
};

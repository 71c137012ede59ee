/** One subscription to a lock. Everything is emitted to it in the async context in which it was made. */
import { AsyncResource } from 'node:async_hooks';
import { type MonoTypeOperatorFunction, type Subscriber, throwError, timeout } from 'rxjs';
import { OwnerConflictError, RedisUnreachableError } from '../errors.ts';
import type { Mode, Request, Store } from '../store/store.ts';
import { UNTRACKED } from './context.ts';
import type { Lease } from './lease.ts';
import type { Kind, Terms } from './terms.ts';

/** What a subscription wants, and of whom. */
export interface AttachedLock {
  readonly name: string;
  readonly kind: Kind;
  readonly terms: Terms;
  readonly sessions: {
    readonly store: Store;
    /** Whether this coordinator holds the lease of that owner. */
    holds(name: string, owner: string): boolean;
  };
}

/** The outcomes of a wait so far. */
export interface Standing {
  /** Whether Redis has answered during the wait. */
  readonly heard: boolean;
  /** The error of the last attempt; undefined if it was answered. */
  readonly failure: Error | undefined;
  /** How many were ahead in the queue at the last answer. */
  readonly rank: number | undefined;
}

/** The session to which it is attached. */
interface Host {
  readonly waits: boolean;
  readonly acquisition: { readonly standing: Standing };
  leave(one: Attachment): void;
}

/** Collects the attachments that leave because they have timed out; undefined while none does. */
let late: Attachment[] | undefined;

/** Calls what unsubscribes from waits that have timed out, and returns those that were still waiting. */
export const endLate = (unsubscribe: () => void): readonly Attachment[] => {
  const all: Attachment[] = [];
  const before = late;
  late = all;
  try {
    unsubscribe();
  } finally {
    late = before;
  }
  return all;
};

export class Attachment extends AsyncResource {
  host: Host | undefined;
  /** Whether its `timeout` has ended the wait. */
  timedOut = false;
  readonly wanted: AttachedLock;
  private readonly subscriber: Subscriber<Lease>;

  constructor(subscriber: Subscriber<Lease>, wanted: AttachedLock) {
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

  /** The teardown of the subscription. Without a host it was still waiting for the end of an earlier lease of its owner. */
  unsubscribe(): void {
    if (late && this.host?.waits !== false) {
      this.timedOut = true;
      late.push(this);
    }
    this.host?.leave(this);
  }
}

/** The error of a subscription that wants another mode than its owner has or waits for, or more permits. */
export const conflictOf = (request: Request, has: Mode, { mode, permits }: Kind): OwnerConflictError | undefined => {
  if (mode === has && permits <= request.permits) return undefined;
  const otherwise = mode === has ? 'with fewer permits' : 'in another mode';
  return new OwnerConflictError(request.name, request.owner, otherwise);
};

/** Bounds how long a single attempt waits for the end of an earlier lease of its owner: as long as for an answer. */
export const notLong = (name: string, { commandTimeout, scheduler }: Terms): MonoTypeOperatorFunction<void> => {
  const message = `An earlier lease of this owner was not released within ${commandTimeout} ms`;
  const late = (): Error => new RedisUnreachableError(name, message, 0);
  return timeout({ first: commandTimeout, with: () => throwError(late), scheduler });
};

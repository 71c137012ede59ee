/** One subscription to a lock, which is told all that it is told in the async context in which it was made. */
import { AsyncResource } from 'node:async_hooks';
import { type MonoTypeOperatorFunction, type Subscriber, throwError, timeout } from 'rxjs';
import { OwnerConflictError, RedisUnreachableError } from '../errors.ts';
import type { Mode, Request, Store } from '../store/store.ts';
import { UNTRACKED } from './context.ts';
import type { Lease } from './lease.ts';
import type { Kind, Terms } from './terms.ts';

/** What a subscription wants, and of whom. */
export interface Wanted {
  readonly name: string;
  readonly kind: Kind;
  readonly terms: Terms;
  readonly sessions: {
    readonly store: Store;
    /** Whether this coordinator holds the lease of that owner. */
    holds(name: string, owner: string): boolean;
  };
}

/** What a wait has come to so far. */
export interface Standing {
  /** Whether Redis was heard in it. */
  readonly heard: boolean;
  /** What the last attempt failed with; undefined where it was answered. */
  readonly failure: Error | undefined;
  /** How many were ahead in the queue when that was last told. */
  readonly rank: number | undefined;
}

/** What it is attached to. */
export interface Host {
  readonly waits: boolean;
  readonly acquisition: { readonly standing: Standing };
  leave(one: Attachment): void;
}

/** Those that leave because their time is over; undefined while nobody does. */
let late: Attachment[] | undefined;

/** Ends waits whose time is over, by whatever unsubscribes from them, and gives those that were still waiting. */
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

  /** It leaves. One without a host waits for the end of an earlier lease of its owner. */
  unsubscribe(): void {
    if (late && this.host?.waits !== false) {
      this.timedOut = true;
      late.push(this);
    }
    this.host?.leave(this);
  }
}

/** The error of a subscription that wants something else than its owner has, or waits for. */
export const conflictOf = (request: Request, has: Mode, { mode, permits }: Kind): OwnerConflictError | undefined => {
  if (mode === has && permits <= request.permits) return undefined;
  const otherwise = mode === has ? 'of fewer permits' : 'in another mode';
  return new OwnerConflictError(request.name, request.owner, otherwise);
};

/** A single attempt waits for the end of an earlier lease no longer than for an answer. */
export const notLong = (name: string, { commandTimeout, scheduler }: Terms): MonoTypeOperatorFunction<void> => {
  const message = `An earlier lease of this owner was not released within ${commandTimeout} ms`;
  const late = (): Error => new RedisUnreachableError(name, message, 0);
  return timeout({ first: commandTimeout, with: () => throwError(late), scheduler });
};

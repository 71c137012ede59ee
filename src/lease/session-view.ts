/** A session and its coordinator, as the phases of the session and its subscriptions see them. */
import type { Observable, Subject, Subscriber, TeardownLogic } from 'rxjs';
import type { Instant } from '../clock.ts';
import type { LossReason } from '../errors.ts';
import type { Request, Store } from '../store/store.ts';
import type { InContext } from './context.ts';
import type { EventBody, LockEvent } from './events.ts';
import type { Lease } from './lease.ts';
import type { Kind, Terms } from './terms.ts';
import type { Timer, Timers } from './timers.ts';

/** A lease that can be believed for `ttl` ms, less the drift, from `since`. */
export interface Granted {
  readonly fence: number;
  readonly since: Instant;
  readonly ttl: number;
}

/** The outcomes of a wait so far. */
export interface Standing {
  /** When the last answered attempt was sent; undefined while Redis has not answered. */
  readonly heard: Instant | undefined;
  readonly denied: { readonly rank: number | undefined } | undefined;
  /** `failed` with the error of the last attempt; undefined if it was answered. */
  readonly pace: { readonly failed: { readonly error: Error } | undefined };
}

export interface SessionView {
  readonly sessions: SessionsView;
  readonly request: Request;
  /** The terms of the first subscription, by which it asks. */
  readonly terms: Terms;
  /** The subscription for which it was made. The user's code is called in its async context, even after it has left. */
  readonly firstAttachment: InContext<Lease> & { readonly wanted: LockDefinition };
  /** The timer for its next attempt or renewal. */
  readonly timer: Timer;
  readonly acquisition: Standing;

  /** Whether it is still asking or queued. */
  readonly waits: boolean;
  grant(granted: Granted): void;
  /** Ends the wait, if it still waits: an attempt has failed for good. */
  endWait(error: unknown): void;

  /** Ends the lease as lost if its deadline has passed. Returns whether the session holds none now. */
  endIfLapsed(): boolean;
  lose(reason: LossReason, cause?: Error): void;
  /** Releases the lease. With `detach` only this coordinator lets it go, and Redis keeps it until it lapses. */
  release(detach?: boolean): Observable<boolean>;
  /** Emits whether there was a lease to release once that is known, if a release is in progress. It starts none. */
  readonly released$: Observable<boolean>;
  /** Called when nothing is left in Redis. With `leavesGrant` a grant that arrives later is left alone, otherwise it is released. */
  finish(leavesGrant: boolean): void;

  /** Emits an event in the async context of the first subscription, by which spans and logs are attributed. */
  tell(event: EventBody): void;
}

/** The sessions of a coordinator, as a lock and as each session sees them. */
export interface SessionsView {
  readonly store: Store;
  readonly events$: Subject<LockEvent>;
  /** The subscribe function of a lock. */
  subscribe(subscriber: Subscriber<Lease>, wanted: LockDefinition, patient: boolean): TeardownLogic;
  /** Whether this coordinator holds the lease of that owner. */
  holds(name: string, owner: string): boolean;
  /** The timers of all sessions with the same scheduler. */
  timers(terms: Pick<Terms, 'scheduler' | 'clock'>): Timers;
  /** Warns, once, that a wait is hindered. */
  warn(name: string, error: Error): void;
  /** Forgets a session that is over. */
  forget(session: SessionView, leavesGrant: boolean): void;
}

/** A lock's definition: what it wants, and the sessions of its coordinator. */
export interface LockDefinition {
  readonly name: string;
  readonly kind: Kind;
  readonly terms: Terms;
  readonly sessions: SessionsView;
}

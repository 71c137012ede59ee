/** The session as its phases see it: what they need of it, and what they tell it. */
import type { Observable } from 'rxjs';
import type { Instant } from '../clock.ts';
import type { LossReason } from '../errors.ts';
import type { Request, Store } from '../store/store.ts';
import type { Attachment } from './attachment.ts';
import type { EventBody } from './events.ts';
import type { Terms } from './terms.ts';
import type { Timer, Timers } from './timers.ts';

/** A lease that can be believed for `ttl` ms, less the drift, from `since`. */
export interface Granted {
  readonly fence: number;
  readonly since: Instant;
  readonly ttl: number;
}

/** A command of unknown outcome: it may take effect until `until`, on the monotonic clock, and gives the lease `ttl` ms then. */
export interface Bound {
  readonly ttl: number;
  readonly until: number;
}

export interface Owner {
  readonly request: Request;
  /** The terms of the first subscription; once the lease is held, those of the last. */
  readonly terms: Terms;
  /** The subscription for which it was made. The user's code is called in its async context, even after it has left. */
  readonly first: Attachment;
  readonly store: Store;
  /** The one timer of a session, for its next attempt or renewal. */
  readonly timer: Timer;

  /** Whether it is still asking or queued. */
  readonly waits: boolean;
  grant(granted: Granted): void;
  /** Ends a single attempt that brought no lease: with its error, or without one if others hold the lock. */
  forgo(single: Attachment, error?: unknown): void;
  /** Ends the wait: an attempt has failed for good. */
  fail(error: unknown): void;

  /** Whether the lease is held. If its deadline has passed, this call ends it as lost. */
  check(): boolean;
  lose(reason: LossReason, cause?: Error): void;
  /** Releases the lease. With `detach` only this coordinator lets it go, and Redis keeps it until it lapses. */
  release(detach?: boolean): Observable<boolean>;
  /** Completes when a release in progress was acknowledged or abandoned; at once if there is none. It starts no release. */
  settled(): Observable<unknown>;
  /** Called when nothing is left in Redis. With `leavesGrant` a grant that arrives later is left alone, otherwise it is released. */
  over(leavesGrant: boolean): void;

  /** Emits an event in the async context of the first subscription, by which spans and logs are attributed. */
  tell(event: EventBody): void;
}

/** The coordinator's sessions, as one of them sees the rest. */
export interface Registry {
  readonly store: Store;
  timers(terms: Terms): Timers;
  readonly events$: { readonly observed: boolean };
  tell(owner: Owner, event: EventBody): void;
  /** The session is over. With `leavesGrant` a grant that arrives later is left alone, otherwise it is released. */
  ended(owner: Owner, leavesGrant: boolean): void;
}

/** What the phases of a session know of it, and where each tells what it has come to. */
import type { Observable } from 'rxjs';
import type { Instant } from '../clock.ts';
import type { LossReason } from '../errors.ts';
import type { Request, Store } from '../store/store.ts';
import type { Attachment } from './attachment.ts';
import type { Told } from './events.ts';
import type { Terms } from './terms.ts';
import type { Timer, Timers } from './timers.ts';

/** A lease that can be believed for `ttl` ms, less the drift, from `since`. */
export interface Granted {
  readonly fence: number;
  readonly since: Instant;
  readonly ttl: number;
}

/** What may still take effect, and gives a lease `ttl` ms, until `until` on the monotonic clock. */
export interface Bound {
  readonly ttl: number;
  readonly until: number;
}

export interface Owner {
  readonly request: Request;
  /** Those of the first subscription; once it holds, those of the last. */
  readonly terms: Terms;
  /** The subscription for which it was made: what is the user's own is called in its async context, also when it has left. */
  readonly first: Attachment;
  readonly store: Store;
  /** The one timer of a session, for its next attempt or renewal. */
  readonly timer: Timer;

  /** Whether it still wants a lease. */
  readonly waits: boolean;
  grant(granted: Granted): void;
  /** A single attempt has come to nothing; without an error others hold the lock. */
  forgo(single: Attachment, error?: unknown): void;
  /** No attempt can bring a lease any more. */
  fail(error: unknown): void;

  /** Whether it holds. What a deadline has ended is told as lost by this, there and then. */
  check(): boolean;
  lose(reason: LossReason, cause?: Error): void;
  /** With `detach` only this coordinator gives the lease up, and Redis keeps it for as long as it lasts. */
  release(detach?: boolean): Observable<boolean>;
  /** Completes when a release that is under way was acknowledged or given up; at once where none is. Starts none. */
  settled(): Observable<unknown>;
  /** Nothing is left of it. A grant that is told later is given back, unless it is to be left alone. */
  over(leavesGrant: boolean): void;

  /** In the context of the first subscription, which spans and logs go by. */
  tell(event: Told): void;
}

/** What a session lives in. */
export interface Surroundings {
  readonly store: Store;
  timers(terms: Terms): Timers;
  readonly events$: { readonly observed: boolean };
  tell(owner: Owner, event: Told): void;
  /** It is over. A grant that is told later is given back, unless it is to be left alone. */
  ended(owner: Owner, leavesGrant: boolean): void;
}

/** The port between a session and what keeps its lease. Each verb is an Observable of one attempt that ends within `within` ms. */
import type { Observable } from 'rxjs';
import type { Replicas } from '../options.ts';

/**
 * Whether a lease is held alone, or beside other shared ones.
 *
 * @example const alone = (mode: Mode): boolean => mode === 'exclusive';
 */
export type Mode = 'exclusive' | 'shared';

/** What an owner asks for. */
export interface Request {
  readonly name: string;
  readonly owner: string;
  readonly mode: Mode;
  readonly permits: number;
  /** The most permits in use at once, for shared leases; 0 for no limit. */
  readonly limit: number;
  readonly ttl: number;
  readonly waiterTtl: number;
  /** How many replicas must have a grant or a renewal before it counts. */
  readonly replicas?: Replicas | undefined;
  /** The order of this request among those of this process: after an outage they are sent in it. */
  readonly sequence?: number;
  /** The ticket that an earlier denial returned. A waiter that the server has forgotten gets its rank back by it. */
  readonly ticket?: number;
}

export type Answer =
  | { readonly granted: true; readonly fence: number }
  | {
      readonly granted: false;
      /** ms until something lapses that may change the answer. */
      readonly wait: number;
      /** How many are ahead of it in the queue; undefined where the store keeps no queue. */
      readonly rank: number | undefined;
      /** Whether no other waiter of this coordinator is ahead of it, as far as is known. */
      foremost?: boolean;
      /** Whether the holder's release will be handed over. Another kind of client announces nothing. */
      readonly announced: boolean;
      /** The highest number that the server's clock has drawn. A hand-off message whose fence is not higher is old, and ignored. */
      readonly drawn: number;
      /** Its place in arrival order, on a scale of the store's own. */
      readonly ticket: number;
    };

/** Whether the lease was renewed. 'taken': Redis does not have it any more, because it was granted to another, broken, deleted or flushed. */
export type Renewal = 'renewed' | 'taken';

/** What is released: a lease, or a place in the queue. */
export interface Release {
  readonly name: string;
  /** Whose claim is released. Undefined: every lease on the name is broken. */
  readonly owner: string | undefined;
  /** Only the lease with this fence is released. Default: whatever the owner has. */
  readonly fence?: number | undefined;
  /** ms for which the lease is held over: it belongs to nobody any more and cannot be renewed or released, and the lock is not free before it lapses. */
  readonly keep?: number | undefined;
  /** Whether a store that keeps no queue publishes that a lease was released. */
  readonly tell?: boolean | undefined;
}

export interface Released {
  /** Whether there was a lease to release. */
  readonly held: boolean;
  /** How many waiters became holders by it. */
  readonly grants: number;
  /** Server time, ms. */
  readonly now: number;
}

/** A grant to a waiter of this process. The stream emits `undefined` when a grant may have been missed; waiters then ask again. */
export interface Grant {
  readonly name: string;
  readonly owner: string;
  /** Undefined: the owner should ask. It may have been granted the lock, or wait less long than it was told. */
  readonly fence: number | undefined;
}

/** What a holder or a waiter has asked for. */
export interface Claim {
  readonly owner: string;
  readonly mode: Mode;
  readonly permits: number;
  /** Of a semaphore: the limit that this owner named. Each request is checked against its own limit. */
  readonly limit?: number;
}

/**
 * A holder, as `inspect` shows it.
 *
 * @example const soon = ({ remaining }: Holder): boolean => remaining < 1_000;
 */
export interface Holder extends Claim {
  /** ms until it lapses unless it is renewed, by the server's clock; -1 for another client's key without an expiry, which is no lock. */
  readonly remaining: number;
  /** The lease was released before its `minHold` was over, and is held over until it lapses. */
  readonly over?: true;
}

/**
 * A waiter, as `inspect` shows it.
 *
 * @example const longest = (waiting: readonly Waiter[]): number => Math.max(0, ...waiting.map(({ waited }) => waited));
 */
export interface Waiter extends Claim {
  /** ms since it joined the queue, by the server's clock. */
  readonly waited: number;
}

/**
 * The state of a name: its holders, its waiters in the order of the queue, and the highest fence of the holders.
 *
 * @example const isFree = ({ holders, waiting }: Inspection): boolean => holders.length + waiting.length === 0;
 */
export interface Inspection {
  readonly name: string;
  readonly holders: readonly Holder[];
  readonly waiting: readonly Waiter[];
  readonly fence: number | undefined;
}

export interface Store {
  /** One attempt to acquire. With `stay` an owner that is denied joins the queue, or keeps its place there. */
  acquire(request: Request, stay: boolean, within: number): Observable<Answer>;
  /** Gives a lease its full ttl again; with `downgrade` an exclusive lease becomes a shared one. */
  renew(request: Request, fence: number | undefined, within: number, downgrade?: boolean): Observable<Renewal>;
  /** Releases what the owner has on the name, as a holder or as a waiter. */
  release(release: Release, within: number): Observable<Released>;
  /** With `most`, of so many of the foremost claims alone. */
  inspect(name: string, within: number, most?: number): Observable<Inspection>;
  /** Emits the names that are held or waited for and match a Redis glob pattern. */
  list(pattern: string, within: number): Observable<string>;
  readonly grants$: Observable<Grant | undefined>;
  /** It keeps no queue, as a quorum: nobody is ahead of anybody. */
  readonly noQueue?: true | undefined;
  /** The last error of the connection, as long as there is none. */
  readonly lastError?: Error | undefined;
  /** The error with which Redis refuses the subscription to messages: hand-offs are not heard. */
  readonly refusedToListen?: Error | undefined;
  close(): void;
}

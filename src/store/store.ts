/** The port between the life of a lease and whatever keeps it. Verbs are one-shot, single-attempt Observables that end by `within` ms. */
import type { Observable } from 'rxjs';
import type { Replicas } from '../options.ts';

/**
 * Alone, or beside others of its kind.
 *
 * @example const alone = (mode: Mode): boolean => mode === 'exclusive';
 */
export type Mode = 'exclusive' | 'shared';

/** Who asks for what. */
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
  /** Its turn among the requests of this process, which is their order after an outage. */
  readonly turn?: number;
  /** Its ticket, as an earlier denial told it: a waiter that the server has forgotten meanwhile gets its rank back. */
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
      /** Whether no other waiter of this coordinator is ahead of it, as far as that is known. */
      readonly foremost?: boolean;
      /** Whether the holder will hand over when it releases; a foreign client's never does. */
      readonly announced: boolean;
      /** The highest number that the clock has drawn: a hand-off whose fence is not higher is an old message. */
      readonly clock: number;
      /** Its place in arrival order, on a scale of the store's own. */
      readonly ticket: number;
    };

/** Whether the lease was renewed. One that is not there any more was taken: granted to another, broken, deleted or flushed. */
export type Renewal = 'renewed' | 'taken';

/** What is given up: a lease, or a place in the queue. */
export interface Release {
  readonly name: string;
  /** Who gives it up; without an owner every lease on the name is broken. */
  readonly owner: string | undefined;
  /** Only the lease with this fence. Without one, whatever the owner has. */
  readonly fence?: number | undefined;
  /** ms for which the lease is held over: nobody's any more, renewed and released no more, and the name is not free before. */
  readonly keep?: number | undefined;
  /** Whether a store that keeps no queue tells those who listen that a lease was given up. */
  readonly tell?: boolean | undefined;
}

export interface Released {
  /** Whether a lease was given up by it. */
  readonly held: boolean;
  /** How many waiters became holders by it. */
  readonly grants: number;
  /** Server time, ms. */
  readonly now: number;
}

/** Makes a waiter of this process a holder. `undefined` on the stream means that grants may have been missed: ask again. */
export interface Grant {
  readonly name: string;
  readonly owner: string;
  /** undefined where it may have been granted, and should ask. */
  readonly fence: number | undefined;
}

/** What a holder or a waiter has asked for. */
export interface Claim {
  readonly owner: string;
  readonly mode: Mode;
  readonly permits: number;
  /** Of a semaphore: how many permits there are, as this one was told. Who names another limit counts by that. */
  readonly limit?: number;
}

/**
 * One lease, as `inspect` tells of it.
 *
 * @example const soon = ({ remaining }: Holder): boolean => remaining < 1_000;
 */
export interface Holder extends Claim {
  /** ms until it lapses unless it is renewed, by the server's clock; -1 for a foreign key without an expiry, which is no lock. */
  readonly remaining: number;
  /** Of a lease that was released before its minimum hold: it is held over until it lapses. */
  readonly over?: true;
}

/**
 * One place in the queue, as `inspect` tells of it.
 *
 * @example const longest = (waiting: readonly Waiter[]): number => Math.max(0, ...waiting.map(({ waited }) => waited));
 */
export interface Waiter extends Claim {
  /** ms since it joined the queue, by the server's clock. */
  readonly waited: number;
}

/**
 * What `inspect` tells of a name: the waiters in the order of the queue, and the highest fence of the holders.
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
  /** One attempt. With `stay` a denied owner keeps a place in the queue, and asking again refreshes it. */
  acquire(request: Request, stay: boolean, within: number): Observable<Answer>;
  /** Gives a holder `ttl` ms afresh; with `downgrade` its exclusive lease becomes a shared one. */
  renew(request: Request, fence: number | undefined, within: number, downgrade?: boolean): Observable<Renewal>;
  /** Gives up what the owner has on the name, as a holder or as a waiter. */
  release(release: Release, within: number): Observable<Released>;
  /** With `most`, of so many of the foremost claims alone. */
  inspect(name: string, within: number, most?: number): Observable<Inspection>;
  /** Names that are held or waited for and match a Redis glob pattern. */
  list(pattern: string, within: number): Observable<string>;
  readonly grants$: Observable<Grant | undefined>;
  /** What the connection last failed with, for as long as there is none. */
  readonly trouble?: Error | undefined;
  /** Why it hears of no hand-off, where Redis has refused that. */
  readonly deaf?: Error | undefined;
  close(): void;
}

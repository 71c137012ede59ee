/** The last phase of a session, 'releasing': its owner is released in Redis, and whoever ended it is told whether there was a lease. */
import { concat, defer, EMPTY, type Observable, type Subscription } from 'rxjs';
import type { LossReason } from '../errors.ts';
import { cancel } from '../store/cancel.ts';
import type { Released } from '../store/store.ts';
import type { Acquisition } from './acquisition.ts';
import type { Attachment } from './attachment.ts';
import type { Holding } from './holding.ts';
import { Once } from './once.ts';
import type { Owner } from './owner.ts';

/** What is released, and for how long it may stay in Redis. */
interface Remainder {
  /** ms after which it has lapsed by itself. */
  readonly ttl: number;
  /** The fence of the lease; undefined for a place in the queue. */
  readonly fence?: number;
  /** Monotonic ms until which the lock stays taken although it is released. */
  readonly keepUntil?: number;
}

/** A lease that ends without being lost. */
interface Leaving {
  /** ms for which it was held. */
  readonly duration: number;
  readonly detached: boolean;
  /** The subscriptions whose streams complete when that is done. */
  readonly streams: readonly Attachment[];
}

export class Departure {
  private readonly owner: Owner;
  private readonly leaving: Leaving | undefined;
  private answered = false;
  private answer$: Once<boolean> | undefined;
  private clearing: Subscription | undefined;
  private done$: Once<void> | undefined;

  constructor(owner: Owner, leaving?: Leaving) {
    this.owner = owner;
    this.leaving = leaving;
  }

  get is(): 'releasing' {
    return 'releasing';
  }

  /** Emits when nothing is left in Redis. */
  over(): Observable<void> {
    this.done$ ??= new Once();
    return this.done$.value$;
  }

  /** Emits whether there was a lease to release; undefined once that was emitted. */
  answer(): Observable<boolean> | undefined {
    if (this.answered) return undefined;
    this.answer$ ??= new Once();
    return this.answer$.value$;
  }

  /** Ends a wait. @param queued whether it waited: if its release finds a lease, the message about that grant may still arrive */
  withdraw(acquisition: Acquisition, queued: boolean): void {
    this.start(this.clear(acquisition, this.owner.request), this.explicitOwner, queued);
  }

  /** Ends a lease. Two stay in Redis: one that was detached, and one that was lost under an explicit owner, under which another process may hold. */
  giveUp(held: Holding, acquisition: Acquisition, lost: LossReason | undefined): void {
    const { leaving, explicitOwner } = this;
    const { lease, ttl, keepUntil } = held;
    const detached = leaving?.detached === true;
    const stays = detached || (explicitOwner && lost !== undefined && lost !== 'maxHold'); // after maxHold it is this process's own
    const last = { ttl, fence: lease.fence, keepUntil: lost ? 0 : keepUntil };
    this.start(stays ? (held.landed() ?? EMPTY) : this.clear(acquisition, last), explicitOwner || detached, false);
    if (lost || detached) this.tell(false); // after the release was sent: a subscriber may acquire again at once
  }

  /** Stops releasing: the coordinator has closed. */
  abandon(): void {
    this.clearing?.unsubscribe();
    this.tell(false);
  }

  /** Whether the owner is explicit: then another process may hold under it, and a late grant to it is left alone. */
  private get explicitOwner(): boolean {
    return this.owner.terms.owner !== undefined;
  }

  private start(released$: Observable<Released>, leavesGrant: boolean, queued: boolean): void {
    let leaves = leavesGrant;
    const over = (): void => {
      this.tell(false);
      this.owner.over(leaves);
      this.done$?.emit();
    };
    const next = ({ held, grants }: Released): void => {
      this.tell(held);
      leaves ||= held && queued; // its message is about what was released here
      if (grants > 0) this.owner.tell({ type: 'handedOver', to: grants });
    };
    this.clearing = released$.subscribe({ next, error: over, complete: over });
  }

  /** Emits the answer. Only the first call counts. */
  private tell(held: boolean): void {
    if (this.answered) return;
    this.answered = true;
    const { owner, leaving, answer$ } = this;
    if (leaving) {
      const { detached, duration } = leaving;
      const released = { type: 'released', held: duration, acknowledged: held } as const;
      owner.tell(detached ? { type: 'detached', held: duration } : released);
      for (const one of leaving.streams) one.complete();
    }
    if (answer$) owner.first.runInAsyncScope(() => answer$.emit(held));
  }

  /**
   * Releases the owner in Redis, once no attempt is in flight. After commandTimeout without success the answer is false, and
   * the release is repeated in the background until nothing can be left.
   */
  private clear(acquisition: Acquisition, { ttl, fence, keepUntil = 0 }: Remainder): Observable<Released> {
    const { request, terms, store } = this.owner;
    const { commandTimeout, scheduler, clock } = terms;
    const { name, owner, waiterTtl } = request;
    const { mayLand } = acquisition;
    const settled$ = acquisition.settled();
    const lease = { name, owner, fence: mayLand ? undefined : fence }; // an attempt that may still take effect gets another fence, so then whatever the owner has is released
    const release = (): Observable<Released> => {
      const keep = Math.ceil(keepUntil - clock.now());
      return store.release(keep > 0 ? { ...lease, keep } : lease, commandTimeout);
    };
    const away = (): Observable<Released> => {
      const { known, notAfter } = acquisition;
      if (!known) return EMPTY;
      const since = clock.now();
      const failed = (): void => {
        if (clock.now() - since >= commandTimeout) this.tell(false);
      };
      const retryFor = (notAfter > 0 ? commandTimeout : 0) + Math.max(ttl, waiterTtl);
      return cancel(release, { notAfter, within: commandTimeout, retryFor, scheduler, failed });
    };
    return settled$ ? concat(settled$, defer(away)) : away();
  }
}

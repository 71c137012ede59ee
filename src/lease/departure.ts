/** The last phase of a session: its owner is taken out of Redis, and who ended it hears whether it held anything. */
import { AsyncSubject, concat, defer, EMPTY, type Observable, Subject, type Subscription } from 'rxjs';
import type { LossReason } from '../errors.ts';
import { cancel } from '../store/cancel.ts';
import type { Released } from '../store/store.ts';
import type { Acquisition } from './acquisition.ts';
import type { Attachment } from './attachment.ts';
import type { Held } from './held.ts';
import type { Owner } from './owner.ts';

/** What is given up, and for how long it may be there. */
interface Given {
  /** ms after which it has lapsed by itself. */
  readonly ttl: number;
  /** Undefined where it is no lease but a place in the queue. */
  readonly fence?: number;
  /** Monotonic ms until which the lock stays taken all the same. */
  readonly keepUntil?: number;
}

/** A lease that is given up without being lost. */
interface Leaving {
  /** ms for which it was held. */
  readonly duration: number;
  readonly detached: boolean;
  /** What completes when that is done. */
  readonly streams: readonly Attachment[];
}

export class Departure {
  private readonly owner: Owner;
  private readonly leaving: Leaving | undefined;
  private answered = false;
  private answer$: AsyncSubject<boolean> | undefined;
  private clearing: Subscription | undefined;
  private done$: Subject<void> | undefined;

  constructor(owner: Owner, leaving?: Leaving) {
    this.owner = owner;
    this.leaving = leaving;
  }

  get is(): 'releasing' {
    return 'releasing';
  }

  /** Emits when nothing is left. */
  over(): Observable<void> {
    this.done$ ??= new Subject();
    return this.done$;
  }

  /** Whether a lease was given up, once that is known; undefined where it was told already. */
  answer(): Observable<boolean> | undefined {
    if (this.answered) return undefined;
    this.answer$ ??= new AsyncSubject();
    return this.answer$;
  }

  /** Nobody waits any more. @param queued where its release finds a lease, that was granted before it was told so. */
  withdraw(acquisition: Acquisition, queued: boolean): void {
    this.start(this.clear(acquisition, this.owner.request), this.given, queued);
  }

  /** A lease is over. What was detached stays, and what was lost under an owner that was given: another process may hold by it. */
  giveUp(held: Held, acquisition: Acquisition, lost: LossReason | undefined): void {
    const { leaving, given } = this;
    const { lease, ttl, keepUntil } = held;
    const detached = leaving?.detached === true;
    const stays = detached || (given && lost !== undefined && lost !== 'maxHold');
    const last = { ttl, fence: lease.fence, keepUntil: lost ? 0 : keepUntil };
    this.start(stays ? (held.landed() ?? EMPTY) : this.clear(acquisition, last), given || detached, false);
    if (lost || detached) this.tell(false); // after its release was sent: who hears of it may ask anew
  }

  /** The coordinator has closed, and waits no longer. */
  abandon(): void {
    this.clearing?.unsubscribe();
    this.tell(false);
  }

  /** Whether the owner was given: others may hold by it, and a grant to it is left alone. */
  private get given(): boolean {
    return this.owner.terms.owner !== undefined;
  }

  private start(released$: Observable<Released>, leavesGrant: boolean, queued: boolean): void {
    let knows = leavesGrant;
    const over = (): void => {
      this.tell(false);
      this.owner.over(knows);
      this.done$?.next();
    };
    const next = ({ held, grants }: Released): void => {
      this.tell(held);
      knows ||= held && queued;
      if (grants > 0) this.owner.tell({ type: 'handedOver', to: grants });
    };
    this.clearing = released$.subscribe({ next, error: over, complete: over });
  }

  /** The first that is told counts. */
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
    if (!answer$) return;
    owner.first.runInAsyncScope(() => {
      answer$.next(held);
      answer$.complete();
    });
  }

  /**
   * Takes the owner out of Redis, once no attempt is on its way; goes on past commandTimeout, when the answer is that nothing
   * was given up, until nothing can be left.
   */
  private clear(acquisition: Acquisition, { ttl, fence, keepUntil = 0 }: Given): Observable<Released> {
    const { request, terms, store } = this.owner;
    const { commandTimeout, scheduler, clock } = terms;
    const { name, owner, waiterTtl } = request;
    const { mayLand } = acquisition;
    const settled$ = acquisition.settled();
    const lease = { name, owner, fence: mayLand ? undefined : fence }; // what lands yet has another: whatever the owner has
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
      const patience = (notAfter > 0 ? commandTimeout : 0) + Math.max(ttl, waiterTtl);
      return cancel(release, { notAfter, within: commandTimeout, patience, scheduler, failed });
    };
    return settled$ ? concat(settled$, defer(away)) : away();
  }
}

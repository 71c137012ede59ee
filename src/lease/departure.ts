/** The last phase of a session, 'releasing': its owner is released in Redis, and whoever ended it is told whether there was a lease. */
import { EMPTY, ignoreElements, type Observable, type Observer, type Subscription } from 'rxjs';
import { cancel } from '../store/cancel.ts';
import type { Released } from '../store/store.ts';
import type { Acquisition } from './acquisition.ts';
import type { Holding } from './holding.ts';
import { Once } from './once.ts';
import type { SessionView } from './session-view.ts';

export class Departure implements Observer<Released> {
  readonly is = 'releasing';
  private readonly session: SessionView;
  /** Whether a grant that arrives later is left alone. */
  private leavesGrant: boolean;
  /** Whether it ends a wait in the queue. If its release finds a lease, the message about that grant may still arrive. */
  private queued = false;
  /** Called once, as soon as it is known whether there was a lease to release. */
  private readonly onSettled: ((held: boolean) => void) | undefined;
  private settled = false;
  private answer: Once<boolean> | undefined;
  private releasing: Subscription | undefined;

  constructor(session: SessionView, leavesGrant: boolean, onSettled?: (held: boolean) => void) {
    this.session = session;
    this.leavesGrant = leavesGrant;
    this.onSettled = onSettled;
  }

  /** Emits whether there was a lease to release; only completes once that was emitted. */
  get answer$(): Observable<boolean> {
    if (this.settled) return EMPTY;
    this.answer ??= new Once();
    return this.answer.value$;
  }

  /**
   * Once no attempt is in flight, releases the owner in Redis; or, if its lease `stays` there, waits until nothing that was
   * sent can take effect any more.
   *
   * @param holding what ends; undefined: a wait
   */
  start(acquisition: Acquisition, holding?: Holding, stays = false): void {
    this.queued = !holding && acquisition.is === 'queued';
    acquisition.whenIdle(() => {
      const over$ =
        holding && stays ? holding.nothingInDoubt().pipe(ignoreElements()) : this.release(acquisition, holding);
      this.releasing = over$.subscribe(this);
    });
  }

  /** After commandTimeout without success the answer is false, and the release is repeated in the background until nothing can be left. */
  private release(acquisition: Acquisition, holding?: Holding): Observable<Released> {
    const { request, sessions } = this.session;
    const { commandTimeout: within, scheduler, clock } = (holding ?? this.session).terms;
    const { name, owner, ttl, waiterTtl } = request;
    const { inDoubt, grantedFence, mayHaveClaim } = acquisition;
    if (!mayHaveClaim) return EMPTY;
    const { lease, keepUntil = 0, longestTtl = ttl } = holding ?? {};
    const another = inDoubt !== undefined || grantedFence > (lease?.fence ?? 0); // an attempt has brought, or may bring, another fence
    const release = { name, owner, fence: another ? undefined : lease?.fence }; // then whatever the owner has is released
    const once = (): Observable<Released> => {
      const keep = Math.ceil(keepUntil - clock.now());
      return sessions.store.release(keep > 0 ? { ...release, keep } : release, within);
    };
    const since = clock.now();
    const failed = (): void => {
      if (clock.now() - since >= within) this.settle(false);
    };
    const retryFor = Math.max(longestTtl, waiterTtl) + within; // so long may what was sent before take effect, and then last
    return cancel(once, { notAfter: inDoubt?.notAfter, within, retryFor, scheduler, failed });
  }

  next({ held, grants }: Released): void {
    this.settle(held);
    this.leavesGrant ||= held && this.queued;
    if (grants > 0) this.session.tell({ type: 'handedOver', to: grants });
  }

  /** The releases have failed for good. What is left in Redis lapses by itself. */
  error(): void {
    this.complete();
  }

  complete(): void {
    this.settle(false);
    this.session.finish(this.leavesGrant);
  }

  /** Stops releasing: the coordinator has closed. */
  abandon(): void {
    this.releasing?.unsubscribe();
    this.settle(false);
  }

  settle(held: boolean): void {
    if (this.settled) return;
    const { session, onSettled, answer } = this;
    this.settled = true;
    onSettled?.(held);
    if (answer) session.firstAttachment.call(() => answer.emit(held));
  }
}

/** What a session has while it holds: the lease, what keeps it renewed, and what ends it at its maxHold. */
import { EMPTY } from 'rxjs';
import type { LossReason } from '../errors.ts';
import type { Granted } from './asker.ts';
import type { Attachments } from './attachments.ts';
import type { Departure, Leaver } from './departure.ts';
import { type End, HeldLease, type Keeper } from './held-lease.ts';
import { type Bound, Renewal, type Tenant } from './renewal.ts';
import type { Terms } from './terms.ts';
import type { Timer } from './timers.ts';

/** Why a lease is over that nobody has ended. */
interface Lapse {
  readonly reason: LossReason;
  readonly cause?: Error | undefined;
}

/** Who holds it. */
interface Holder extends Tenant, Keeper, Leaver {
  readonly attached: Attachments;
}

export class Held {
  readonly lease: HeldLease;
  readonly renewal: Renewal;
  /** Monotonic ms of the grant. */
  readonly since: number;
  private readonly session: Holder;
  private limit: Timer | undefined;
  /** Monotonic ms until which the lock is kept, also where it is released before; 0 where it is not. */
  private keepUntil = 0;

  /** @param bound what attempts that are not answered yet may make of the lease */
  constructor(session: Holder, granted: Granted, bound: Bound | undefined) {
    this.session = session;
    this.lease = new HeldLease(session, session.request, granted);
    this.renewal = new Renewal(session, this.lease, bound);
    this.since = session.clock.now();
  }

  get is(): 'held' {
    return 'held';
  }

  /** ms for which it has been held. */
  get duration(): number {
    return this.session.clock.now() - this.since;
  }

  /** Undefined while it can be believed. */
  get lapse(): Lapse | undefined {
    const { lease, renewal } = this;
    if (lease.left > 0) return undefined;
    if (lease.valid > 0) return { reason: 'maxHold' };
    return { reason: renewal.failure ? 'unreachable' : 'expired', cause: renewal.failure };
  }

  /** Of the bounds that its subscriptions set, the soonest end and the longest minimum count. */
  bound({ maxHold, minHold }: Terms): void {
    const now = this.session.clock.now();
    if (minHold > 0) this.keepUntil = Math.max(this.keepUntil, now + minHold);
    if (maxHold === undefined) return;
    const until = now + maxHold;
    if (this.lease.until !== undefined && until >= this.lease.until) return;
    this.lease.until = until;
    this.limit ??= this.session.timer.another({ wake: () => this.session.lose('maxHold') });
    this.limit.set(maxHold);
  }

  /**
   * It is over, in every way in which it says so before anything else happens; then its owner is taken out of Redis. Not
   * so what was detached, nor what was lost under an owner that was given: another process may hold by it since.
   */
  end(departure: Departure, end: End, detached: boolean): void {
    const { session, lease, renewal, duration } = this;
    const lost = end !== 'released';
    session.timer.clear();
    this.limit?.clear();
    session.attached.inContext(() => lease.finish(end));
    if (lost) session.tell({ type: 'lost', reason: end.reason, held: duration });
    const given = session.terms.owner !== undefined;
    const left = detached || (lost && given && end.reason !== 'maxHold');
    const released$ = left
      ? renewal.landed()
      : departure.clear(session, renewal.ttl, lease.fence, lost ? 0 : this.keepUntil);
    departure.start(session, released$ ?? EMPTY, given || detached, false);
    if (lost || detached) departure.tell(false); // after its release was sent: who hears of it may ask anew
  }
}

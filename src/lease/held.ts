/** What a session has while it holds: the lease, what keeps it renewed, and what ends it at its maxHold. */
import type { LossReason } from '../errors.ts';
import type { Granted } from './acquisition.ts';
import { HeldLease, type Keeper } from './held-lease.ts';
import { type Bound, Renewal, type Tenant } from './renewal.ts';
import type { Terms } from './terms.ts';
import { Timer, type Timers } from './timers.ts';

/** Why a lease is over that nobody has ended. */
interface Lapse {
  readonly reason: LossReason;
  readonly cause?: Error | undefined;
}

export class Held {
  readonly is = 'held';
  readonly lease: HeldLease;
  readonly renewal: Renewal;
  /** Monotonic ms of the grant. */
  readonly since: number;
  private readonly session: Tenant & Keeper;
  private limit: Timer | undefined;

  /** @param bound what attempts that are not answered yet may make of the lease */
  constructor(session: Tenant & Keeper, { fence, since, ttl }: Granted, bound: Bound | undefined) {
    this.session = session;
    this.lease = new HeldLease(session, session.request, fence, since, ttl);
    this.renewal = new Renewal(session, this.lease, bound);
    this.since = session.clock.now();
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

  /** Of the bounds that its subscriptions set, the soonest counts. */
  bound({ maxHold }: Terms, timers: Timers): void {
    if (maxHold === undefined) return;
    const until = this.session.clock.now() + maxHold;
    if (until >= this.lease.until) return;
    this.lease.until = until;
    this.limit ??= new Timer(timers, { wake: () => this.session.lose('maxHold') });
    this.limit.set(maxHold);
  }

  /** It is over: nothing is done for it any more. */
  stop(): void {
    this.session.timer.clear();
    this.limit?.clear();
  }
}

/** Keeps a lease: one renewal at a time, as often as its ttl needs, and soon again after one that failed. */
import { AsyncSubject, concat, concatMap, defer, ignoreElements, type Observable, of, timer } from 'rxjs';
import { soon } from '../backoff.ts';
import { type Clock, type Instant, instant } from '../clock.ts';
import { LockCorruptedError, type LossReason } from '../errors.ts';
import type { Renewal as Outcome, Request, Store } from '../store/store.ts';
import { remaining } from './deadline.ts';
import type { Told } from './events.ts';
import type { HeldLease } from './held-lease.ts';
import type { Terms } from './terms.ts';
import type { Sleeper, Timer, Turn } from './timers.ts';

/**
 * ms from a hand-off to the renewal that brings its lease to the full ttl: short enough to be at once, and long enough
 * that work which is done sooner needs none (2.0 in place of 2.8 commands a turn with 5 ms of work).
 */
const GRACE = 20;

/** Whose lease it is, and who is told what renewals come to. */
export interface Tenant {
  readonly request: Request;
  readonly terms: Terms;
  readonly clock: Clock;
  readonly store: Store;
  readonly timer: Timer;
  /** Whether it holds the lease still; what the deadline has ended is told as lost by this. */
  check(): boolean;
  tell(event: Told): void;
  lose(reason: LossReason, cause?: Error): void;
}

/** What may still take effect, and gives a lease `ttl` ms, until `until` on the monotonic clock. */
export interface Bound {
  readonly ttl: number;
  readonly until: number;
}

/** A renewal that is asked for while another is on its way. */
interface Wish {
  readonly ttl: number;
  readonly downgrade: boolean;
  readonly outcome: AsyncSubject<void>;
}

export class Renewal implements Sleeper, Turn {
  /** ms that the next one gives. */
  ttl: number;
  /** Of the last one, if it failed. */
  failure: Error | undefined;
  private failures = 0;
  /** What the one on its way may do. */
  private onTheWay: Bound | undefined;
  private wish: Wish | undefined;
  private bound: Bound | undefined;
  private readonly tenant: Tenant;
  private readonly lease: HeldLease;

  /** @param bound what attempts to acquire it may still do */
  constructor(tenant: Tenant, lease: HeldLease, bound: Bound | undefined) {
    this.tenant = tenant;
    this.lease = lease;
    this.bound = bound;
    this.ttl = tenant.request.ttl;
  }

  /** The lease was granted: plans the first renewal. */
  begin(): void {
    this.tenant.timer.sleeper = this;
    const { lease, tenant } = this;
    const { request, terms, timer } = tenant;
    if (terms.ttl !== request.ttl)
      this.ask(terms.ttl); // the last subscription wants another than the first
    else if (lease.ttl < request.ttl) timer.set(Math.floor(Math.min(GRACE, lease.valid / 3)));
    else this.plan();
  }

  /** It is due, and takes its turn among all that are. */
  wake(): void {
    if (this.tenant.check()) this.tenant.timer.inTurn(this);
  }

  take(): void {
    if (!this.onTheWay && this.tenant.check()) this.send(this.ttl, false);
  }

  /** Renews now, or as soon as the one that is on its way has ended; those who wait for that have one, with the last ttl. */
  ask(ttl = this.ttl, downgrade = false): Observable<void> {
    const { wish } = this;
    const outcome = wish?.outcome ?? new AsyncSubject<void>();
    this.wish = { ttl, downgrade: downgrade || wish?.downgrade === true, outcome };
    if (!this.onTheWay) this.fulfil();
    return outcome;
  }

  /** Renews until nothing of unknown outcome can take effect behind that, and so shorten what another goes on with. */
  last(): Observable<unknown> {
    return this.ask().pipe(
      concatMap(() => {
        const landed$ = this.landed();
        return landed$
          ? concat(
              landed$,
              defer(() => this.last()),
            )
          : of(undefined);
      }),
    );
  }

  /** Completes when none that was sent can take effect any more; undefined where none can. */
  landed(): Observable<never> | undefined {
    const { clock, terms } = this.tenant;
    const rest = Math.max(this.bound?.until ?? 0, this.onTheWay?.until ?? 0) - clock.now();
    return rest > 0 ? timer(Math.ceil(rest), terms.scheduler).pipe(ignoreElements()) : undefined;
  }

  private fulfil(): void {
    const { wish } = this;
    if (!wish) return;
    this.wish = undefined;
    if (this.tenant.check()) this.send(wish.ttl, wish.downgrade, wish.outcome);
    else wish.outcome.error(this.lease.loss);
  }

  private send(ttl: number, downgrade: boolean, outcome?: AsyncSubject<void>): void {
    const { tenant, lease } = this;
    const { request, terms, clock, store, timer } = tenant;
    timer.clear(); // while one is on its way there is none: that ends before the lease does
    const since = instant(clock);
    lease.concede(since, ttl, downgrade);
    const within = Math.max(1, Math.min(terms.commandTimeout, Math.ceil(lease.valid)));
    const sent = { ttl, until: since.now + within + 1 };
    const { bound } = this;
    const believed = bound && bound.until > since.now ? Math.min(ttl, bound.ttl) : ttl; // that may land behind this one
    this.onTheWay = sent;
    const same = ttl === request.ttl && lease.mode === request.mode;
    const renewed = same ? request : { ...request, ttl, mode: lease.mode };
    store.renew(renewed, lease.fence, within, downgrade).subscribe({
      next: (answer) => {
        this.onTheWay = undefined;
        if (!lease.end) this.answered(answer, since, ttl, believed);
        if (lease.end) outcome?.error(lease.loss);
        outcome?.next();
        outcome?.complete();
        this.fulfil();
      },
      error: (error: Error) => {
        this.onTheWay = undefined;
        this.bound = widest(this.bound, sent, since.now);
        const { end } = lease;
        if (!end) this.failed(error, ttl);
        outcome?.error(end ? lease.loss : error);
        this.fulfil();
      },
    });
  }

  private answered(answer: Outcome, since: Instant, ttl: number, believed: number): void {
    const { tenant, lease } = this;
    if (answer !== 'renewed') {
      tenant.lose('taken');
      return;
    }
    this.failures = 0;
    this.failure = undefined;
    if (!tenant.check()) return; // it came after the deadline
    if (remaining(tenant.clock, since, believed) > lease.valid) lease.extend(since, believed);
    this.ttl = ttl;
    tenant.tell({ type: 'renewed' });
    if (tenant.check()) this.plan(); // unless who heard of it has left
  }

  private failed(error: Error, ttl: number): void {
    const { tenant, lease } = this;
    if (error instanceof LockCorruptedError) {
      tenant.lose('taken', error);
      return;
    }
    this.failures += 1;
    this.failure = error;
    this.ttl = Math.min(this.ttl, ttl); // a shorter one may land late: none before it gives more
    tenant.tell({ type: 'renewalFailed', error });
    const rest = Math.min(soon(this.failures), Math.ceil(lease.valid / 2)); // a short ttl has time for another one, too
    if (tenant.check()) tenant.timer.set(Math.floor(rest));
  }

  private plan(): void {
    const { lease, tenant } = this;
    const { timer, terms } = tenant;
    if (this.wish) return; // that one is sent at once
    const every = lease.ttl === terms.ttl ? terms.renewEvery : Math.min(terms.renewEvery, Math.floor(lease.ttl / 3));
    timer.set(every, lease.since.now);
  }
}

/** The one bound for two: the least that either gives, for as long as either may take effect. */
const widest = (one: Bound | undefined, other: Bound, now: number): Bound =>
  one && one.until > now ? { ttl: Math.min(one.ttl, other.ttl), until: Math.max(one.until, other.until) } : other;

/** The phase in which a session holds: it renews the lease, one renewal at a time and sooner after one that failed, and ends it at its maxHold. */
import { AsyncSubject, concat, concatMap, defer, ignoreElements, type Observable, of, timer } from 'rxjs';
import { soon } from '../backoff.ts';
import { type Instant, instant } from '../clock.ts';
import { LockCorruptedError, type LossReason } from '../errors.ts';
import { remaining } from './deadline.ts';
import { HeldLease } from './held-lease.ts';
import type { Bound, Granted, Owner } from './owner.ts';
import type { Terms } from './terms.ts';
import type { Sleeper, Task, Timer } from './timers.ts';

/**
 * ms from a hand-off to the renewal that gives its lease the full ttl. Short work ends before that and needs no renewal
 * (2.0 instead of 2.8 commands for each lease with 5 ms of work).
 */
const FIRST_RENEWAL = 20;

/** A renewal that was asked for while another is in flight. */
interface NextRenewal {
  readonly ttl: number;
  readonly downgrade: boolean;
  readonly outcome: AsyncSubject<void>;
}

export class Holding implements Sleeper, Task {
  readonly owner: Owner;
  readonly lease: HeldLease;
  /** Monotonic ms of the grant. */
  readonly began: number;
  /** The ttl that the next renewal gives, in ms. */
  ttl: number;
  /** Monotonic ms until which the lock stays taken although the lease was released (minHold); 0: no minimum. */
  keepUntil = 0;
  /** The error of the last renewal, if it failed. */
  failure: Error | undefined;
  /** What commands of unknown outcome may still do to the lease, the renewal in flight included. */
  private bound: Bound | undefined;
  private inFlight = false;
  private pending: NextRenewal | undefined;
  private failures = 0;
  private limit: Timer | undefined;

  /** @param bound what attempts of unknown outcome may still do to the lease */
  constructor(owner: Owner, granted: Granted, bound: Bound | undefined) {
    this.owner = owner;
    this.lease = new HeldLease(this, granted);
    this.began = owner.terms.clock.now();
    this.ttl = owner.request.ttl;
    this.bound = bound;
  }

  get is(): 'held' {
    return 'held';
  }

  /** Why the lease has ended by itself; undefined while it can be believed. */
  get lapse(): LossReason | undefined {
    const { lease, failure } = this;
    if (lease.left > 0) return undefined;
    if (lease.valid > 0) return 'maxHold';
    return failure ? 'unreachable' : 'expired';
  }

  /** Applies a subscription's maxHold and minHold. Of several subscriptions the soonest end and the latest minimum count. */
  heed({ maxHold, minHold, clock }: Terms): void {
    if (minHold > 0) this.keepUntil = Math.max(this.keepUntil, clock.now() + minHold);
    if (maxHold === undefined) return;
    const { lease, owner } = this;
    const until = clock.now() + maxHold;
    if (lease.until !== undefined && until >= lease.until) return;
    lease.until = until;
    this.limit ??= owner.timer.another({ wake: () => owner.lose('maxHold') });
    this.limit.set(maxHold);
  }

  /** The lease was granted: plans the first renewal. */
  start(): void {
    const { lease, owner } = this;
    const { request, terms, timer } = owner;
    timer.sleeper = this;
    if (terms.ttl !== request.ttl)
      this.ask(terms.ttl); // the last subscription wants another ttl
    else if (lease.ttl < request.ttl) timer.set(Math.floor(Math.min(FIRST_RENEWAL, lease.valid / 3)));
    else this.plan();
  }

  stop(): void {
    this.owner.timer.clear();
    this.limit?.clear();
  }

  /** The timer fires: the renewal joins those that are due now. */
  wake(): void {
    if (this.owner.check()) this.owner.timer.enqueue(this);
  }

  run(): void {
    if (!this.inFlight && this.owner.check()) this.send(this.ttl, false);
  }

  /** Renews now, or right after the renewal in flight. Several calls during one flight share one renewal, with the last ttl. */
  ask(ttl = this.ttl, downgrade = false): Observable<void> {
    const { pending } = this;
    const outcome = pending?.outcome ?? new AsyncSubject<void>();
    this.pending = { ttl, downgrade: downgrade || pending?.downgrade === true, outcome };
    if (!this.inFlight) this.fulfil();
    return outcome;
  }

  /** Renews until no command of unknown outcome can take effect after the last renewal: it would shorten the lease that another continues. */
  last(): Observable<unknown> {
    const again = (): Observable<unknown> => {
      const landed$ = this.landed();
      const next$ = defer(() => this.last());
      return landed$ ? concat(landed$, next$) : of(undefined);
    };
    return this.ask().pipe(concatMap(again));
  }

  /** Completes when no renewal that was sent can take effect any more; undefined if none can. */
  landed(): Observable<never> | undefined {
    const { clock, scheduler } = this.owner.terms;
    const rest = (this.bound?.until ?? 0) - clock.now();
    return rest > 0 ? timer(Math.ceil(rest), scheduler).pipe(ignoreElements()) : undefined;
  }

  private fulfil(): void {
    const { pending } = this;
    if (!pending || this.inFlight) return; // whoever was told the outcome may have sent one already
    this.pending = undefined;
    if (this.owner.check()) this.send(pending.ttl, pending.downgrade, pending.outcome);
    else pending.outcome.error(this.lease.loss);
  }

  private send(ttl: number, downgrade: boolean, outcome?: AsyncSubject<void>): void {
    const { owner, lease, bound } = this;
    const { request, terms, store } = owner;
    owner.timer.clear();
    const since = instant(terms.clock);
    lease.concede(since, ttl, downgrade);
    // the renewal times out when the lease ends, at the latest: that is noticed without another timer
    const within = Math.max(1, Math.min(terms.commandTimeout, Math.ceil(lease.valid)));
    const earlier = bound && bound.until > since.now ? bound : undefined; // it may take effect after this one
    const believed = Math.min(ttl, earlier?.ttl ?? ttl);
    this.bound = { ttl: believed, until: Math.max(since.now + within + 1, earlier?.until ?? 0) };
    this.inFlight = true;
    const same = ttl === request.ttl && lease.mode === request.mode;
    const renewed = same ? request : { ...request, ttl, mode: lease.mode };
    store.renew(renewed, lease.fence, within, downgrade).subscribe({
      next: (answer) => {
        this.inFlight = false;
        this.bound = earlier;
        if (!lease.end && answer === 'renewed') this.renewed(since, ttl, believed);
        else if (!lease.end) owner.lose('taken');
        if (lease.end) outcome?.error(lease.loss);
        outcome?.next();
        outcome?.complete();
        this.fulfil();
      },
      error: (error: Error) => {
        this.inFlight = false;
        const { end } = lease;
        if (!end && error instanceof LockCorruptedError) owner.lose('taken', error);
        else if (!end) this.failed(error, ttl);
        outcome?.error(end ? lease.loss : error); // its own failure says more, also if that has just ended the lease
        this.fulfil();
      },
    });
  }

  private renewed(since: Instant, ttl: number, believed: number): void {
    const { owner, lease } = this;
    this.failures = 0;
    this.failure = undefined;
    if (!owner.check()) return; // the answer came after the deadline, so the lease has ended as expired: Redis did answer
    if (remaining(owner.terms.clock, since, believed) > lease.valid) lease.extend(since, believed);
    this.ttl = ttl;
    owner.tell({ type: 'renewed' });
    if (owner.check()) this.plan(); // a listener of the event may have released the lease
  }

  private failed(error: Error, ttl: number): void {
    const { owner, lease } = this;
    this.failures += 1;
    this.failure = error;
    this.ttl = Math.min(this.ttl, ttl); // the failed renewal may take effect late, so renewals keep to the shorter ttl, until renew(ttl) is called
    owner.tell({ type: 'renewalFailed', error });
    const rest = Math.min(soon(this.failures), Math.ceil(lease.valid / 2)); // half of the time left: a short ttl leaves time for another try, too
    if (owner.check()) owner.timer.set(Math.floor(rest));
  }

  private plan(): void {
    const { lease, owner } = this;
    const { timer, terms } = owner;
    if (this.pending) return; // it is sent at once
    const every = lease.ttl === terms.ttl ? terms.renewEvery : Math.min(terms.renewEvery, Math.floor(lease.ttl / 3));
    timer.set(every, lease.since.now);
  }
}

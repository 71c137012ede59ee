/** The phase in which a session holds: one renewal at a time keeps the lease, soon again after one that failed, and its bounds end it. */
import { AsyncSubject, concat, concatMap, defer, ignoreElements, type Observable, of, timer } from 'rxjs';
import { soon } from '../backoff.ts';
import { type Instant, instant } from '../clock.ts';
import { LockCorruptedError, type LossReason } from '../errors.ts';
import { remaining } from './deadline.ts';
import { HeldLease } from './held-lease.ts';
import type { Bound, Granted, Owner } from './owner.ts';
import type { Terms } from './terms.ts';
import type { Sleeper, Timer, Turn } from './timers.ts';

/**
 * ms from a hand-off to the renewal that brings its lease to the full ttl: short enough to be at once, and long enough
 * that work which is done sooner needs none (2.0 in place of 2.8 commands a turn with 5 ms of work).
 */
const GRACE = 20;

/** A renewal that is asked for while another is on its way. */
interface Wish {
  readonly ttl: number;
  readonly downgrade: boolean;
  readonly outcome: AsyncSubject<void>;
}

export class Held implements Sleeper, Turn {
  readonly owner: Owner;
  readonly lease: HeldLease;
  /** Monotonic ms of the grant. */
  readonly began: number;
  /** ms that the next renewal asks for. */
  ttl: number;
  /** Monotonic ms until which the lock is kept, also where it is released before; 0 where it is not. */
  keepUntil = 0;
  /** What the last renewal failed with. */
  failure: Error | undefined;
  /** What commands of unknown outcome may still make of the lease, the renewal on its way included. */
  private bound: Bound | undefined;
  private onTheWay = false;
  private wish: Wish | undefined;
  private failures = 0;
  private limit: Timer | undefined;

  /** @param bound what attempts that are not answered yet may make of the lease */
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

  /** Why it is over that nobody has ended; undefined while it can be believed. */
  get lapse(): LossReason | undefined {
    const { lease, failure } = this;
    if (lease.left > 0) return undefined;
    if (lease.valid > 0) return 'maxHold';
    return failure ? 'unreachable' : 'expired';
  }

  /** Of the bounds that its subscriptions set, the soonest end and the longest minimum count. */
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
      this.ask(terms.ttl); // the last subscription wants another
    else if (lease.ttl < request.ttl) timer.set(Math.floor(Math.min(GRACE, lease.valid / 3)));
    else this.plan();
  }

  stop(): void {
    this.owner.timer.clear();
    this.limit?.clear();
  }

  /** A renewal is due, and takes its turn among all that are. */
  wake(): void {
    if (this.owner.check()) this.owner.timer.inTurn(this);
  }

  take(): void {
    if (!this.onTheWay && this.owner.check()) this.send(this.ttl, false);
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
    const again = (): Observable<unknown> => {
      const landed$ = this.landed();
      const next$ = defer(() => this.last());
      return landed$ ? concat(landed$, next$) : of(undefined);
    };
    return this.ask().pipe(concatMap(again));
  }

  /** Completes when none that was sent can take effect any more; undefined where none can. */
  landed(): Observable<never> | undefined {
    const { clock, scheduler } = this.owner.terms;
    const rest = (this.bound?.until ?? 0) - clock.now();
    return rest > 0 ? timer(Math.ceil(rest), scheduler).pipe(ignoreElements()) : undefined;
  }

  private fulfil(): void {
    const { wish } = this;
    if (!wish) return;
    this.wish = undefined;
    if (this.owner.check()) this.send(wish.ttl, wish.downgrade, wish.outcome);
    else wish.outcome.error(this.lease.loss);
  }

  private send(ttl: number, downgrade: boolean, outcome?: AsyncSubject<void>): void {
    const { owner, lease, bound } = this;
    const { request, terms, store } = owner;
    owner.timer.clear(); // while one is on its way there is none: that ends before the lease does
    const since = instant(terms.clock);
    lease.concede(since, ttl, downgrade);
    const within = Math.max(1, Math.min(terms.commandTimeout, Math.ceil(lease.valid)));
    const earlier = bound && bound.until > since.now ? bound : undefined; // it may land behind this one
    const believed = Math.min(ttl, earlier?.ttl ?? ttl);
    this.bound = { ttl: believed, until: Math.max(since.now + within + 1, earlier?.until ?? 0) };
    this.onTheWay = true;
    const same = ttl === request.ttl && lease.mode === request.mode;
    const renewed = same ? request : { ...request, ttl, mode: lease.mode };
    store.renew(renewed, lease.fence, within, downgrade).subscribe({
      next: (answer) => {
        this.onTheWay = false;
        this.bound = earlier;
        if (!lease.end && answer === 'renewed') this.renewed(since, ttl, believed);
        else if (!lease.end) owner.lose('taken');
        if (lease.end) outcome?.error(lease.loss);
        outcome?.next();
        outcome?.complete();
        this.fulfil();
      },
      error: (error: Error) => {
        this.onTheWay = false;
        const { end } = lease;
        if (!end && error instanceof LockCorruptedError) owner.lose('taken', error);
        else if (!end) this.failed(error, ttl);
        outcome?.error(end ? lease.loss : error);
        this.fulfil();
      },
    });
  }

  private renewed(since: Instant, ttl: number, believed: number): void {
    const { owner, lease } = this;
    this.failures = 0;
    this.failure = undefined;
    if (!owner.check()) return; // it came after the deadline
    if (remaining(owner.terms.clock, since, believed) > lease.valid) lease.extend(since, believed);
    this.ttl = ttl;
    owner.tell({ type: 'renewed' });
    if (owner.check()) this.plan(); // unless who heard of it has left
  }

  private failed(error: Error, ttl: number): void {
    const { owner, lease } = this;
    this.failures += 1;
    this.failure = error;
    this.ttl = Math.min(this.ttl, ttl); // a shorter one may land late: none before it gives more
    owner.tell({ type: 'renewalFailed', error });
    const rest = Math.min(soon(this.failures), Math.ceil(lease.valid / 2)); // a short ttl has time for another one, too
    if (owner.check()) owner.timer.set(Math.floor(rest));
  }

  private plan(): void {
    const { lease, owner } = this;
    const { timer, terms } = owner;
    if (this.wish) return; // that one is sent at once
    const every = lease.ttl === terms.ttl ? terms.renewEvery : Math.min(terms.renewEvery, Math.floor(lease.ttl / 3));
    timer.set(every, lease.since.now);
  }
}

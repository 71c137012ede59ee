/** The phase in which a session holds: it renews the lease, one renewal at a time and sooner after one that failed, and ends it at its maxHold. */
import { AsyncSubject, defer, EMPTY, type Observable, repeat, timer } from 'rxjs';
import { soon } from '../backoff.ts';
import { type Instant, instant, remaining } from '../clock.ts';
import { LockCorruptedError, type LossReason } from '../errors.ts';
import { overAt } from '../store/cancel.ts';
import { type End, HeldLease } from './held-lease.ts';
import type { Granted, SessionView } from './session-view.ts';
import type { Terms } from './terms.ts';
import { type Sleeper, Timer } from './timers.ts';

/**
 * ms from a hand-off to the renewal that gives its lease the full ttl. Short work ends before that and needs no renewal
 * (2.0 instead of 2.8 commands for each lease with 5 ms of work).
 */
const FIRST_RENEWAL = 20;

/** Commands of unknown outcome may cut a lease to `ttl` ms until monotonic ms `overAt`. Here there are none. */
const UNBOUND = { ttl: Number.POSITIVE_INFINITY, overAt: 0 };

export class Holding implements Sleeper {
  readonly is = 'held';
  readonly session: SessionView;
  readonly lease: HeldLease;
  /** The terms of the last subscription, by which it renews. */
  terms: Terms;
  /** The ttl that the next renewal gives, in ms. */
  private nextTtl: number;
  /** The longest ttl that Redis may have given the lease: until a renewal is answered, that of each that was sent. */
  longestTtl: number;
  /** Monotonic ms until which the lock stays taken although the lease was released (minHold); 0: no minimum. */
  keepUntil = 0;
  /** The renewals that have failed since the last answer, with the error of the last one. */
  failed: { readonly times: number; readonly error: Error } | undefined;
  /** Of the renewal in flight and what is in doubt besides. */
  private bound = UNBOUND;
  private inFlight = false;
  /** The next renewal, which is sent as soon as no other is in flight. */
  private pending: { ttl: number | undefined; downgrade: boolean; readonly outcome: AsyncSubject<never> } | undefined;
  private maxHoldTimer: Timer | undefined;

  constructor(session: SessionView, terms: Terms, granted: Granted, attemptsOverAt: number | undefined) {
    this.session = session;
    this.terms = terms;
    this.lease = new HeldLease(this, granted);
    this.nextTtl = this.longestTtl = session.request.ttl;
    if (attemptsOverAt !== undefined) this.bound = { ttl: session.request.ttl, overAt: attemptsOverAt };
    session.timer.sleeper = this;
  }

  /** Why the lease has ended by itself; undefined while it can be believed. */
  get lapse(): LossReason | undefined {
    const { lease, failed } = this;
    if (lease.rest > 0) return undefined;
    if (lease.valid > 0) return 'maxHold';
    return failed ? 'unreachable' : 'expired';
  }

  /** Applies a subscription's maxHold and minHold. Of several subscriptions the soonest end and the latest minimum count. */
  apply({ maxHold, minHold, clock }: Terms): void {
    if (minHold > 0) this.keepUntil = Math.max(this.keepUntil, clock.now() + minHold);
    if (maxHold === undefined) return;
    const { lease, session } = this;
    const maxHoldEnd = clock.now() + maxHold;
    if (lease.maxHoldEnd !== undefined && maxHoldEnd >= lease.maxHoldEnd) return;
    lease.maxHoldEnd = maxHoldEnd;
    const wake = (): unknown => session.endIfLapsed() || session.lose('maxHold');
    this.maxHoldTimer ??= new Timer(session.timer.timers, { wake });
    this.maxHoldTimer.set(maxHold);
  }

  /** Plans the first renewal, unless whoever was told of the lease has asked for one. */
  planFirst(): void {
    const { lease, session, terms } = this;
    const { request, timer } = session;
    if (this.inFlight) return;
    if (terms.ttl !== request.ttl)
      this.renew(terms.ttl); // the last subscription wants another ttl
    else if (lease.ttl < request.ttl) timer.set(Math.floor(Math.min(FIRST_RENEWAL, lease.valid / 3)));
    else this.plan();
  }

  /** Nothing is renewed any more, and every face of the lease says that it is over. */
  end(end: End): void {
    const { session, lease } = this;
    session.timer.clear();
    this.maxHoldTimer?.clear();
    if (end !== 'released') this.keepUntil = 0;
    session.firstAttachment.call(() => lease.endWith(end));
  }

  /** The timer fires: a renewal is due. */
  wake(): void {
    if (!this.inFlight) this.renew();
  }

  /** Renews now, or right after the renewal in flight. Several calls during one flight share one renewal, with the last ttl. */
  renew(ttl?: number, downgrade = false): Observable<never> {
    const { pending } = this;
    const outcome = pending?.outcome ?? new AsyncSubject<never>();
    this.pending = { ttl: ttl ?? pending?.ttl, downgrade: downgrade || pending?.downgrade === true, outcome };
    this.send();
    return outcome;
  }

  /** Renews until no command of unknown outcome can take effect after the last renewal: it would shorten the lease that another continues. */
  renewUntilSure(): Observable<never> {
    return defer(() => this.renew()).pipe(repeat({ delay: () => this.nothingInDoubt() }));
  }

  /** Emits when nothing that was sent can take effect any more; only completes if nothing can by now. */
  nothingInDoubt(): Observable<unknown> {
    const { clock, scheduler } = this.terms;
    const rest = this.bound.overAt - clock.now();
    return rest > 0 ? timer(Math.ceil(rest), scheduler) : EMPTY;
  }

  /** Sends the pending renewal, if there is one and no other is in flight. */
  private send(): void {
    const { session, lease, terms, bound, pending } = this;
    if (!pending || this.inFlight) return;
    this.pending = undefined;
    const { ttl = this.nextTtl, downgrade, outcome } = pending;
    if (session.endIfLapsed()) {
      outcome.error(lease.loss);
      return;
    }
    const { request, timer, sessions } = session;
    timer.clear();
    const since = instant(terms.clock);
    if (downgrade) lease.mode = 'shared'; // from now on, as the shorter ttl below: the answer may get lost
    if (remaining(terms.clock, since, ttl) < lease.valid) lease.believe(since, ttl);
    // the renewal times out when the lease ends, at the latest: that is noticed without another timer
    const within = Math.max(1, Math.min(terms.commandTimeout, Math.ceil(lease.valid)));
    const earlier = bound.overAt > since.now ? bound : UNBOUND; // it may take effect after this one
    const believed = Math.min(ttl, earlier.ttl);
    this.bound = { ttl: believed, overAt: Math.max(overAt(since.now, within), earlier.overAt) };
    this.longestTtl = Math.max(this.longestTtl, ttl);
    this.inFlight = true;
    sessions.store.renew({ ...request, ttl, mode: lease.mode }, lease.fence, within, downgrade).subscribe({
      next: (answer) => {
        this.inFlight = false;
        this.bound = earlier;
        if (earlier === UNBOUND) this.longestTtl = ttl;
        if (!lease.end && answer === 'renewed') this.renewed(since, ttl, believed);
        else if (!lease.end) session.lose('taken');
        this.send(); // first: who detaches looks at what is in flight
        if (lease.end) outcome.error(lease.loss);
        else outcome.complete();
      },
      error: (error: Error) => {
        this.inFlight = false;
        const { end } = lease;
        if (!end && error instanceof LockCorruptedError) session.lose('taken', error);
        else if (!end) this.retry(error, ttl);
        outcome.error(end ? lease.loss : error); // its own failure says more, also if that has just ended the lease
        this.send();
      },
    });
  }

  private renewed(since: Instant, ttl: number, believed: number): void {
    const { session, lease } = this;
    this.failed = undefined;
    if (session.endIfLapsed()) return; // the answer came after the deadline, so the lease has ended as expired: Redis did answer
    if (remaining(this.terms.clock, since, believed) > lease.valid) lease.believe(since, believed);
    this.nextTtl = ttl;
    session.tell({ type: 'renewed' });
    if (!session.endIfLapsed()) this.plan(); // a listener of the event may have released the lease
  }

  private retry(error: Error, ttl: number): void {
    const { session, lease } = this;
    const times = (this.failed?.times ?? 0) + 1;
    this.failed = { times, error };
    this.nextTtl = Math.min(this.nextTtl, ttl); // the failed renewal may take effect late, so renewals keep to the shorter ttl, until renew(ttl) is called
    session.tell({ type: 'renewalFailed', error });
    const rest = Math.min(soon(times), Math.ceil(lease.valid / 2)); // half of the time left: a short ttl leaves time for another try, too
    if (!session.endIfLapsed()) session.timer.set(Math.floor(rest));
  }

  private plan(): void {
    const { lease, session, terms } = this;
    const every = lease.ttl === terms.ttl ? terms.renewEvery : Math.min(terms.renewEvery, Math.floor(lease.ttl / 3));
    session.timer.set(every, lease.since.now);
  }
}

/** The life of a lease: acquire, emit, renew, release. One subscription is one Hold; this is the one hand-written Observable. */

import {
  AsyncSubject,
  concat,
  defer,
  EMPTY,
  map,
  Observable,
  of,
  type Subscriber,
  type Subscription,
  type TeardownLogic,
  tap,
  throwError,
  timeout,
} from 'rxjs';
import { v4 as uuid } from 'uuid';
import { soon } from '../backoff.ts';
import { type Clock, type Instant, instant } from '../clock.ts';
import {
  CoordinatorClosedError,
  LockCorruptedError,
  LockLostError,
  type LossReason,
  RedisUnreachableError,
} from '../errors.ts';
import { cancel } from '../store/cancel.ts';
import type { Released, Renewal, Request } from '../store/store.ts';
import type { Agenda, Sleeper } from './agenda.ts';
import { type Asker, Attempts, BUSY, type Granted, type Report } from './attempts.ts';
import { remaining } from './deadline.ts';
import { HeldLease, type Keeper, type Lease } from './lease.ts';
import type { Registry } from './registry.ts';
import type { Kind, Terms } from './terms.ts';
import { Underway } from './underway.ts';

/** How many have begun in this process. */
let lives = 0;

/**
 * ms from a hand-over to the renewal that brings its lease to the full ttl: short enough to be at once, and long enough
 * that work which is done sooner needs none (2.0 in place of 2.8 commands a turn with 5 ms of work).
 */
const GRACE = 20;

/** Of a lease that another subscription of the same owner gives back: there is nothing to hand over or to wait for here. */
const NOTHING_LATE = { grants: 0, now: Number.POSITIVE_INFINITY };

/** A lock, as it was made. */
export interface Wanted {
  readonly registry: Registry;
  readonly name: string;
  readonly kind: Kind;
  readonly terms: Terms;
}

/**
 * Acquires on subscribe, emits one lease, keeps it renewed, errors when it is lost and releases on unsubscribe.
 * With `patient` it waits for its turn; otherwise it completes empty when others hold the lock. `seen` sees the life
 * that begins.
 */
export const hold = (wanted: Wanted, patient: boolean, seen?: (life: Hold) => void): Observable<Lease> =>
  new Observable(begin(wanted, patient, seen));

/** What a subscription to a lock does. */
export const begin =
  (wanted: Wanted, patient: boolean, seen?: (life: Hold) => void) =>
  (subscriber: Subscriber<Lease>): TeardownLogic => {
    const { registry, name, terms } = wanted;
    if (registry.ending) return registry.refusal.refuse(subscriber, terms.scheduler, name);
    const life = new Hold(wanted, subscriber);
    seen?.(life);
    life.start(patient);
    return () => life.leave();
  };

export class Hold implements Keeper, Asker, Sleeper {
  list: Sleeper['list'];
  due = 0;
  before: Sleeper | undefined;
  after: Sleeper | undefined;
  readonly request: Request;
  readonly clock: Clock;
  readonly writes: boolean;
  private readonly registry: Registry;
  private readonly terms: Terms;
  private readonly subscriber: Subscriber<Lease>;
  private readonly attempts: Attempts;
  private readonly agenda: Agenda;
  private starting: Subscription | undefined;
  private began: number;
  private lease: HeldLease | undefined;
  private ttl: number;
  private limit: Subscription | undefined;
  private failure: Error | undefined;
  private failures = 0;
  private readonly underway: Underway;
  private timedOut = false;
  private gone: AsyncSubject<boolean> | undefined;
  /** Whether a release was sent. */
  private released = false;
  /** Whether its leaving was answered before the grant was told to it. */
  private overtaken = false;
  private clearing: Subscription | undefined;

  constructor({ registry, name, kind, terms }: Wanted, subscriber: Subscriber<Lease>) {
    const { ttl, waiterTtl, replicas, identity, owner = `${identity}:${uuid()}` } = terms;
    const { mode, permits, limit, writes = false } = kind;
    this.writes = writes;
    lives += 1;
    this.request = { name, owner, mode, permits, limit, ttl, waiterTtl, replicas, turn: lives };
    this.clock = terms.clock;
    this.underway = new Underway(terms.clock);
    this.registry = registry;
    this.terms = terms;
    this.subscriber = subscriber;
    this.ttl = ttl;
    this.began = this.clock.now();
    this.agenda = registry.agenda(terms);
    this.attempts = new Attempts(this, registry.store, terms, this.agenda);
  }

  /** Whether it is not on its way out. */
  get holding(): boolean {
    return this.lease !== undefined && !this.gone;
  }

  /** Whether it is over, and about to be cleared away. */
  get leaving(): boolean {
    return this.gone !== undefined;
  }

  /** The wait has timed out, after `timeout` ms: the error for it. */
  late(timeout: number): Error {
    this.timedOut = true;
    return this.attempts.late(timeout);
  }

  /**
   * Whether a grant that is told once it has gone is to be left alone: an owner that was given may hold in another
   * process since, and one that left as a holder without having heard of it has given that back.
   */
  get leavesGrant(): boolean {
    return this.terms.owner !== undefined || this.overtaken;
  }

  start(patient: boolean): void {
    this.registry.add(this);
    if (this.terms.owner === undefined) {
      this.attempts.start(patient);
      return;
    }
    this.warn(instant(this.clock), this.ttl);
    this.starting = this.afterOthers(patient).subscribe({
      next: () => this.attempts.start(patient),
      error: (error: unknown) => this.error(error),
    });
  }

  /** Emits when nothing of the owner is on its way out any more; a single attempt waits for that no longer than for an answer. */
  private afterOthers(patient: boolean): Observable<unknown> {
    const cleared$ = this.registry.cleared(this);
    if (patient) return cleared$;
    const { commandTimeout, scheduler } = this.terms;
    const message = `An earlier lease of this owner was not given back within ${commandTimeout} ms`;
    const late = (): Error => new RedisUnreachableError(this.request.name, message, 0);
    return cleared$.pipe(timeout({ first: commandTimeout, with: () => throwError(late), scheduler }));
  }

  report(report: Report): void {
    this.registry.tell(this, report);
  }

  /** What the attempts come to: a lease. */
  next({ fence, since, ttl }: Granted): void {
    if (this.gone) return;
    this.attempts.stop();
    const now = this.clock.now();
    this.reckon(this.attempts, this.request.ttl);
    this.lease = new HeldLease(this, this.request, fence, since, this.believable(ttl));
    this.registry.tell(this, { type: 'acquired', waited: now - this.began, fence });
    if (this.leaving) return; // who heard of it has left
    this.began = now;
    const { maxHold, scheduler } = this.terms;
    if (maxHold !== undefined) this.limit = scheduler.schedule(() => this.lose('maxHold'), maxHold);
    if (ttl < this.ttl) this.plan(Math.min(GRACE, this.lease.remaining() / 3));
    else this.planRenewal();
    this.subscriber.next(this.lease);
  }

  /** Or an error; or nothing, where others hold the lock and it is not patient. */
  error(reason: unknown): void {
    if (this.gone) return;
    if (reason === BUSY) this.subscriber.complete();
    else this.subscriber.error(reason);
  }

  complete(): void {}

  askAgain(): void {
    if (!this.lease) this.attempts.askAgain();
  }

  handed(fence: number): void {
    if (!this.lease) this.attempts.handed(fence);
  }

  overdue(): void {
    this.plan(0);
  }

  renew(ttl = this.ttl, downgrade = false): Observable<void> {
    const outcome = new AsyncSubject<void>();
    this.extend(ttl, downgrade, outcome);
    return outcome;
  }

  /** Renews, and tells what came of it to whoever wants to know. */
  private extend(ttl: number, downgrade: boolean, outcome?: AsyncSubject<void>): void {
    const { lease } = this;
    if (!lease || lease.remaining() <= 0) {
      outcome?.error(lease?.loss ?? new LockLostError(this.request.name, 'expired'));
      return;
    }
    this.agenda.strike(this);
    const since = instant(this.clock);
    lease.concede(since, ttl, downgrade);
    this.warn(since, ttl, downgrade);
    this.ttl = Math.min(this.ttl, ttl); // a shorter one may land late: no renewal before it gives more
    const within = Math.max(1, Math.min(this.terms.commandTimeout, Math.ceil(lease.remaining())));
    const sent = this.underway.add(ttl, within);
    const request = ttl === this.request.ttl ? this.request : { ...this.request, ttl };
    this.registry.store.renew(request, lease.fence, within, downgrade).subscribe({
      next: (renewal) => {
        const next = this.underway.settle(sent);
        if (!lease.end) this.renewed(lease, renewal, since, ttl, next);
        if (lease.end) outcome?.error(lease.loss);
        outcome?.next();
        outcome?.complete();
      },
      error: (error: Error) => {
        if (!lease.end) this.renewalFailed(error);
        outcome?.error(lease.end ? lease.loss : error);
      },
    });
  }

  /** Another subscription of the same owner has sent what may have shortened the lease, which is one. */
  private conceded(since: Instant, ttl: number, downgrade: boolean): void {
    if (this.lease?.concede(since, ttl, downgrade)) this.planRenewal();
  }

  private warn(since: Instant, ttl: number, downgrade = false): void {
    for (const twin of this.registry.twins(this)) twin.conceded(since, ttl, downgrade);
  }

  /** Of what it was given: no more than what is under way may make of it, of the others of its owner too. */
  private believable(ttl: number): number {
    const others = this.registry.others(this).map((other) => other.underway.least(other.ttl));
    return Math.min(this.underway.least(ttl), ...others);
  }

  /** An attempt of unknown outcome, its own or an heirloom, may land yet, and give no more than its ttl. */
  private reckon({ notAfter, onTheWay, patience }: Attempts, ttl: number): void {
    if (notAfter > 0 || onTheWay) this.underway.reckon(ttl, patience);
  }

  private renewed(lease: HeldLease, renewal: Renewal, since: Instant, ttl: number, next: number | undefined): void {
    if (renewal === 'taken') this.lose('taken');
    else if (renewal === 'gone' || lease.remaining() <= 0) this.lose('expired');
    else {
      this.failures = 0;
      this.failure = undefined;
      if (next !== undefined) {
        this.ttl = next;
        const least = this.believable(ttl);
        if (remaining(this.clock, since, least) > lease.remaining()) lease.extend(since, least);
      }
      this.registry.tell(this, { type: 'renewed' });
      this.planRenewal();
    }
  }

  release(): Observable<boolean> {
    if (this.lease && !this.gone && !this.lease.end && this.lease.remaining() <= 0) this.expire(); // it is too late to give it back
    return this.depart('released');
  }

  get settled$(): Observable<unknown> {
    return this.gone ?? EMPTY;
  }

  /** The subscription ends: whatever stage it is in, nothing of it stays behind. */
  leave(): void {
    if (this.gone) return;
    if (!this.lease && this.attempts.inQueue) {
      const timedOut = this.timedOut ? { timedOut: true as const } : {};
      this.registry.tell(this, { type: 'abandoned', waited: this.clock.now() - this.began, ...timedOut });
    }
    this.release();
  }

  /** The coordinator closes: what is being released already may end as it would have. */
  shut(): void {
    if (!this.gone) this.subscriber.error(new CoordinatorClosedError(this.request.name));
  }

  /** The coordinator has closed, and waits no longer. */
  abandon(): void {
    this.clearing?.unsubscribe();
    this.gone?.next(false);
    this.gone?.complete();
  }

  private planRenewal(): void {
    const { lease, request, terms } = this;
    if (!lease) return;
    const every = lease.ttl === request.ttl ? terms.renewEvery : Math.min(terms.renewEvery, Math.floor(lease.ttl / 3));
    this.plan(every, lease.since.now);
  }

  /** The one timer of a lease. While a renewal is on its way there is none: that ends before the lease does. */
  private plan(ms: number, since?: number): void {
    if (!this.gone) this.agenda.enter(this, Math.floor(ms), since);
  }

  wake(): void {
    const { lease } = this;
    if (lease && lease.remaining() > 0) this.agenda.renewInTurn(this);
    else this.expire();
  }

  /** Its turn among the leases that are due. */
  renewNow(): void {
    if (!this.gone) this.extend(this.ttl, false);
  }

  private expire(): void {
    this.lose(this.failures > 0 ? 'unreachable' : 'expired', this.failure);
  }

  private renewalFailed(error: Error): void {
    if (error instanceof LockCorruptedError) {
      this.lose('taken', error);
      return;
    }
    this.failures += 1;
    this.failure = error;
    this.registry.tell(this, { type: 'renewalFailed', error });
    const left = this.lease?.remaining() ?? 0;
    this.plan(Math.min(soon(this.failures), Math.ceil(left / 2))); // a short ttl has time for another renewal, too
  }

  private lose(reason: LossReason, cause?: Error): void {
    const error = new LockLostError(this.request.name, reason, cause);
    this.depart(error);
    this.subscriber.error(error);
  }

  /** Stops the work, then gives the lock back. Emits whether it was still ours, within commandTimeout of the last attempt's end. */
  private depart(end: 'released' | LockLostError, shared?: Observable<boolean>): Observable<boolean> {
    if (this.gone) return this.gone;
    const gone = new AsyncSubject<boolean>();
    this.gone = gone;
    this.starting?.unsubscribe();
    this.attempts.stop();
    this.agenda.strike(this);
    this.limit?.unsubscribe();
    this.lease?.finish(end);
    if (this.lease) for (const twin of this.registry.twins(this)) twin.share(end, gone);
    const held = this.clock.now() - this.began;
    let answered = false;
    const answer = (acknowledged: boolean): void => {
      if (answered) return;
      answered = true;
      gone.next(acknowledged);
      if (end === 'released' && this.lease) {
        this.registry.tell(this, { type: 'released', held, acknowledged });
        this.subscriber.complete();
      }
      gone.complete();
    };
    const lost = end !== 'released';
    if (lost) {
      answered = true;
      this.registry.tell(this, { type: 'lost', reason: end.reason, held });
    }
    const done = (): void => {
      answer(false);
      this.registry.delete(this);
    };
    this.clearing = this.clear(() => answer(false), shared).subscribe({
      next: ({ held: acknowledged, grants }) => {
        answer(acknowledged);
        if (acknowledged && !this.lease && this.attempts.inQueue) this.overtaken = true;
        if (grants > 0) this.registry.tell(this, { type: 'handedOver', to: grants });
      },
      error: done,
      complete: done,
    });
    if (lost) {
      gone.next(false);
      gone.complete(); // after its release was sent: who hears of it may ask anew
    }
    return gone;
  }

  /** Another subscription of the same owner has ended the lease that both have, and gives it back for both. */
  private share(end: 'released' | LockLostError, gone: Observable<boolean>): void {
    if (!this.lease) return;
    this.depart(end, gone);
    if (end !== 'released') this.subscriber.error(end);
  }

  /** Releases by owner; but one that another subscription has or waits for as well stays, and leaves with that. */
  private giveBack(shared?: Observable<boolean>): Observable<Released> {
    const { registry, request, attempts, lease } = this;
    if (shared && attempts.notAfter === 0) return shared.pipe(map((held) => ({ held, ...NOTHING_LATE })));
    const [heir] = this.released ? [] : registry.twins(this);
    this.released = !heir;
    if (!heir) {
      const { name, owner } = request;
      return registry.store.release({ name, owner }, this.terms.commandTimeout);
    }
    heir.attempts.inherit(attempts);
    heir.reckon(attempts, request.ttl);
    heir.underway.inherit(this.underway);
    if (!lease) return EMPTY;
    heir.askAgain(); // should it wait: it holds now
    return of({ held: true, ...NOTHING_LATE });
  }

  /** Takes this owner out of Redis, once no attempt is on its way; goes on past `giveUp` until nothing can be left. */
  private clear(giveUp: () => void, shared?: Observable<boolean>): Observable<Released> {
    const { request, attempts, clock } = this;
    const { scheduler, commandTimeout } = this.terms;
    const away = (): Observable<Released> => {
      if (!attempts.known) return EMPTY;
      const since = clock.now();
      const late = attempts.notAfter > 0 ? attempts.patience : 0; // an attempt may land until then
      const failed = (): void => {
        if (clock.now() - since >= commandTimeout) giveUp();
      };
      return cancel(() => this.giveBack(shared).pipe(tap({ error: failed })), {
        notAfter: attempts.notAfter,
        within: attempts.patience,
        patience: late + Math.max(this.ttl, request.waiterTtl),
        scheduler,
      });
    };
    const { settled$ } = attempts;
    return settled$ ? concat(settled$, defer(away)) : away();
  }
}

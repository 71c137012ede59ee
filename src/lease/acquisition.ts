/** The phase from the first attempt to the grant: attempts repeated as heartbeats or by back-off, or ended by a hand-off. No pipeline of rxjs: that cost each waiter 2.5 KB. */
import { type Observable, Subject } from 'rxjs';
import { type Instant, instant } from '../clock.ts';
import { isTransient, RedisUnreachableError } from '../errors.ts';
import { cancel } from '../store/cancel.ts';
import type { Answer, Request } from '../store/store.ts';
import type { Attachment, Standing } from './attachment.ts';
import { remaining } from './deadline.ts';
import type { Bound, Owner } from './owner.ts';
import { type Denied, Pace } from './pace.ts';
import type { Sleeper } from './timers.ts';

export class Acquisition implements Sleeper {
  /** Whether Redis may have a claim of this owner. */
  known = false;
  /** Server ms until which an attempt of unknown outcome may still take effect; 0: there is none. */
  notAfter = 0;
  /** Monotonic ms at which the first attempt was sent. */
  readonly began: number;
  private readonly owner: Owner;
  private pace: Pace | undefined;
  /** Whether it waits in the queue, and asks until it is granted. A single attempt does not. */
  private patient = false;
  /** How many attempts are in flight. */
  private inFlight = 0;
  private idle$: Subject<never> | undefined;
  /** When the last answered attempt was sent. Its answer was a denial, so a hand-off that arrives later was made after this. */
  private heard: Instant | undefined;
  private denied: Denied | undefined;
  /** The highest number that the server had drawn when it denied an attempt. A grant with a lower fence was over by then. */
  private drawn = 0;
  /** A hint to ask again came while an attempt was in flight. That attempt may have been too early, so another one follows. */
  private missed = false;

  constructor(owner: Owner) {
    this.owner = owner;
    this.began = owner.terms.clock.now();
  }

  /** 'queued' once an attempt was denied. */
  get is(): 'asking' | 'queued' {
    return this.denied ? 'queued' : 'asking';
  }

  /** Joins the queue, and asks until the lock is granted. */
  start(): void {
    if (this.patient) return;
    this.patient = true;
    this.wake();
  }

  /** Makes a single attempt, which does not join the queue. */
  once(single: Attachment): void {
    this.send(this.owner.request, single);
  }

  get standing(): Standing {
    return { heard: this.heard !== undefined, failure: this.pace?.failure, rank: this.denied?.rank };
  }

  /** Whether an attempt that was sent earlier may take effect after a command that is sent now. */
  get mayLand(): boolean {
    return this.inFlight > 0 || this.notAfter > 0;
  }

  /** What such an attempt may do to a lease that is granted now: shorten it to its own ttl. */
  get bound(): Bound | undefined {
    const { request, terms } = this.owner;
    return this.mayLand ? { ttl: request.ttl, until: terms.clock.now() + terms.commandTimeout + 1 } : undefined;
  }

  /** Completes when no attempt is in flight any more; undefined if none is. */
  settled(): Observable<never> | undefined {
    if (this.inFlight === 0) return undefined;
    this.idle$ ??= new Subject();
    return this.idle$;
  }

  /** The timer fires: asks again, with the ticket, so that the waiter gets its rank back if the server has forgotten it. */
  wake(): void {
    const { request, timer } = this.owner;
    const { rank, ticket } = this.denied ?? {};
    timer.clear();
    this.missed = false;
    this.send(rank === undefined || ticket === undefined ? request : { ...request, ticket });
  }

  /** Asks now, or right after the attempt in flight, because a grant may have been missed. */
  askAgain(): void {
    const { waits, timer } = this.owner;
    if (waits && timer.isSet) this.wake();
    else this.missed = waits;
  }

  /** A release has made this waiter the holder for min(ttl, waiterTtl). That was after its last answered attempt was sent, so the lease counts from then. */
  handOff(fence: number): void {
    const { request, terms } = this.owner;
    const { ttl, waiterTtl, replicas } = request; // with replicas a message is no grant: they have to confirm an answer
    if (fence <= this.drawn) return; // an old grant: the owner did not have it any more when it was denied
    const granted = this.heard && { fence, since: this.heard, ttl: Math.min(ttl, waiterTtl) };
    const lasts = granted && remaining(terms.clock, granted.since, granted.ttl) > 0;
    if (lasts && !replicas && this.patient) this.owner.grant(granted);
    else this.askAgain();
  }

  private send(request: Request, single?: Attachment): void {
    const { store, terms } = this.owner;
    const since = instant(terms.clock);
    this.inFlight += 1;
    store.acquire(request, single === undefined, terms.commandTimeout).subscribe({
      next: (answer) => this.answered(answer, since, single),
      error: (error: unknown) => this.failed(error, single),
    });
  }

  private answered(answer: Answer, since: Instant, single?: Attachment): void {
    const { owner } = this;
    const { ttl } = owner.request;
    if (!this.heard || this.heard.now < since.now) this.heard = since;
    this.pace?.heard();
    this.known ||= answer.granted || single === undefined;
    if (!answer.granted) this.drawn = Math.max(this.drawn, answer.clock);
    else if (owner.waits && remaining(owner.terms.clock, since, ttl) <= 0) {
      this.tooLate(single);
      return;
    }
    this.inFlight -= 1;
    if (answer.granted)
      owner.grant({ fence: answer.fence, since, ttl }); // no effect if the session holds by now (a hand-off brought this very lease) or is being released
    else if (single) owner.forgo(single);
    else this.deny(answer);
    this.landed();
  }

  private deny(denied: Denied): void {
    const { owner } = this;
    const begins = this.is === 'asking';
    this.denied = denied;
    if (begins && owner.waits) owner.tell({ type: 'waiting' });
    this.pause((pace) => pace.afterDenial(denied, owner));
  }

  private failed(error: unknown, single?: Attachment): void {
    const { owner } = this;
    this.inFlight -= 1;
    if (error instanceof RedisUnreachableError && error.notAfter !== undefined) {
      this.known = true;
      this.notAfter = Math.max(this.notAfter, error.notAfter);
    }
    if (single) owner.forgo(single, error);
    else if (error instanceof Error && isTransient(error)) {
      if (owner.waits) owner.tell({ type: 'attemptFailed', error });
      this.pause((pace) => pace.afterFailure(error, owner));
    } else owner.fail(error);
    this.landed();
  }

  private landed(): void {
    if (this.inFlight === 0) this.idle$?.complete();
  }

  /** Sets the timer for the next attempt, unless nobody waits any more. */
  private pause(wait: (pace: Pace) => number): void {
    const { owner } = this;
    this.pace ??= new Pace();
    if (!owner.waits) return;
    try {
      const ms = wait(this.pace);
      if (!owner.waits) return;
      if (this.missed) this.wake();
      else owner.timer.set(ms);
    } catch (error) {
      owner.fail(error); // the user's back-off function threw
    }
  }

  /**
   * A grant arrived when its time was over: cancels it, and asks again. While another attempt is in flight nothing is
   * cancelled: that one may have been granted the same lease, which this process is about to believe.
   */
  private tooLate(single?: Attachment): void {
    const { request, terms, store } = this.owner;
    const { name, owner, ttl } = request;
    const { commandTimeout: within, scheduler } = terms;
    const message = `Redis took longer to answer than the ttl of ${ttl} ms`;
    const late = new RedisUnreachableError(name, message, 0, undefined, 'raise ttl, or see why Redis is slow');
    const failed = (): void => this.failed(late, single);
    if (this.inFlight > 1) failed();
    else
      cancel(() => store.release({ name, owner }, within), { within, scheduler }).subscribe({
        error: failed,
        complete: failed,
      });
  }
}

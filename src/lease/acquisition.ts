/** The phase from the first attempt to the grant: asked again as heartbeats or by back-off, cut short by a hand-off. As a pipeline of rxjs it cost each waiter 2.5 KB. */
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
  /** Whether Redis may know this owner. */
  known = false;
  /** Server ms until which an attempt of unknown outcome may still take effect; 0 where none may. */
  notAfter = 0;
  /** Monotonic ms at which it began. */
  readonly began: number;
  private readonly owner: Owner;
  private pace: Pace | undefined;
  /** Whether it keeps a place in the queue, and asks until it is granted. */
  private patient = false;
  /** How many attempts are on their way. */
  private flights = 0;
  private idle$: Subject<never> | undefined;
  /** The sending of the last answered attempt: no hand-off that is told after it can be older. */
  private heard: Instant | undefined;
  private denied: Denied | undefined;
  /** A hint to ask again came while an attempt was on its way, which may have missed what the hint is about. */
  private missed = false;

  constructor(owner: Owner) {
    this.owner = owner;
    this.began = owner.terms.clock.now();
  }

  /** Queued once it has heard that others hold the lock. */
  get is(): 'asking' | 'queued' {
    return this.denied ? 'queued' : 'asking';
  }

  /** Asks for a place in the queue, and again until it is granted. */
  start(): void {
    if (this.patient) return;
    this.patient = true;
    this.wake();
  }

  /** One attempt, beside the queue. */
  once(single: Attachment): void {
    this.send(this.owner.request, single);
  }

  get standing(): Standing {
    return { heard: this.heard !== undefined, failure: this.pace?.failure, rank: this.denied?.rank };
  }

  /** Whether an attempt may take effect after what is sent now. */
  get mayLand(): boolean {
    return this.flights + this.notAfter > 0;
  }

  /** What such an attempt may make of a lease that is granted now. */
  get bound(): Bound | undefined {
    const { request, terms } = this.owner;
    return this.mayLand ? { ttl: request.ttl, until: terms.clock.now() + terms.commandTimeout + 1 } : undefined;
  }

  /** Completes when no attempt is on its way any more; undefined where none is. */
  settled(): Observable<never> | undefined {
    if (this.flights === 0) return undefined;
    this.idle$ ??= new Subject();
    return this.idle$;
  }

  /** It is time to ask again: with its ticket, for which a server that has forgotten this waiter gives its rank back. */
  wake(): void {
    const { request, timer } = this.owner;
    const { rank, ticket } = this.denied ?? {};
    timer.clear();
    this.missed = false;
    this.send(rank === undefined || ticket === undefined ? request : { ...request, ticket });
  }

  /** Ask now: a grant may have been missed. */
  askAgain(): void {
    const { waits, timer } = this.owner;
    if (waits && timer.isSet) this.wake();
    else this.missed = waits;
  }

  /** A release has made this waiter the holder, for min(ttl, waiterTtl) from then; when that was is not known. */
  handOff(fence: number): void {
    const { request, terms } = this.owner;
    const { ttl, waiterTtl, replicas } = request; // with replicas only an answer counts, which they have confirmed
    if (this.denied && fence <= this.denied.clock) return; // an old grant, which this owner no longer had when it was denied
    const granted = this.heard && { fence, since: this.heard, ttl: Math.min(ttl, waiterTtl) };
    const lasts = granted && remaining(terms.clock, granted.since, granted.ttl) > 0;
    if (lasts && !replicas && this.patient) this.owner.grant(granted);
    else this.askAgain();
  }

  private send(request: Request, single?: Attachment): void {
    const { store, terms } = this.owner;
    const since = instant(terms.clock);
    this.flights += 1;
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
    if (answer.granted && owner.waits && remaining(owner.terms.clock, since, ttl) <= 0) {
      this.undo(single);
      return;
    }
    this.flights -= 1;
    if (answer.granted)
      owner.grant({ fence: answer.fence, since, ttl }); // who holds by now was handed this lease, and who leaves gives it back
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
    this.flights -= 1;
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
    if (this.flights === 0) this.idle$?.complete();
  }

  /** Sets the timer for the next attempt, unless who heard of the last one has left. */
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
      owner.fail(error); // a back-off of the user's own
    }
  }

  /** The answer came when nothing was left of the lease: it is cancelled, and asked for again. */
  private undo(single?: Attachment): void {
    const { request, terms, store } = this.owner;
    const { name, owner, ttl } = request;
    const { commandTimeout: within, scheduler } = terms;
    const late = new RedisUnreachableError(name, `The answer took longer than the ttl of ${ttl} ms`, 0);
    const tooLate = (): void => this.failed(late, single);
    const released$ = cancel(() => store.release({ name, owner }, within), { within, scheduler });
    released$.subscribe({ error: tooLate, complete: tooLate });
  }
}

/** From the first attempt to the grant: asked again as heartbeats or by back-off, cut short by a hand-off. As a pipeline of rxjs it cost each waiter 2.5 KB. */
import { type Observable, Subject } from 'rxjs';
import { type Instant, instant } from '../clock.ts';
import { isTransient, RedisUnreachableError } from '../errors.ts';
import { cancel } from '../store/cancel.ts';
import type { Answer, Request } from '../store/store.ts';
import type { Asker } from './asker.ts';
import type { Attachment, Standing } from './attachment.ts';
import { remaining } from './deadline.ts';
import type { Departure } from './departure.ts';
import { type Denied, Pace } from './pace.ts';
import type { Bound } from './renewal.ts';
import type { Sleeper } from './timers.ts';

export class Acquisition implements Sleeper {
  /** Whether Redis may know this owner. */
  known = false;
  /** Server ms until which an attempt of unknown outcome may still take effect; 0 where none may. */
  notAfter = 0;
  /** Monotonic ms at which it began. */
  readonly began: number;
  private readonly asker: Asker;
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

  constructor(asker: Asker) {
    this.asker = asker;
    this.began = asker.clock.now();
  }

  /** Queued once it has heard that others hold the lock. */
  get is(): 'asking' | 'queued' {
    return this.denied ? 'queued' : 'asking';
  }

  /** Asks for a place in the queue, and again until it is granted. */
  start(): void {
    if (this.patient) return;
    this.patient = true;
    this.ask();
  }

  /** One attempt, beside the queue. */
  once(single: Attachment): void {
    this.send(this.asker.request, single);
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
    const { clock, request, terms } = this.asker;
    return this.mayLand ? { ttl: request.ttl, until: clock.now() + terms.commandTimeout + 1 } : undefined;
  }

  /** Completes when no attempt is on its way any more; undefined where none is. */
  get settled$(): Observable<never> | undefined {
    if (this.flights === 0) return undefined;
    this.idle$ ??= new Subject();
    return this.idle$;
  }

  /** It is time to ask again. */
  wake(): void {
    this.ask();
  }

  /** Ask now: a grant may have been missed. */
  askAgain(): void {
    if (!this.asker.waits) return;
    if (this.asker.timer.isSet) this.ask();
    else this.missed = true;
  }

  /** A release has made this waiter the holder, for min(ttl, waiterTtl) from then; when that was is not known. */
  handOff(fence: number): void {
    const { request, clock } = this.asker;
    const { ttl, waiterTtl, replicas } = request; // with replicas only an answer counts, which they have confirmed
    if (this.denied && fence <= this.denied.clock) return; // an old grant, which this owner no longer had when it was denied
    const granted = this.heard && { fence, since: this.heard, ttl: Math.min(ttl, waiterTtl) };
    const lasts = granted && remaining(clock, granted.since, granted.ttl) > 0;
    if (lasts && !replicas && this.patient) this.asker.grant(granted);
    else this.askAgain();
  }

  /** With its ticket: where the server has forgotten that meanwhile, it gets its rank back. */
  private ask(): void {
    const { request, timer } = this.asker;
    const { rank, ticket } = this.denied ?? {};
    timer.clear();
    this.missed = false;
    this.send(rank === undefined || ticket === undefined ? request : { ...request, ticket });
  }

  private send(request: Request, single?: Attachment): void {
    const { clock, store, terms } = this.asker;
    const since = instant(clock);
    this.flights += 1;
    store.acquire(request, single === undefined, terms.commandTimeout).subscribe({
      next: (answer) => this.answered(answer, since, single),
      error: (error: unknown) => this.failed(error, single),
    });
  }

  private answered(answer: Answer, since: Instant, single?: Attachment): void {
    const { asker } = this;
    if (!this.heard || this.heard.now < since.now) this.heard = since;
    this.pace?.heard();
    this.known ||= answer.granted || single === undefined;
    const granted = answer.granted && { fence: answer.fence, since, ttl: asker.request.ttl };
    if (granted && asker.waits && remaining(asker.clock, since, granted.ttl) <= 0) {
      this.undo(single);
      return;
    }
    this.flights -= 1;
    if (granted)
      asker.grant(granted); // who holds by now was handed this very lease, and who is leaving gives it back
    else if (single) asker.forgo(single);
    else if (!answer.granted) this.deny(answer);
    if (this.flights === 0) this.idle$?.complete();
  }

  private deny(denied: Denied): void {
    const { asker } = this;
    const begins = this.is === 'asking';
    this.denied = denied;
    if (begins && asker.waits) asker.tell({ type: 'waiting' });
    this.pause((pace) => pace.afterDenial(denied, asker));
  }

  private failed(error: unknown, single?: Attachment): void {
    const { asker } = this;
    this.flights -= 1;
    if (error instanceof RedisUnreachableError && error.notAfter !== undefined) {
      this.known = true;
      this.notAfter = Math.max(this.notAfter, error.notAfter);
    }
    if (single) asker.forgo(single, error);
    else if (error instanceof Error && isTransient(error)) {
      if (asker.waits) asker.tell({ type: 'attemptFailed', error });
      this.pause((pace) => pace.afterFailure(error, asker));
    } else asker.fail(error);
    if (this.flights === 0) this.idle$?.complete();
  }

  /** Sets the timer for the next attempt, unless who heard of the last one has left. */
  private pause(wait: (pace: Pace) => number): void {
    const { asker, pace = new Pace() } = this;
    this.pace = pace;
    if (!asker.waits) return;
    try {
      const ms = asker.attached.inContext(() => wait(pace));
      if (!asker.waits) return;
      if (this.missed) this.ask();
      else asker.timer.set(ms);
    } catch (error) {
      asker.fail(error); // a back-off of the user's own
    }
  }

  /** The answer came when nothing was left of the lease: it is cancelled, and asked for again. */
  private undo(single?: Attachment): void {
    const { request, terms, store } = this.asker;
    const { name, owner, ttl } = request;
    const { commandTimeout: within, scheduler } = terms;
    const late = new RedisUnreachableError(name, `The answer took longer than the ttl of ${ttl} ms`, 0);
    const tooLate = (): void => this.failed(late, single);
    const released$ = cancel(() => store.release({ name, owner }, within), { within, scheduler });
    released$.subscribe({ error: tooLate, complete: tooLate });
  }

  /** Nobody waits any more: the owner is taken out of Redis. */
  end(departure: Departure, timedOut: boolean): void {
    const { asker, began } = this;
    const queued = this.is === 'queued';
    asker.timer.clear();
    if (queued) asker.tell({ type: 'abandoned', waited: asker.clock.now() - began, ...(timedOut && { timedOut }) });
    departure.start(asker, departure.clear(asker, asker.request.ttl), asker.terms.owner !== undefined, queued);
  }
}

/** The phase from the first attempt to the grant: attempts repeated as heartbeats or by back-off, or ended by a hand-off. No pipeline of rxjs: that cost each waiter 2.5 KB. */
import type { Observable } from 'rxjs';
import { type Instant, instant, remaining } from '../clock.ts';
import { isTransient, RedisUnreachableError } from '../errors.ts';
import { cancel, type InDoubt, inDoubtAfter, overAt } from '../store/cancel.ts';
import type { Answer, Released, Request } from '../store/store.ts';
import type { EventBody } from './events.ts';
import { type Denied, Pace } from './pace.ts';
import type { SessionView, Standing } from './session-view.ts';
import type { Sleeper } from './timers.ts';

/** Called when a single attempt has brought no lease: with its error, or without one if others hold the lock. */
type Ended = (error?: unknown) => void;

export class Acquisition implements Sleeper, Standing {
  heard: Instant | undefined;
  private readonly session: SessionView;
  readonly pace: Pace;
  /** Whether it waits in the queue, and asks until it is granted. A single attempt does not. */
  private patient = false;
  private inFlight = 0;
  private onIdle: (() => void) | undefined;
  /** The attempts of unknown outcome. */
  private unknown: InDoubt | undefined;
  denied: Denied | undefined;
  /** The fence of the last grant that came as an answer: higher than that of the lease that is held, if that was handed over and then broken. */
  grantedFence = 0;
  /** The highest number that the server had drawn when it denied an attempt. A grant with a lower fence was over by then. */
  private drawn = 0;
  /** A hint to ask again came while an attempt was in flight. That attempt may have been too early, so another one follows. */
  private missed = false;

  constructor(session: SessionView) {
    this.session = session;
    this.pace = new Pace(session);
  }

  /** 'queued' once an attempt was denied. */
  get is(): 'asking' | 'queued' {
    return this.denied ? 'queued' : 'asking';
  }

  /** The attempts of unknown outcome that may still take effect; undefined if none can. */
  get inDoubt(): InDoubt | undefined {
    return this.unknown && this.session.terms.clock.now() < this.unknown.until ? this.unknown : undefined;
  }

  /** Monotonic ms from which on no attempt can take effect any more, those in flight included; undefined if all have had answers. */
  get attemptsOverAt(): number | undefined {
    const { clock, commandTimeout } = this.session.terms;
    return this.inFlight > 0 ? overAt(clock.now(), commandTimeout) : this.unknown?.until;
  }

  /** Whether Redis may have a claim of this owner. */
  get mayHaveClaim(): boolean {
    return this.denied !== undefined || this.grantedFence > 0 || this.unknown !== undefined;
  }

  /** Calls back once no attempt is in flight any more: at once, if none is. */
  whenIdle(act: () => void): void {
    if (this.inFlight === 0) act();
    else this.onIdle = act;
  }

  /** Joins the queue, and asks until the lock is granted. */
  queue(): void {
    if (this.patient) return;
    this.patient = true;
    this.wake();
  }

  /** Makes a single attempt, which does not join the queue. */
  tryOnce(ended: Ended): void {
    this.send(this.session.request, ended);
  }

  /** The timer fires: asks again, with the ticket, so that the waiter gets its rank back if the server has forgotten it. */
  wake(): void {
    const { request, timer } = this.session;
    const { rank, ticket } = this.denied ?? {};
    timer.clear();
    this.missed = false;
    this.send(rank === undefined || ticket === undefined ? request : { ...request, ticket });
  }

  /** Asks now, or right after the attempt in flight, because a grant may have been missed. */
  askAgain(): void {
    const { waits, timer } = this.session;
    if (waits && timer.isSet) this.wake();
    else this.missed = waits;
  }

  /** A release has made this waiter the holder for min(ttl, waiterTtl). That was after its last answered attempt was sent, so the lease counts from then. */
  handOff(fence: number): void {
    const { request, terms } = this.session;
    const { ttl, waiterTtl, replicas } = request; // with replicas a message is no grant: they have to confirm an answer
    if (fence <= this.drawn) return; // an old grant: the owner did not have it any more when it was denied
    const granted = this.heard && { fence, since: this.heard, ttl: Math.min(ttl, waiterTtl) };
    const lasts = granted && remaining(terms.clock, granted.since, granted.ttl) > 0;
    if (lasts && !replicas && this.patient) this.session.grant(granted);
    else this.askAgain();
  }

  /** @param ended given for a single attempt */
  private send(request: Request, ended?: Ended): void {
    const { sessions, terms } = this.session;
    const since = instant(terms.clock);
    this.inFlight += 1;
    sessions.store.acquire(request, ended === undefined, terms.commandTimeout).subscribe({
      next: (answer) => this.answered(answer, since, ended),
      error: (error: unknown) => this.failed(error, ended),
    });
  }

  private answered(answer: Answer, since: Instant, ended?: Ended): void {
    const { session } = this;
    const { request, terms } = session;
    if (!this.heard || this.heard.now < since.now) this.heard = since;
    if (answer.granted && session.waits && remaining(terms.clock, since, request.ttl) <= 0) {
      this.cancelLate(answer.fence, ended);
      return;
    }
    this.pace.failed = undefined;
    this.inFlight -= 1;
    if (answer.granted) {
      this.grantedFence = answer.fence;
      session.grant({ fence: answer.fence, since, ttl: request.ttl }); // no effect if the session is being released, or holds by a hand-off
    } else {
      this.drawn = Math.max(this.drawn, answer.drawn);
      if (ended) ended();
      else this.deny(answer);
    }
    this.signalIdle();
  }

  private deny(denied: Denied): void {
    const event = this.denied ? undefined : ({ type: 'waiting' } as const);
    this.denied = denied;
    this.pause(event, () => this.pace.afterDenial(denied));
  }

  private failed(error: unknown, ended?: Ended): void {
    const { session } = this;
    const { clock, commandTimeout } = session.terms;
    this.inFlight -= 1;
    this.unknown = inDoubtAfter(error, overAt(clock.now(), commandTimeout), this.unknown);
    if (ended) ended(error);
    else if (error instanceof Error && isTransient(error))
      this.pause({ type: 'attemptFailed', error }, () => this.pace.afterFailure(error));
    else session.endWait(error);
    this.signalIdle();
  }

  private signalIdle(): void {
    if (this.inFlight === 0) this.onIdle?.();
  }

  /** Tells the event and sets the timer for the next attempt, as long as anybody waits: a listener and the back-off may leave. */
  private pause(event: EventBody | undefined, wait: () => number): void {
    const { session } = this;
    if (event && session.waits) session.tell(event);
    if (!session.waits) return;
    try {
      const ms = wait();
      if (this.missed && session.waits) this.wake();
      else if (session.waits) session.timer.set(ms);
    } catch (error) {
      session.endWait(error); // the user's back-off function threw
    }
  }

  /**
   * A grant arrived when its time was over: cancels it, by its fence, because another process may have the next lease of this
   * owner by then, and asks again. While another attempt is in flight nothing is cancelled: that one may have been granted
   * the same lease, which this process is about to believe.
   */
  private cancelLate(fence: number, ended?: Ended): void {
    const { request, terms, sessions } = this.session;
    const { name, owner, ttl } = request;
    const { commandTimeout: within, scheduler } = terms;
    const message = `Redis took longer to answer than the ttl of ${ttl} ms`;
    const late = new RedisUnreachableError(name, message, 0, undefined, 'raise ttl, or see why Redis is slow');
    const release = (): Observable<Released> => sessions.store.release({ name, owner, fence }, within);
    const failed = (): void => this.failed(late, ended);
    if (this.inFlight > 1) failed();
    else cancel(release, { within, scheduler }).subscribe({ error: failed, complete: failed });
  }
}

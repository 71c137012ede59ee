/** The life of one owner's lease on a name, in this coordinator. It is the only writer of the lease's state. */
import { EMPTY, type Observable } from 'rxjs';
import { CoordinatorClosedError, LockLostError, type LossReason } from '../errors.ts';
import type { Request } from '../store/store.ts';
import { Acquisition } from './acquisition.ts';
import type { Attachment } from './attachment.ts';
import { Departure } from './departure.ts';
import type { EventBody, LockEvent } from './events.ts';
import { Holding } from './holding.ts';
import type { Granted, SessionsView, SessionView } from './session-view.ts';
import type { Terms } from './terms.ts';
import { Timer } from './timers.ts';

/**
 *     asking ─ denied ─> queued ─ granted ─> held ─ released, lost ─> releasing ─ nothing is left ─> over
 *       ├────────────── granted ──────────────┘                        │
 *       └─────────── left, or failed for good; from queued, too ───────┘
 */
type State = Acquisition | Holding | Departure | { readonly is: 'over' };

export class Session implements SessionView {
  readonly sessions: SessionsView;
  readonly request: Request;
  readonly firstAttachment: Attachment;
  readonly timer: Timer;
  readonly acquisition: Acquisition;
  readonly terms: Terms;
  private state: State;
  /** Monotonic ms at which the wait began; once it was granted, the lease. */
  private began: number;
  /** The subscriptions, nearly always one. The array is replaced at each change, because one that grows reserves room for 16 more. */
  private attached: readonly Attachment[] = [];

  /** @param first the subscription for which the session is made, and which is attached next */
  constructor(sessions: SessionsView, request: Request, first: Attachment) {
    this.sessions = sessions;
    this.request = request;
    this.firstAttachment = first;
    this.terms = first.wanted.terms;
    this.began = this.terms.clock.now();
    this.state = this.acquisition = new Acquisition(this);
    this.timer = new Timer(sessions.timers(this.terms), this.acquisition);
  }

  get is(): State['is'] {
    return this.state.is;
  }

  get waits(): boolean {
    return this.is === 'asking' || this.is === 'queued';
  }

  get released$(): Observable<boolean> {
    return this.state.is === 'releasing' ? this.state.answer$ : EMPTY;
  }

  /** Attaches a subscription: it waits with the others; or it is given the held lease, once a renewal on its terms was answered or has failed. */
  attach(one: Attachment, patient: boolean): void {
    const { state, request } = this;
    const { terms } = one.wanted;
    if (!one.fits(request, state.is === 'held' ? state.lease.mode : request.mode, this.terms)) return;
    one.session = this;
    this.attached = this.attached.length === 0 ? [one] : [...this.attached, one];
    if (state.is === 'held') {
      state.terms = terms;
      const has = (): void => {
        if (!this.attached.includes(one)) return;
        state.apply(terms);
        one.next(state.lease);
      };
      state.renew(terms.ttl).subscribe({ error: has, complete: has });
    } else if (patient) this.acquisition.queue();
    else
      this.acquisition.tryOnce((error) => {
        if (!this.waits || !this.attached.includes(one)) return;
        this.leave(one);
        if (error === undefined) one.complete();
        else one.error(error);
      });
  }

  /** Detaches a subscription. The last one ends the wait, or the lease; any that was given the lease ends it, because they share it; another leaves nothing behind. */
  leave(one: Attachment, timedOut = false): void {
    if (!this.attached.includes(one)) return;
    this.attached = this.attached.filter((other) => other !== one);
    const { state, attached } = this;
    const last = attached.at(-1);
    if (state.is !== 'held') {
      if (!last) this.endWait(undefined, timedOut);
    } else if (last && !one.holds) state.terms = last.wanted.terms;
    else if (!this.endIfLapsed()) {
      this.attached = [];
      this.end(state, 'released');
      for (const other of attached) other.error(state.lease.loss);
    }
  }

  /** asking, queued → releasing. @param error what the subscriptions that are left are told */
  endWait(error: unknown, timedOut = false): void {
    if (!this.waits) return;
    const { acquisition, attached, timer, terms } = this;
    const queued = this.is === 'queued';
    const departure = new Departure(this, terms.owner !== undefined);
    this.attached = [];
    this.state = departure;
    timer.clear();
    if (queued) this.tell({ type: 'abandoned', waited: terms.clock.now() - this.began, ...(timedOut && { timedOut }) });
    departure.start(acquisition);
    for (const one of attached) one.error(error);
  }

  grant(granted: Granted): void {
    if (!this.waits) return;
    const { acquisition, attached, began, terms } = this;
    const held = new Holding(this, attached.at(-1)?.wanted.terms ?? terms, granted, acquisition.attemptsOverAt);
    this.began = terms.clock.now();
    this.state = held;
    for (const { wanted } of attached) held.apply(wanted.terms);
    this.tell({ type: 'acquired', waited: this.began - began, fence: granted.fence });
    for (const one of attached) if (this.state === held) one.next(held.lease);
    if (this.state === held) held.planFirst(); // work that is done by now needs no timer
  }

  endIfLapsed(): boolean {
    const { state } = this;
    if (state.is !== 'held') return true;
    const { lapse } = state;
    if (lapse) this.lose(lapse, lapse === 'unreachable' ? state.failed?.error : undefined);
    return lapse !== undefined;
  }

  lose(reason: LossReason, cause?: Error): void {
    const { state } = this;
    if (state.is === 'held') this.end(state, new LockLostError(this.request.name, reason, cause));
  }

  release(detach = false): Observable<boolean> {
    const { state } = this;
    if (state.is === 'held' && !this.endIfLapsed()) this.end(state, detach ? 'detached' : 'released');
    return this.released$;
  }

  /** The coordinator closes: ends the wait, and the lease too, unless `spare` lets it stay until its holder releases it. */
  shut(spare: boolean): void {
    const { attached, state, request } = this;
    const error = new CoordinatorClosedError(request.name);
    this.endWait(error);
    if (state.is !== 'held' || spare) return;
    this.attached = [];
    for (const one of attached) one.error(error);
    if (!this.endIfLapsed()) this.end(state, 'released');
  }

  /** The coordinator has closed: stops releasing. What is left in Redis lapses by itself. */
  abandon(): void {
    if (this.state.is === 'releasing') this.state.abandon();
  }

  finish(leavesGrant: boolean): void {
    this.state = { is: 'over' };
    this.sessions.forget(this, leavesGrant);
  }

  tell(event: EventBody): void {
    if (!this.sessions.events$.observed) return;
    const { name, owner } = this.request;
    const told = { ...event, name, owner, at: this.terms.clock.wall() } as LockEvent;
    this.firstAttachment.call(() => this.sessions.events$.next(told));
  }

  /**
   * held → releasing: every face of the lease says that it is over, then its owner is released in Redis. The subscriptions error
   * at once after a loss. Otherwise they complete: at once if the lease is detached, or when the release is acknowledged.
   */
  private end(held: Holding, how: LockLostError | 'released' | 'detached'): void {
    const { acquisition, attached, terms } = this;
    const given = held.terms.owner !== undefined;
    const duration = terms.clock.now() - this.began;
    const lost = how instanceof LockLostError ? how.reason : undefined;
    const detached = how === 'detached';
    const stays = detached || (given && lost !== undefined && lost !== 'maxHold'); // at maxHold what Redis has is still this lease
    const departure = new Departure(this, detached || given, (acknowledged) => {
      if (lost) this.tell({ type: 'lost', reason: lost, held: duration });
      else if (detached) this.tell({ type: 'detached', held: duration });
      else this.tell({ type: 'released', held: duration, acknowledged });
      for (const one of attached) one.end(held.lease);
    });
    this.attached = [];
    this.state = departure;
    held.end(detached ? 'released' : how);
    departure.start(acquisition, held, stays);
    if (lost || detached) departure.settle(false); // after the release was sent: a subscriber may acquire again at once
  }
}

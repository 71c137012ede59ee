/** The life of one owner's lease on a name, in this coordinator. It is the only writer of the lease's state. */
import { EMPTY, type Observable, of } from 'rxjs';
import { CoordinatorClosedError, LockLostError, type LossReason } from '../errors.ts';
import type { Request, Store } from '../store/store.ts';
import { Acquisition } from './acquisition.ts';
import { type Attachment, conflictOf } from './attachment.ts';
import { Departure } from './departure.ts';
import type { EventBody } from './events.ts';
import type { End } from './held-lease.ts';
import { Holding } from './holding.ts';
import type { Granted, Owner, Registry } from './owner.ts';
import type { Terms } from './terms.ts';
import { Timer } from './timers.ts';

/**
 *     asking ─ denied ─> queued ─ granted ─> held ─ released, lost ─> releasing ─ nothing is left ─> over
 *       ├────────────── granted ──────────────┘                        │
 *       └─────────── left, or failed for good; from queued, too ───────┘
 */
type State = Acquisition | Holding | Departure | { readonly is: 'over' };

export class Session implements Owner {
  readonly store: Store;
  readonly request: Request;
  readonly timer: Timer;
  readonly acquisition: Acquisition;
  terms: Terms;
  private state: State;
  /** The subscriptions, nearly always one. The array is replaced at each change, because one that grows reserves room for 16 more. */
  private attached: readonly Attachment[] = [];
  readonly first: Attachment;
  private readonly registry: Registry;

  /** @param first the subscription for which the session is made, and which is attached next */
  constructor(registry: Registry, request: Request, first: Attachment) {
    const { terms } = first.wanted;
    this.registry = registry;
    this.store = registry.store;
    this.request = request;
    this.terms = terms;
    this.first = first;
    this.state = this.acquisition = new Acquisition(this);
    this.timer = new Timer(registry.timers(terms), this.acquisition);
  }

  get waits(): boolean {
    return this.state.is === 'asking' || this.state.is === 'queued';
  }

  /** While it is being released: emits when that is done. A subscription that comes now must wait for it, and then begins a new session. */
  ending(): Observable<void> | undefined {
    this.check();
    return this.state.is === 'releasing' ? this.state.over() : undefined;
  }

  /** Attaches a subscription: it waits with the others; or it is given the held lease, once that was renewed on its terms. */
  attach(one: Attachment, patient: boolean): void {
    const { state, request } = this;
    const { kind, terms } = one.wanted;
    const conflict = conflictOf(request, state.is === 'held' ? state.lease.mode : request.mode, kind);
    if (conflict) {
      one.error(conflict);
      return;
    }
    one.host = this;
    this.attached = this.attached.length === 0 ? [one] : [...this.attached, one];
    if (state.is === 'held') {
      this.terms = terms;
      state.heed(terms);
      const has = (): void => {
        if (this.attached.includes(one)) one.next(state.lease);
      };
      state.ask(terms.ttl).subscribe({ error: has, complete: has });
    } else if (patient) this.acquisition.start();
    else this.acquisition.once(one);
  }

  /** Detaches a subscription. The last one that waits ends the wait; any one that holds ends the lease, because they share it. */
  leave(one: Attachment): void {
    if (!this.attached.includes(one)) return;
    this.attached = this.attached.filter((other) => other !== one);
    if (this.waits && this.attached.length === 0) this.withdraw(one.timedOut);
    const { state } = this;
    if (state.is !== 'held' || !this.check()) return;
    for (const other of this.end(state, 'released')) other.error(state.lease.loss);
  }

  forgo(single: Attachment, error?: unknown): void {
    if (!this.waits || !this.attached.includes(single)) return;
    this.leave(single);
    if (error === undefined) single.complete();
    else single.error(error);
  }

  fail(error: unknown): void {
    if (this.waits) for (const one of this.withdraw()) one.error(error);
  }

  grant(granted: Granted): void {
    if (!this.waits) return;
    const { acquisition, attached } = this;
    const held = new Holding(this, granted, acquisition.bound);
    this.state = held;
    this.terms = attached.at(-1)?.wanted.terms ?? this.terms;
    for (const { wanted } of attached) held.heed(wanted.terms);
    held.start();
    this.tell({ type: 'acquired', waited: held.began - acquisition.began, fence: granted.fence });
    for (const one of attached) if (this.state === held) one.next(held.lease);
  }

  check(): boolean {
    const { state } = this;
    if (state.is !== 'held') return false;
    const { lapse, failure } = state;
    if (lapse) this.lose(lapse, lapse === 'unreachable' ? failure : undefined);
    return !lapse;
  }

  lose(reason: LossReason, cause?: Error): void {
    const { state } = this;
    if (state.is !== 'held') return;
    const error = new LockLostError(this.request.name, reason, cause);
    for (const one of this.end(state, error)) one.error(error);
  }

  release(detach = false): Observable<boolean> {
    if (this.check() && this.state.is === 'held') this.end(this.state, 'released', detach ? 'detached' : 'completed');
    return (this.state.is === 'releasing' && this.state.answer()) || of(false);
  }

  settled(): Observable<boolean> {
    return (this.state.is === 'releasing' && this.state.answer()) || EMPTY;
  }

  /** The coordinator closes: ends the wait, and the lease too, unless `spare` lets it stay until its holder releases it. */
  shut(spare: boolean): void {
    const error = new CoordinatorClosedError(this.request.name);
    this.fail(error);
    if (this.state.is !== 'held' || spare) return;
    for (const one of this.take()) one.error(error);
    if (this.check() && this.state.is === 'held') this.end(this.state, 'released');
  }

  /** The coordinator has closed: stops releasing. What is left in Redis lapses by itself. */
  abandon(): void {
    if (this.state.is === 'releasing') this.state.abandon();
  }

  over(leavesGrant: boolean): void {
    this.state = { is: 'over' };
    this.registry.ended(this, leavesGrant);
  }

  tell(event: EventBody): void {
    if (this.registry.events$.observed) this.first.runInAsyncScope(() => this.registry.tell(this, event));
  }

  /** Detaches and returns all subscriptions. What they are told now is the last. */
  private take(): readonly Attachment[] {
    const { attached } = this;
    this.attached = [];
    return attached;
  }

  /** asking, queued → releasing. Returns the subscriptions to tell. */
  private withdraw(timedOut = false): readonly Attachment[] {
    const { acquisition, timer } = this;
    const all = this.take();
    const queued = acquisition.is === 'queued';
    const departure = new Departure(this);
    this.state = departure;
    timer.clear();
    const waited = this.terms.clock.now() - acquisition.began;
    if (queued) this.tell({ type: 'abandoned', waited, ...(timedOut && { timedOut }) });
    departure.withdraw(acquisition, queued);
    return all;
  }

  /**
   * held → releasing: first every face of the lease says that it is over, then its owner is released in Redis. Returns the
   * subscriptions to tell. (With `how` they complete by themselves once that is done.)
   */
  private end(held: Holding, end: End, how?: 'detached' | 'completed'): readonly Attachment[] {
    const duration = this.terms.clock.now() - held.began;
    const all = this.take();
    const lost = end === 'released' ? undefined : end;
    const leaving = { duration, detached: how === 'detached', streams: how ? all : [] };
    const departure = new Departure(this, lost ? undefined : leaving);
    this.state = departure;
    held.stop();
    this.first.runInAsyncScope(() => held.lease.finish(end));
    if (lost) this.tell({ type: 'lost', reason: lost.reason, held: duration });
    departure.giveUp(held, this.acquisition, lost?.reason);
    return all;
  }
}

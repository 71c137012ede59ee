/** The life of one owner's lease on a name, in this coordinator: the sole writer of what is believed of it. */
import { EMPTY, type Observable, of } from 'rxjs';
import type { Clock } from '../clock.ts';
import { CoordinatorClosedError, LockLostError, type LossReason } from '../errors.ts';
import type { Request, Store } from '../store/store.ts';
import { Acquisition } from './acquisition.ts';
import type { Asker, Granted } from './asker.ts';
import { type Attachment, conflictOf, type Host } from './attachment.ts';
import { Attachments } from './attachments.ts';
import { Departure, type Leaver } from './departure.ts';
import type { Told } from './events.ts';
import { Held } from './held.ts';
import type { End, Keeper } from './held-lease.ts';
import type { Renewal, Tenant } from './renewal.ts';
import type { Surroundings } from './surroundings.ts';
import type { Terms } from './terms.ts';
import { Timer } from './timers.ts';

/**
 *     asking ─ denied ─> queued ─ granted ─> held ─ released, lost ─> releasing ─ nothing is left ─> over
 *       ├────────────── granted ──────────────┘                        │
 *       └─────────── left, or failed for good; from queued, too ───────┘
 */
type State = Acquisition | Held | Departure | { readonly is: 'over' };

export class Session implements Host, Asker, Tenant, Keeper, Leaver {
  readonly key: string;
  readonly request: Request;
  readonly writes: boolean;
  readonly timer: Timer;
  readonly acquisition: Acquisition;
  /** Those of the first subscription; once it holds, those of the last. */
  terms: Terms;
  private state: State;
  readonly attached = new Attachments();
  private readonly around: Surroundings;

  constructor(around: Surroundings, key: string, request: Request, terms: Terms, writes = false) {
    this.around = around;
    this.key = key;
    this.request = request;
    this.terms = terms;
    this.writes = writes;
    this.state = this.acquisition = new Acquisition(this);
    this.timer = new Timer(around.timers(terms), this.acquisition);
  }

  get clock(): Clock {
    return this.terms.clock;
  }

  get store(): Store {
    return this.around.store;
  }

  get waits(): boolean {
    return this.state.is === 'asking' || this.state.is === 'queued';
  }

  get settled$(): Observable<boolean> {
    return (this.state.is === 'releasing' ? this.state.answer$ : undefined) ?? EMPTY;
  }

  /** Emits when it is over, where that has begun: a subscription that comes now is to begin anew after it. */
  ending(): Observable<void> | undefined {
    this.check();
    return this.state.is === 'releasing' ? this.state.over$ : undefined;
  }

  /** A subscription comes, and waits too; or it has the lease that is held, once that was renewed on its terms. */
  attach(one: Attachment, patient: boolean): void {
    const { state, request } = this;
    const { kind, terms } = one.wanted;
    const conflict = conflictOf(request, state.is === 'held' ? state.lease.mode : request.mode, kind);
    if (conflict) {
      one.error(conflict);
      return;
    }
    one.host = this;
    this.attached.add(one);
    if (state.is === 'held') {
      state.lease.shared = true;
      this.terms = terms;
      state.bound(terms);
      const has = (): void => {
        if (this.attached.has(one)) one.next(state.lease);
      };
      state.renewal.ask(terms.ttl).subscribe({ error: has, complete: has });
    } else if (patient) this.acquisition.start();
    else this.acquisition.once(one);
  }

  /** A subscription leaves: the last one of those that wait, or any one of those that hold, for they have one lease. */
  leave(one: Attachment): void {
    if (!this.attached.remove(one)) return;
    if (this.waits && this.attached.now.length === 0) this.withdraw(one.timedOut);
    const { state } = this;
    if (state.is !== 'held' || !this.check()) return;
    const others = this.attached.take();
    this.end(state, 'released');
    for (const other of others) other.error(state.lease.loss);
  }

  forgo(single: Attachment, error?: unknown): void {
    if (!this.waits || !this.attached.has(single)) return;
    this.leave(single);
    if (error === undefined) single.complete();
    else single.error(error);
  }

  fail(error: unknown): void {
    if (!this.waits) return;
    const all = this.attached.take();
    this.withdraw();
    for (const one of all) one.error(error);
  }

  grant(granted: Granted): void {
    if (!this.waits) return;
    const { acquisition } = this;
    const held = new Held(this, granted, acquisition.bound);
    const all = this.attached.now;
    this.state = held;
    held.lease.shared = all.length > 1;
    this.terms = all.at(-1)?.wanted.terms ?? this.terms;
    for (const { wanted } of all) held.bound(wanted.terms);
    held.renewal.begin();
    this.tell({ type: 'acquired', waited: held.since - acquisition.began, fence: granted.fence });
    for (const one of all) if (this.state === held) one.next(held.lease);
  }

  check(): boolean {
    const lapse = this.state.is === 'held' ? this.state.lapse : undefined;
    if (lapse) this.lose(lapse.reason, lapse.cause);
    return this.state.is === 'held';
  }

  lose(reason: LossReason, cause?: Error): void {
    const { state } = this;
    if (state.is !== 'held') return;
    const error = new LockLostError(this.request.name, reason, cause);
    const all = this.attached.take();
    this.end(state, error);
    for (const one of all) one.error(error);
  }

  get renewal(): Renewal | undefined {
    return this.state.is === 'held' ? this.state.renewal : undefined;
  }

  release(detach = false): Observable<boolean> {
    if (this.check() && this.state.is === 'held') this.end(this.state, 'released', this.attached.take(), detach);
    return (this.state.is === 'releasing' ? this.state.answer$ : undefined) ?? of(false);
  }

  /** There are no leases any more. What is held may stay so until its holder releases it, if it is spared. */
  shut(spare: boolean): void {
    const error = new CoordinatorClosedError(this.request.name);
    this.fail(error);
    if (this.state.is !== 'held' || spare) return;
    const all = this.attached.take();
    for (const one of all) one.error(error);
    if (this.check() && this.state.is === 'held') this.end(this.state, 'released');
  }

  /** The coordinator has closed: what is still to be released is left to lapse. */
  abandon(): void {
    if (this.state.is === 'releasing') this.state.abandon();
  }

  over(leavesGrant: boolean): void {
    this.state = { is: 'over' };
    this.around.ended(this, leavesGrant);
  }

  /** In the context of who has subscribed, which spans and logs go by. */
  tell(event: Told): void {
    if (this.around.observed) this.attached.inContext(() => this.around.tell(this, event));
  }

  /** held → releasing. @param completed whose streams complete once it is released */
  private end(held: Held, end: End, completed: readonly Attachment[] = [], detached = false): void {
    const { duration } = held;
    const departure = new Departure(this.attached, (acknowledged) => {
      if (detached) this.tell({ type: 'detached', held: duration });
      else if (end === 'released') this.tell({ type: 'released', held: duration, acknowledged });
      for (const one of completed) one.complete();
    });
    this.state = departure;
    held.end(departure, end, detached);
  }

  /** asking, queued → releasing. */
  private withdraw(timedOut = false): void {
    const departure = new Departure(this.attached);
    this.state = departure;
    this.acquisition.end(departure, timedOut);
  }
}

/** The life of one owner's lease on a name, in this coordinator: the sole writer of what is believed of it. */
import { EMPTY, type Observable, of, Subject } from 'rxjs';
import type { Clock } from '../clock.ts';
import { CoordinatorClosedError, LockLostError, type LossReason, OwnerConflictError } from '../errors.ts';
import type { Request, Store } from '../store/store.ts';
import { Acquisition, type Asker, type Granted } from './acquisition.ts';
import type { Attachment, Host } from './attachment.ts';
import { Departure, type Leaver } from './departure.ts';
import type { Told } from './events.ts';
import { Held } from './held.ts';
import type { End, Keeper } from './held-lease.ts';
import type { Tenant } from './renewal.ts';
import type { Surroundings } from './surroundings.ts';
import type { Kind, Terms } from './terms.ts';
import { type Sleeper, Timer, type Turn } from './timers.ts';

/**
 *     asking ─ denied ─> queued ─ granted ─> held ─ released, lost ─> releasing ─ nothing is left ─> over
 *       ├────────────── granted ──────────────┘                        │
 *       └─────────── left, or failed for good; from queued, too ───────┘
 */
type State = Acquisition | Held | Departure | { readonly is: 'over' };

export class Session implements Host, Asker, Tenant, Keeper, Leaver, Sleeper, Turn {
  /** By what it is found. */
  readonly key: string;
  readonly request: Request;
  readonly clock: Clock;
  readonly writes: boolean;
  readonly store: Store;
  readonly timer: Timer;
  readonly acquisition: Acquisition;
  /** Those of the first subscription; once it holds, those of the last. */
  terms: Terms;
  private state: State;
  private attached: Attachment[] = [];
  private over$: Subject<void> | undefined;
  private readonly began: number;
  private readonly around: Surroundings;

  constructor(around: Surroundings, key: string, request: Request, terms: Terms, writes = false) {
    this.around = around;
    this.key = key;
    this.request = request;
    this.terms = terms;
    this.writes = writes;
    this.clock = terms.clock;
    this.store = around.store;
    this.began = terms.clock.now();
    this.timer = new Timer(around.timers(terms), this);
    this.state = this.acquisition = new Acquisition(this);
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
    if (this.state.is === 'releasing') this.over$ ??= new Subject();
    return this.over$;
  }

  /** A subscription comes, and waits too; or it has the lease that is held, once that was renewed on its terms. */
  attach(one: Attachment, { mode, permits }: Kind, patient: boolean): void {
    const { state, request } = this;
    const itsMode = state.is === 'held' ? state.lease.mode : request.mode;
    if (mode !== itsMode || permits > request.permits) {
      const otherwise = mode === itsMode ? 'of fewer permits' : undefined;
      one.error(new OwnerConflictError(request.name, request.owner, otherwise));
      return;
    }
    one.host = this;
    this.attached.push(one);
    if (state.is === 'held') {
      state.lease.shared = true;
      this.adopt(state, one.terms);
      const has = (): void => {
        if (this.attached.includes(one)) one.next(state.lease);
      };
      state.renewal.ask(one.terms.ttl).subscribe({ error: has, complete: has });
    } else if (patient) this.acquisition.start();
    else this.acquisition.once(one);
  }

  /** A subscription leaves: the last one of those that wait, or any one of those that hold, for they have one lease. */
  leave(one: Attachment): void {
    const place = this.attached.indexOf(one);
    if (place < 0) return;
    this.attached.splice(place, 1);
    if (this.waits && this.attached.length === 0) this.withdraw(one.timedOut);
    const { state } = this;
    if (state.is !== 'held' || !this.check()) return;
    const others = this.takeAll();
    this.end(state, 'released');
    const { loss } = state.lease;
    for (const other of others) other.error(loss);
  }

  forgo(single: Attachment, error?: unknown): void {
    if (!this.waits || !this.attached.includes(single)) return;
    this.leave(single);
    if (error === undefined) single.complete();
    else single.error(error);
  }

  fail(error: unknown): void {
    if (!this.waits) return;
    const all = this.takeAll();
    this.withdraw();
    for (const one of all) one.error(error);
  }

  /** Its grant is told, or that one may have been missed. */
  hint(fence?: number): void {
    if (!this.waits) return;
    if (fence === undefined) this.acquisition.askAgain();
    else this.acquisition.handOff(fence);
  }

  grant(granted: Granted): void {
    if (!this.waits) return;
    const { request, acquisition, terms, clock } = this;
    const bound = { ttl: request.ttl, until: clock.now() + terms.commandTimeout + 1 };
    const held = new Held(this, granted, acquisition.mayLand ? bound : undefined);
    const all = [...this.attached];
    this.state = held;
    held.lease.shared = all.length > 1;
    for (const one of all) this.adopt(held, one.terms);
    held.renewal.begin();
    this.tell({ type: 'acquired', waited: held.since - this.began, fence: granted.fence });
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
    const all = this.takeAll();
    this.end(state, error, all);
    for (const one of all) one.error(error);
  }

  renew(ttl?: number, downgrade?: boolean): Observable<void> {
    return this.state.is === 'held' ? this.state.renewal.ask(ttl, downgrade) : EMPTY;
  }

  release(): Observable<boolean> {
    if (this.check() && this.state.is === 'held') this.end(this.state, 'released', this.takeAll(), true);
    return (this.state.is === 'releasing' ? this.state.answer$ : undefined) ?? of(false);
  }

  letGo(): void {
    if (this.state.is === 'held') this.end(this.state, 'released', this.takeAll(), true, true);
  }

  /** There are no leases any more. What is held may stay so until its holder releases it, if it is spared. */
  shut(spare: boolean): void {
    const error = new CoordinatorClosedError(this.request.name);
    this.fail(error);
    if (this.state.is !== 'held' || spare) return;
    const all = this.takeAll();
    for (const one of all) one.error(error);
    if (this.check() && this.state.is === 'held') this.end(this.state, 'released', all);
  }

  /** The coordinator has closed: what is still to be released is left to lapse. */
  abandon(): void {
    if (this.state.is === 'releasing') this.state.abandon();
  }

  /** Its timer. */
  wake(): void {
    if (this.waits) this.acquisition.ask();
    else if (this.check()) this.timer.inTurn(this);
  }

  /** Its turn among the leases that are due. */
  take(): void {
    if (this.state.is === 'held') this.state.renewal.due();
  }

  over(leavesGrant: boolean): void {
    this.state = { is: 'over' };
    this.around.ended(this, leavesGrant);
    this.over$?.next();
  }

  /** In the context of who has subscribed, which spans and logs go by. */
  tell(event: Told): void {
    this.inContext(() => this.around.tell(this, event));
  }

  inContext<T>(ask: () => T): T {
    const [one] = this.attached;
    return one ? one.runInAsyncScope(ask) : ask();
  }

  private adopt(held: Held, terms: Terms): void {
    this.terms = terms;
    held.bound(terms, this.around.timers(terms));
  }

  private takeAll(): readonly Attachment[] {
    const all = this.attached;
    this.attached = [];
    return all;
  }

  /**
   * held → releasing. The lease is over, in every way in which it says so, before anything else happens.
   *
   * @param all who had it @param completes whether their streams complete once it is released
   */
  private end(held: Held, end: End, all: readonly Attachment[] = [], completes = false, detached = false): void {
    const { duration, lease, renewal } = held;
    const lost = end !== 'released';
    const departure = new Departure((acknowledged) => {
      if (detached) this.tell({ type: 'detached', held: duration });
      else if (!lost) this.tell({ type: 'released', held: duration, acknowledged });
      if (completes) for (const one of all) one.complete();
    });
    this.state = departure;
    held.stop();
    const [first] = all;
    if (first) first.runInAsyncScope(lease.finish, lease, end);
    else lease.finish(end);
    if (lost) this.tell({ type: 'lost', reason: end.reason, held: duration });
    const given = this.terms.owner !== undefined; // then another process may hold by it since, unless it ended it itself
    const left = detached || (lost && given && end.reason !== 'maxHold');
    const released$ = left ? renewal.landed() : departure.clear(this, renewal.ttl, lease.fence);
    departure.start(this, released$, given || detached, false);
    if (lost || detached) departure.tell(false); // after its release was sent: who hears of it may ask anew
  }

  /** asking, queued → releasing. */
  private withdraw(timedOut = false): void {
    const queued = this.state.is === 'queued';
    const departure = new Departure();
    this.state = departure;
    this.timer.clear();
    if (queued) this.tell({ type: 'abandoned', waited: this.clock.now() - this.began, ...(timedOut && { timedOut }) });
    departure.start(this, departure.clear(this, this.request.ttl), this.terms.owner !== undefined, queued);
  }
}

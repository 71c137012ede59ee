/** Who holds and waits in this process: grants are routed to them, in the order in which they came. */
import { filter, first, Observable, of, type SchedulerLike, Subject, take } from 'rxjs';
import type { Clock } from '../clock.ts';
import { CoordinatorClosedError } from '../errors.ts';
import type { Grant, Store } from '../store/store.ts';
import { Agenda } from './agenda.ts';
import type { LockEvent } from './events.ts';
import type { Hold } from './hold.ts';
import { Refusal } from './refusal.ts';

/** An event before the fields that all events share. */
type Told<E = LockEvent> = E extends LockEvent ? Omit<E, 'name' | 'owner' | 'at'> : never;

/** ms to give back a grant that nobody here waits for any more; it lapses by itself otherwise. */
const GIVE_BACK = 500;

const NONE: Hold[] = [];

export class Registry {
  readonly events$ = new Subject<LockEvent>();
  readonly store: Store;
  /** Whether new leases are refused: from the beginning of a drain on. */
  ending = false;
  /** Whether all is refused. */
  closed = false;
  readonly refusal = new Refusal();
  private readonly closing$ = new Subject<never>();
  private readonly left$ = new Subject<void>();
  /** By where their time comes from. */
  private readonly agendas = new WeakMap<SchedulerLike, Agenda>();
  /** By owner, which is nearly always one hold of its own. */
  private readonly holds = new Map<string, Hold[]>();
  /** Owners that have gone and whose grants are to be left alone: until when one may still be told. */
  private readonly gone = new Map<string, number>();

  constructor(store: Store) {
    this.store = store;
    store.grants$.subscribe((grant) => this.route(grant));
  }

  private get all(): Hold[] {
    return [...this.holds.values()].flat();
  }

  add(hold: Hold): void {
    const { owner } = hold.request;
    const others = this.holds.get(owner);
    if (others) others.push(hold);
    else this.holds.set(owner, [hold]);
  }

  delete(hold: Hold): void {
    const { owner } = hold.request;
    const left = this.holds.get(owner) ?? NONE;
    left.splice(left.indexOf(hold), 1); // the last one too: a former table of the Map keeps the array for a while
    if (left.length === 0) this.holds.delete(owner);
    if (hold.leavesGrant) this.remember(hold);
    if (this.left$.observed) this.left$.next();
  }

  /** The other holds of the same owner, those too that leave: what they have asked for may come yet. */
  others(hold: Hold): Hold[] {
    const all = this.of(hold.request);
    return all.length > 1 ? all.filter((other) => other !== hold) : NONE;
  }

  /** Those that go on: they share its lease, or its place in the queue. */
  twins(hold: Hold): Hold[] {
    return this.others(hold).filter((other) => !other.leaving);
  }

  /** Emits when no earlier hold of the same owner is still to be cleared away: its release must not land behind an attempt. */
  cleared(hold: Hold): Observable<unknown> {
    const leaving = (): boolean => this.of(hold.request).some((other) => other.leaving);
    return leaving() ? this.left$.pipe(first(() => !leaving())) : of(undefined);
  }

  /** What is asked of an open coordinator; when it closes, its end. */
  whileOpen<T>(asked: Observable<T>, scheduler: SchedulerLike): Observable<T> {
    return new Observable((subscriber) => {
      if (this.closed) return this.refusal.refuse(subscriber, scheduler);
      subscriber.add(this.closing$.subscribe(subscriber));
      return asked.subscribe(subscriber);
    });
  }

  /** Grants no more leases: whoever waits is told so. Emits once nothing is held any more. */
  drain(): Observable<unknown> {
    this.ending = true;
    this.refusal.tell(() => {
      for (const hold of this.all) if (!hold.holding) hold.shut();
    });
    return this.emptied;
  }

  /** Ends all holds, and emits once nothing is left of them. */
  shut(): Observable<unknown> {
    this.ending = true;
    this.closed = true;
    this.refusal.tell(() => {
      for (const hold of this.all) hold.shut();
      this.closing$.error(new CoordinatorClosedError());
    });
    return this.emptied;
  }

  private get emptied(): Observable<unknown> {
    if (this.holds.size === 0) return of(undefined);
    return this.left$.pipe(
      filter(() => this.holds.size === 0),
      take(1),
    );
  }

  /** The store is closed: what is still to be released is left to lapse. */
  end(): void {
    for (const hold of this.all) hold.abandon();
    this.events$.complete();
  }

  /** What all that goes by the same time have in common. */
  agenda({ scheduler, clock }: { readonly scheduler: SchedulerLike; readonly clock: Clock }): Agenda {
    const known = this.agendas.get(scheduler);
    const agenda = known ?? new Agenda(scheduler, clock);
    if (!known) this.agendas.set(scheduler, agenda);
    return agenda;
  }

  tell(hold: Hold, event: Told): void {
    if (!this.events$.observed) return;
    const { name, owner } = hold.request;
    this.events$.next({ ...event, name, owner, at: hold.clock.wall() } as LockEvent);
  }

  /** All holds of an owner on a name. */
  private of({ name, owner }: { readonly name: string; readonly owner: string }): Hold[] {
    const all = this.holds.get(owner) ?? NONE;
    return all.every(({ request }) => request.name === name) ? all : all.filter(({ request }) => request.name === name);
  }

  private remember({ request: { owner, waiterTtl }, clock }: Hold): void {
    const now = clock.now();
    for (const [other, until] of this.gone) {
      if (until >= now) break;
      this.gone.delete(other);
    }
    this.gone.delete(owner); // to the end: they stand in the order of their time
    this.gone.set(owner, now + 2 * waiterTtl);
  }

  private route(grant: Grant | undefined): void {
    const { fence } = grant ?? {};
    const holds = grant ? [...this.of(grant)] : this.all; // who is told may leave at once
    for (const hold of holds) {
      if (fence === undefined) hold.askAgain();
      else hold.handed(fence);
    }
    if (grant && fence !== undefined && holds.length === 0) this.giveBack(grant);
  }

  /** Its waiter has gone, and Redis does not know: the release was lost, or a failover has forgotten it. */
  private giveBack({ name, owner }: Grant): void {
    if (this.holds.has(owner) || this.gone.has(owner)) return;
    this.store.release({ name, owner }, GIVE_BACK).subscribe({ error: () => undefined });
  }
}

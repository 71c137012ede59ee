/** The sessions of a coordinator, one for each owner of a name: subscriptions and grants find theirs by it. */
import { randomUUID } from 'node:crypto';
import {
  type MonoTypeOperatorFunction,
  merge,
  Observable,
  of,
  type SchedulerLike,
  Subject,
  type Subscriber,
  take,
  throwError,
  timeout,
} from 'rxjs';
import { CoordinatorClosedError, RedisUnreachableError } from '../errors.ts';
import type { Grant, Request, Store } from '../store/store.ts';
import type { Attachment } from './attachment.ts';
import type { LockEvent, Told } from './events.ts';
import type { Lease } from './lease.ts';
import { Refusal } from './refusal.ts';
import { Session } from './session.ts';
import type { Surroundings } from './surroundings.ts';
import type { Kind, Terms } from './terms.ts';
import { Timers } from './timers.ts';

/** ms to give back a grant that nobody here waits for any more; it lapses by itself otherwise. */
const GIVE_BACK = 500;

/** How many have begun in this process. */
let turns = 0;

export class Sessions implements Surroundings {
  readonly events$ = new Subject<LockEvent>();
  readonly store: Store;
  /** Whether new leases are refused: from the beginning of a drain on. */
  ending = false;
  /** Whether the process was warned that waits are hindered. */
  private warned = false;
  /** Whether all is refused. */
  closed = false;
  readonly refusal = new Refusal();
  private readonly closing$ = new Subject<never>();
  private readonly none$ = new Subject<void>();
  private readonly sessions = new Map<string, Session>();
  /** Those that have ended, and whose grants are to be left alone: until when one may still be told. */
  private readonly left = new Map<string, number>();
  private readonly schedulers = new WeakMap<SchedulerLike, Timers>();

  constructor(store: Store) {
    this.store = store;
    store.grants$.subscribe((grant) => this.route(grant));
  }

  /** Attaches a subscription to the session of its owner, or to a new one. */
  open(one: Attachment, patient: boolean, subscriber: Subscriber<Lease>): void {
    const { name, kind, terms } = one.wanted;
    if (this.ending) {
      subscriber.add(this.refusal.refuse(subscriber, terms.scheduler, name));
      return;
    }
    const { owner } = terms;
    const known = owner === undefined ? undefined : this.sessions.get(keyOf(name, owner));
    const ending$ = known?.ending();
    if (!ending$) {
      (known ?? this.add(name, kind, terms)).attach(one, patient);
      return;
    }
    const next = (): void => this.open(one, patient, subscriber);
    const waits = merge(ending$, this.closing$).pipe(take(1), patient ? all : notLong(name, terms));
    subscriber.add(waits.subscribe({ next, error: (error: unknown) => one.error(error) }));
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
    return this.shutAll(true);
  }

  /** Ends all sessions, and emits once nothing is left of them. */
  shut(): Observable<unknown> {
    this.closed = true;
    return this.shutAll(false);
  }

  get observed(): boolean {
    return this.events$.observed;
  }

  /** The store is closed: what is still to be released is left to lapse. */
  end(): void {
    for (const session of this.all) session.abandon();
    this.events$.complete();
  }

  /** Those of all that goes by the same time. */
  timers({ scheduler, clock }: Pick<Terms, 'scheduler' | 'clock'>): Timers {
    const known = this.schedulers.get(scheduler);
    const timers = known ?? new Timers(scheduler, clock);
    if (!known) this.schedulers.set(scheduler, timers);
    return timers;
  }

  tell({ request: { name, owner }, clock }: Session, event: Told): void {
    if (event.type === 'hindered' && !this.warned) {
      this.warned = true;
      process.emitWarning(`Whoever waits for a lock goes on waiting: ${event.error.message}`, {
        code: 'REDISYNC_HINDERED',
      });
    }
    this.events$.next({ ...event, name, owner, at: clock.wall() } as LockEvent);
  }

  ended({ key, request, clock }: Session, leavesGrant: boolean): void {
    this.sessions.delete(key);
    if (leavesGrant) this.remember(key, clock.now(), request.waiterTtl);
    if (this.sessions.size === 0) this.none$.next();
  }

  holds(name: string, owner: string): boolean {
    const session = this.sessions.get(owner) ?? this.sessions.get(keyOf(name, owner));
    return session?.request.name === name && session.check();
  }

  private add(name: string, { mode, permits, limit, writes }: Kind, terms: Terms): Session {
    const { ttl, waiterTtl, replicas, identity } = terms;
    const owner = terms.owner ?? `${identity}:${randomUUID()}`;
    const key = terms.owner === undefined ? owner : keyOf(name, owner);
    turns += 1;
    const request: Request = { name, owner, mode, permits, limit, ttl, waiterTtl, replicas, turn: turns };
    const session = new Session(this, key, request, terms, writes);
    this.sessions.set(key, session);
    return session;
  }

  private get all(): readonly Session[] {
    return [...this.sessions.values()]; // who is told may leave at once
  }

  private shutAll(spare: boolean): Observable<unknown> {
    this.ending = true;
    this.refusal.tell(() => {
      for (const session of this.all) session.shut(spare);
      if (!spare) this.closing$.error(new CoordinatorClosedError());
    });
    return this.sessions.size === 0 ? of(undefined) : this.none$.pipe(take(1));
  }

  private remember(key: string, now: number, waiterTtl: number): void {
    for (const [other, until] of this.left) {
      if (until >= now) break;
      this.left.delete(other);
    }
    this.left.delete(key); // to the end: they stand in the order of their time
    this.left.set(key, now + 2 * waiterTtl);
  }

  private route(grant: Grant | undefined): void {
    if (!grant) {
      for (const { acquisition } of this.all) acquisition.askAgain();
      return;
    }
    const { name, owner, fence } = grant;
    const key = keyOf(name, owner);
    const session = this.sessions.get(owner) ?? this.sessions.get(key);
    if (session) {
      if (session.request.name !== name) return;
      if (fence === undefined) session.acquisition.askAgain();
      else session.acquisition.handOff(fence);
    } else if (fence !== undefined && !this.left.has(owner) && !this.left.has(key)) this.giveBack(name, owner, fence);
  }

  /** Its waiter has gone, and Redis does not know: the release was lost, or a failover has forgotten it. */
  private giveBack(name: string, owner: string, fence: number): void {
    this.store.release({ name, owner, fence }, GIVE_BACK).subscribe({ error: () => undefined });
  }
}

/** By what the session of a given owner is found; that of an owner of our own making, which is unique, by the owner. */
const keyOf = (name: string, owner: string): string => `${name.length} ${name}${owner}`;

const all: MonoTypeOperatorFunction<void> = (source) => source;

/** A single attempt waits for the end of an earlier lease no longer than for an answer. */
const notLong = (name: string, { commandTimeout, scheduler }: Terms): MonoTypeOperatorFunction<void> => {
  const message = `An earlier lease of this owner was not released within ${commandTimeout} ms`;
  const late = (): Error => new RedisUnreachableError(name, message, 0);
  return timeout({ first: commandTimeout, with: () => throwError(late), scheduler });
};

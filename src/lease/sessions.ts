/** The sessions of a coordinator, one for each owner on a name. It brings subscriptions and grants to their session. */
import {
  identity,
  merge,
  Observable,
  of,
  type SchedulerLike,
  Subject,
  type Subscriber,
  type TeardownLogic,
  take,
} from 'rxjs';
import { v4 as uuid } from 'uuid';
import { CoordinatorClosedError, quote } from '../errors.ts';
import type { Grant, Request, Store } from '../store/store.ts';
import { type AttachedLock, Attachment, notLong } from './attachment.ts';
import type { EventBody, LockEvent } from './events.ts';
import type { Lease } from './lease.ts';
import type { Owner, Registry } from './owner.ts';
import { Refusal } from './refusal.ts';
import { Session } from './session.ts';
import { Strays } from './strays.ts';
import type { Terms } from './terms.ts';
import { Timers } from './timers.ts';

/**
 * What the Map contains instead of a session. It is emptied when the session ends, because V8 keeps the earlier tables of a
 * Map that grows and shrinks reachable until a full collection, with all that they held.
 */
interface Entry {
  session: Session | undefined;
}

/** How many sessions have begun in this process. */
let sequence = 0;

/** A lock's definition: what it wants, and the sessions of its coordinator. */
export interface LockDefinition extends AttachedLock {
  readonly sessions: Sessions;
}

export class Sessions implements Registry {
  readonly events$ = new Subject<LockEvent>();
  readonly store: Store;
  /** Whether new leases are refused, from the beginning of a drain on. */
  ending = false;
  /** Whether the process was warned that waits are hindered. */
  private warned = false;
  /** Whether every request is refused. */
  closed = false;
  readonly refusal = new Refusal();
  private readonly closing$ = new Subject<never>();
  private readonly none$ = new Subject<void>();
  private readonly sessions = new Map<string, Entry>();
  private readonly strays: Strays;
  private readonly schedulers = new WeakMap<SchedulerLike, Timers>();

  constructor(store: Store) {
    this.store = store;
    this.strays = new Strays(store);
    store.grants$.subscribe((grant) => this.route(grant));
  }

  /** The subscribe function of a lock. With `patient` it waits in the queue; otherwise it completes empty when others hold the lock. */
  subscribe(subscriber: Subscriber<Lease>, wanted: LockDefinition, patient: boolean): TeardownLogic {
    const { name, terms } = wanted;
    if (this.ending) return this.refusal.refuse(subscriber, terms.scheduler, name);
    const one = new Attachment(subscriber, wanted);
    this.attach(one, patient, subscriber);
    return one;
  }

  /** Attaches a subscription to the session of its owner, after waiting for the release of an earlier lease; or to a new session. */
  private attach(one: Attachment, patient: boolean, subscriber: Subscriber<Lease>): void {
    const { name, terms } = one.wanted;
    const { owner } = terms;
    const known = (): Session | undefined =>
      owner === undefined ? undefined : this.sessions.get(keyOf(name, owner))?.session;
    const ending$ = known()?.ending();
    if (!ending$) {
      (known() ?? this.add(one)).attach(one, patient); // looked up again, because a lapse that was noticed now has ended it
      return;
    }
    const waits = merge(ending$, this.closing$).pipe(take(1), patient ? identity : notLong(name, terms));
    const next = (): void => {
      if (this.ending) subscriber.add(this.refusal.refuse(subscriber, terms.scheduler, name));
      else this.attach(one, patient, subscriber);
    };
    subscriber.add(waits.subscribe({ next, error: (error: unknown) => one.error(error) }));
  }

  /** Mirrors a request to Redis while the coordinator is open; errors when it closes. */
  whileOpen<T>(asked: Observable<T>, scheduler: SchedulerLike): Observable<T> {
    return new Observable((subscriber) => {
      if (this.closed) return this.refusal.refuse(subscriber, scheduler);
      subscriber.add(this.closing$.subscribe(subscriber));
      return asked.subscribe(subscriber);
    });
  }

  /** Stops granting leases and ends all waits. Emits once nothing is held any more. */
  drain(): Observable<unknown> {
    return this.shutAll(true);
  }

  /** Ends all sessions, and emits once nothing is left of them. */
  shut(): Observable<unknown> {
    this.closed = true;
    return this.shutAll(false);
  }

  /** The store is closed: stops releasing. What is left in Redis lapses by itself. */
  end(): void {
    for (const session of this.all) session.abandon();
    this.events$.complete();
  }

  /** The timers of all sessions with the same scheduler. */
  timers({ scheduler, clock }: Pick<Terms, 'scheduler' | 'clock'>): Timers {
    const known = this.schedulers.get(scheduler);
    const timers = known ?? new Timers(scheduler, clock);
    if (!known) this.schedulers.set(scheduler, timers);
    return timers;
  }

  tell({ request: { name, owner }, terms: { clock } }: Owner, event: EventBody): void {
    if (event.type === 'hindered' && !this.warned) {
      this.warned = true;
      const message = `The wait for the lock ${quote(name)} goes on, but is hindered: ${event.error.message}`;
      process.emitWarning(message, { code: 'REDISYNC_HINDERED' });
    }
    this.events$.next({ ...event, name, owner, at: clock.wall() } as LockEvent);
  }

  ended({ request, terms }: Owner, leavesGrant: boolean): void {
    const key = terms.owner === undefined ? request.owner : keyOf(request.name, request.owner);
    const entry = this.sessions.get(key);
    if (entry) entry.session = undefined;
    this.sessions.delete(key);
    if (leavesGrant) this.strays.leave(key, terms.clock.now(), request.waiterTtl);
    if (this.sessions.size === 0) this.none$.next();
  }

  holds(name: string, owner: string): boolean {
    const session = this.find(name, owner);
    return session?.request.name === name && session.check();
  }

  private find(name: string, owner: string): Session | undefined {
    return (this.sessions.get(owner) ?? this.sessions.get(keyOf(name, owner)))?.session;
  }

  private add(one: Attachment): Session {
    const { name, kind, terms } = one.wanted;
    const { mode, permits, limit } = kind;
    const { ttl, waiterTtl, replicas } = terms;
    const owner = terms.owner ?? `${terms.identity}:${uuid()}`;
    const key = terms.owner === undefined ? owner : keyOf(name, owner);
    sequence += 1;
    const request: Request = { name, owner, mode, permits, limit, ttl, waiterTtl, replicas, sequence };
    const session = new Session(this, request, one);
    this.sessions.set(key, { session });
    return session;
  }

  private get all(): readonly Session[] {
    return [...this.sessions.values()].flatMap(({ session = [] }) => session); // who is told may leave at once
  }

  private shutAll(spare: boolean): Observable<unknown> {
    this.ending = true;
    this.refusal.tell(() => {
      for (const session of this.all) session.shut(spare);
      if (!spare) this.closing$.error(new CoordinatorClosedError());
    });
    return this.sessions.size === 0 ? of(undefined) : this.none$.pipe(take(1));
  }

  private route(grant: Grant | undefined): void {
    if (!grant) {
      for (const { acquisition } of this.all) acquisition.askAgain();
      return;
    }
    const { name, owner, fence } = grant;
    const session = this.find(name, owner);
    if (session) {
      if (session.request.name !== name) return;
      if (fence === undefined) session.acquisition.askAgain();
      else session.acquisition.handOff(fence);
    } else this.strays.take(grant, [owner, keyOf(name, owner)]);
  }
}

/** The key of an explicit owner's session. The session of an owner that we made, which is unique, has the owner as its key. */
const keyOf = (name: string, owner: string): string => `${name.length} ${name}${owner}`;

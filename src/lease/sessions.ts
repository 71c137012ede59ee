/** The sessions of a coordinator, one for each owner on a name. It brings subscriptions and grants to their session. */
import {
  first,
  identity,
  merge,
  Observable,
  of,
  type SchedulerLike,
  Subject,
  type Subscriber,
  type TeardownLogic,
  throwError,
  timeout,
} from 'rxjs';
import { v4 as uuid } from 'uuid';
import { CoordinatorClosedError, quote, RedisUnreachableError } from '../errors.ts';
import type { Grant, Request, Store } from '../store/store.ts';
import { Attachment } from './attachment.ts';
import { InContext } from './context.ts';
import type { LockEvent } from './events.ts';
import type { Lease } from './lease.ts';
import { Refusal } from './refusal.ts';
import { Session } from './session.ts';
import type { LockDefinition, SessionsView, SessionView } from './session-view.ts';
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

export class Sessions implements SessionsView {
  readonly events$ = new Subject<LockEvent>();
  readonly store: Store;
  /** Whether new leases are refused, from the beginning of a drain on. */
  ending = false;
  /** Whether every request is refused. */
  closed = false;
  readonly refusal = new Refusal();
  private warned = false;
  private readonly closing$ = new Subject<never>();
  private readonly forgotten$ = new Subject<SessionView>();
  private readonly sessions = new Map<string, Entry>();
  private readonly strays: Strays;
  private readonly schedulers = new WeakMap<SchedulerLike, Timers>();

  constructor(store: Store) {
    this.store = store;
    this.strays = new Strays(store);
    store.grants$.subscribe((grant) => this.route(grant));
  }

  /** With `patient` the lock waits in the queue; otherwise it completes empty when others hold it. */
  subscribe(subscriber: Subscriber<Lease>, wanted: LockDefinition, patient: boolean): TeardownLogic {
    if (this.ending) return this.refusal.refuse(subscriber, wanted.terms.scheduler, wanted.name);
    const one = new Attachment(subscriber, wanted);
    this.attach(one, patient, subscriber);
    return one;
  }

  /** Attaches a subscription to the session of its owner, after waiting for the release of an earlier lease; or to a new session. */
  private attach(one: Attachment, patient: boolean, subscriber: Subscriber<Lease>): void {
    const { name, terms } = one.wanted;
    const { owner, commandTimeout, scheduler } = terms;
    if (owner !== undefined) this.find(name, owner)?.endIfLapsed(); // which may end the session
    const known = owner === undefined ? undefined : this.find(name, owner);
    if (known?.is !== 'releasing') {
      (known ?? this.add(one)).attach(one, patient);
      return;
    }
    const message = `An earlier lease of this owner was not released within ${commandTimeout} ms`;
    const late = (): Observable<never> => throwError(() => new RedisUnreachableError(name, message, 0));
    const bounded = patient ? identity : timeout({ first: commandTimeout, with: late, scheduler });
    const next = (): void => {
      if (this.ending) subscriber.add(this.refusal.refuse(subscriber, scheduler, name));
      else this.attach(one, patient, subscriber);
    };
    const ended$ = merge(this.forgotten$, this.closing$).pipe(
      first((session) => session === known),
      bounded,
    );
    subscriber.add(ended$.subscribe({ next, error: (error: unknown) => one.error(error) }));
  }

  /** Mirrors a request to Redis while the coordinator is open; errors when it closes. */
  whileOpen<T>(asked: Observable<T>, scheduler: SchedulerLike): Observable<T> {
    return new Observable((subscriber) => {
      if (this.closed) return this.refusal.refuse(subscriber, scheduler);
      subscriber.add(this.closing$.subscribe(new InContext(subscriber)));
      return asked.subscribe(subscriber);
    });
  }

  /** Ends all sessions, and emits once nothing is left of them. With `spare` leases stay until their holders release them: a drain. */
  shut(spare = false): Observable<unknown> {
    this.ending = true;
    this.closed ||= !spare;
    this.refusal.telling(() => {
      for (const session of this.all) session.shut(spare);
      if (!spare) this.closing$.error(new CoordinatorClosedError());
    });
    return this.sessions.size === 0 ? of(undefined) : this.forgotten$.pipe(first(() => this.sessions.size === 0));
  }

  /** The store is closed: stops releasing. What is left in Redis lapses by itself. */
  end(): void {
    for (const session of this.all) session.abandon();
    this.events$.complete();
  }

  timers({ scheduler, clock }: Pick<Terms, 'scheduler' | 'clock'>): Timers {
    const timers = this.schedulers.get(scheduler) ?? new Timers(scheduler, clock);
    this.schedulers.set(scheduler, timers);
    return timers;
  }

  warn(name: string, { message }: Error): void {
    if (this.warned) return;
    this.warned = true;
    const warning = `The wait for the lock ${quote(name)} goes on, but is hindered: ${message}`;
    process.emitWarning(warning, { code: 'REDISYNC_HINDERED' });
  }

  forget(session: SessionView, leavesGrant: boolean): void {
    const { name, owner, waiterTtl } = session.request;
    const key = keyFor(session);
    const entry = this.sessions.get(key);
    if (entry) entry.session = undefined;
    this.sessions.delete(key);
    if (leavesGrant) this.strays.ignore(keyOf(name, owner), session.terms.clock, 2 * waiterTtl);
    if (this.forgotten$.observed) this.forgotten$.next(session);
  }

  holds(name: string, owner: string): boolean {
    return this.find(name, owner)?.endIfLapsed() === false;
  }

  private find(name: string, owner: string): Session | undefined {
    const ours = this.sessions.get(owner)?.session;
    return ours?.request.name === name && ours.request.owner === owner
      ? ours
      : this.sessions.get(keyOf(name, owner))?.session;
  }

  private add(one: Attachment): Session {
    const { name, kind, terms } = one.wanted;
    const { mode, permits, limit } = kind;
    const { ttl, waiterTtl, replicas } = terms;
    const owner = terms.owner ?? `${terms.identity}:${uuid()}`;
    sequence += 1;
    const request: Request = { name, owner, mode, permits, limit, ttl, waiterTtl, replicas, sequence };
    const session = new Session(this, request, one);
    this.sessions.set(keyFor(session), { session });
    return session;
  }

  private get all(): readonly Session[] {
    return [...this.sessions.values()].flatMap(({ session = [] }) => session); // who is told may leave at once
  }

  private route(grant: Grant | undefined): void {
    if (!grant) {
      for (const { acquisition } of this.all) acquisition.askAgain();
      return;
    }
    const { name, owner, fence } = grant;
    const session = this.find(name, owner);
    if (session && fence !== undefined) session.acquisition.handOff(fence);
    else if (session) session.acquisition.askAgain();
    else if (!this.sessions.has(owner)) this.strays.release(keyOf(name, owner), grant); // an owner that we made has one name only
  }
}

/** The key of a session: the name and the owner; or, to save memory, the owner alone if we made it, which is unique. */
const keyFor = ({ request: { name, owner }, terms }: SessionView): string =>
  terms.owner === undefined ? owner : keyOf(name, owner);

const keyOf = (name: string, owner: string): string => `${name.length} ${name}${owner}`;

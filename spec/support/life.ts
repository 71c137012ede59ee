/** One subscription to a lock, in a coordinator of its own over a ChosenStore: its state, and what is wrong with that state. */
import type fc from 'fast-check';
import { Subscription } from 'rxjs';
import type { LockEvent } from '../../src/lease/events.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { Sessions } from '../../src/lease/sessions.ts';
import { type Kind, termsOf } from '../../src/lease/terms.ts';
import { Lock } from '../../src/locks/lock.ts';
import { type Memory, MemoryStore } from '../../src/store/memory.ts';
import type { VirtualTime } from '../contract/virtual-time.ts';
import { ChosenStore } from './chosen-store.ts';
import { CountingScheduler } from './virtual.ts';

const EXCLUSIVE: Kind = { mode: 'exclusive', permits: 1, limit: 0 };

export interface Course {
  /** Whether it asks once only. */
  readonly single: boolean;
  /** Whether no grant is ever told to it. */
  readonly refusedToListen: boolean;
  /** After how many turns of its own it leaves; never, where there are none. */
  readonly leaves: number;
  /** In the middle of which of its events it leaves. */
  readonly hears: number;
}

export interface Times {
  readonly ttl: number;
  readonly renewEvery: number;
  readonly waiterTtl: number;
  readonly commandTimeout: number;
  readonly backoff: () => number;
}

/** What all lives of a run share. */
export interface World {
  readonly memory: Memory;
  readonly time: VirtualTime;
  readonly choose: fc.Scheduler;
  readonly times: Times;
  /** Looks at all of them, when something has come to one, and all that it has led to at once. */
  readonly look: () => void;
}

export class Life {
  readonly course: Course;
  readonly sessions: Sessions;
  lease: Lease | undefined;
  private readonly world: World;
  private readonly store: ChosenStore;
  private readonly scheduler: CountingScheduler;
  private readonly lock: Lock;
  private readonly subscription = new Subscription();
  private begun = false;
  private ends = 0;
  /** How often it was told to wait, and that it holds, without being told that this is over. */
  private readonly told = { waiting: 0, held: 0 };
  private heard = 0;
  /** Requests that it took to be granted. */
  private needed = 0;

  constructor(course: Course, world: World) {
    const { memory, time, choose, times, look } = world;
    this.course = course;
    this.world = world;
    this.scheduler = new CountingScheduler(time);
    this.store = new ChosenStore(new MemoryStore(memory, time), time, choose, course.refusedToListen, look);
    this.sessions = new Sessions(this.store);
    const terms = termsOf({ ...times, scheduler: this.scheduler });
    this.lock = new Lock({ sessions: this.sessions, name: 'a', kind: EXCLUSIVE, terms });
    this.sessions.events$.subscribe((event) => this.hear(event));
  }

  begin(): void {
    const next = (lease: Lease): void => {
      this.lease = lease;
      this.needed = this.store.requests;
    };
    const end = (): void => {
      this.ends += 1;
    };
    this.begun = true;
    const lock$ = this.course.single ? this.lock.try() : this.lock;
    this.subscription.add(lock$.subscribe({ next, error: end, complete: end }));
  }

  leave(): void {
    this.subscription.unsubscribe();
  }

  get over(): boolean {
    return this.ends > 0 || this.subscription.closed;
  }

  /** How many of its timers are set. */
  get pending(): number {
    return this.scheduler.pending;
  }

  /** What is wrong, now that all that was due has been done. */
  get wrong(): string | undefined {
    const { store, lease, over, told } = this;
    const { holders, queue } = this.world.memory.names.get('a') ?? {};
    const holds = (holders?.get(store.owner)?.due ?? 0) > this.scheduler.now();
    const waits = (queue?.get(store.owner)?.due ?? 0) > this.scheduler.now();
    if (this.ends > 1) return 'ends twice';
    if (this.ends > 0 && !lease && !this.course.single && !this.sessions.closed) return 'gives up';
    if (lease?.held && !holds) return 'believes in a lease that it has not';
    if (lease && store.requests > this.needed) return 'asks for what it has';
    if (told.waiting > (over || lease ? 0 : 1)) return 'is told to wait when it does not';
    if (!this.begun || store.asked > 0) return undefined;
    if (over) return this.left(holds || waits);
    if (this.pending === 0) return 'waits for nothing';
    return lease ? undefined : this.waiting(holds, waits);
  }

  private hear({ type }: LockEvent): void {
    const { told } = this;
    if (type === 'waiting') told.waiting += 1;
    else if (type === 'acquired') Object.assign(told, { waiting: 0, held: told.held + 1 });
    else if (type === 'abandoned') told.waiting -= 1;
    else if (type === 'released' || type === 'lost') told.held -= 1;
    this.heard += 1;
    if (this.heard === this.course.hears) this.leave();
  }

  /** What is wrong with one that is over, and waits for no answer. */
  private left(stays: boolean): string | undefined {
    const { store, pending, told } = this;
    const { ttl, waiterTtl, commandTimeout } = this.world.times;
    const now = this.scheduler.now();
    if (store.unheard) {
      const lapsed = now - store.leavingSince >= Math.max(ttl, waiterTtl);
      return pending > 0 || lapsed ? undefined : 'gives up its release';
    }
    if (pending > 0) return now > store.until + commandTimeout + 1 ? 'leaves a timer' : undefined;
    if (stays && now > store.until) return 'stays in the store';
    return told.held === 0 ? undefined : 'is not told of its end';
  }

  /** What is wrong with a subscription that is queued and has no request in flight. */
  private waiting(holds: boolean, waits: boolean): string | undefined {
    const { store } = this;
    const { waiterTtl } = this.world.times;
    const now = this.scheduler.now();
    if (!store.last?.answered || store.last.verb !== 'acquire' || store.grants > 0) return undefined;
    if (now - store.last.at > waiterTtl / 3) return 'does not keep its place';
    if (this.course.refusedToListen) return undefined; // it may have been granted, and have lapsed
    if (holds) return 'does not know that it holds';
    return waits || now - store.arrived >= waiterTtl ? undefined : 'is not in the queue';
  }
}

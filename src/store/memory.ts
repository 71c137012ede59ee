/** The store in this process's memory: it does what the scripts do in Redis, on plain data and in a scheduler's time. */
import {
  defer,
  delay,
  dematerialize,
  materialize,
  mergeMap,
  type Observable,
  observeOn,
  of,
  race,
  type SchedulerLike,
  Subject,
} from 'rxjs';
import { CoordinatorClosedError, OwnerConflictError, RedisUnreachableError } from '../errors.ts';
import { numberIn, optionsIn } from '../options.ts';
import { globOf } from './glob.ts';
import { inspectionOf } from './memory/inspection.ts';
import { blank, draw, inOrder, isFree, lapse, leaseOf, type MemoryListener, type Name, settle } from './memory/name.ts';
import type { Answer, Grant, Inspection, Release, Released, Renewal, Request, Store } from './store.ts';

/**
 * Stands in for a Redis server: it has the locks of all coordinators that are made over it.
 *
 * @example
 * const memory = new Memory();
 * const [one, two] = [memoryCoordinator({ memory }), memoryCoordinator({ memory })]; // as two services on one Redis
 */
export class Memory {
  /**
   * ms from a command to its answer, and from a grant to its message; default: 0. A command that takes longer than
   * its `commandTimeout` fails as it does when Redis does not answer: what became of it is unknown. It has taken effect
   * all the same, unless `latency` is `Infinity`: then nothing arrives, which is an outage.
   */
  latency: number;
  /** @internal */
  readonly names = new Map<string, Name>();
  /** @internal The highest number that was drawn, for a ticket or a fence. */
  clock = 0;

  /** @throws TypeError, RangeError */
  constructor(options: { readonly latency?: number | undefined } = {}) {
    const { latency = 0 } = optionsIn('options', options, ['latency']);
    numberIn('latency (ms)', latency, 0, Number.POSITIVE_INFINITY);
    this.latency = latency;
  }
}

export class MemoryStore implements Store, MemoryListener {
  readonly grants$ = new Subject<Grant | undefined>();
  closed = false;
  private readonly over$ = new Subject<never>();
  private readonly memory: Memory;
  private readonly scheduler: SchedulerLike;

  constructor(memory: Memory, scheduler: SchedulerLike) {
    this.memory = memory;
    this.scheduler = scheduler;
  }

  acquire(request: Request, stay: boolean, within: number): Observable<Answer> {
    const { name, owner, mode, permits, ttl, waiterTtl } = request;
    const { memory } = this;
    return this.call(name, within, (at, now): Answer => {
      const holder = at.holders.get(owner);
      const queued = at.queue.get(owner);
      const before = holder ?? queued;
      if (before && (before.mode !== mode || (holder && permits > holder.permits))) {
        throw new OwnerConflictError(name, owner);
      }
      if (holder && !holder.over) {
        holder.due = now + ttl;
        return { granted: true, fence: holder.fence };
      }
      const ticket = queued?.ticket ?? request.ticket ?? Number.POSITIVE_INFINITY;
      const self = { ...request, ticket, listener: this, due: now + waiterTtl };
      const waits = !holder || mode === 'exclusive'; // who is held over beside others has no second claim
      settle(at, memory, now, waits ? self : undefined);
      const mine = leaseOf(at, owner, 0);
      if (mine) return { granted: true, fence: mine.fence };
      const stays = waits && (stay || queued !== undefined);
      if (stays) at.queue.set(owner, { ...self, ticket: Number.isFinite(ticket) ? ticket : draw(memory, now) });
      const waiting = inOrder(at);
      return {
        granted: false,
        wait: Math.min(...[...at.holders.values()].map(({ due }) => due - now)),
        rank: stays ? waiting.findIndex((waiter) => waiter.owner === owner) : waiting.length,
        announced: true,
        drawn: memory.clock,
        ticket: at.queue.get(owner)?.ticket ?? 0,
      };
    });
  }

  renew(request: Request, fence = 0, within: number, downgrade = false): Observable<Renewal> {
    const { name, owner, ttl } = request;
    return this.call(name, within, (at, now): Renewal => {
      const lease = leaseOf(at, owner, fence);
      if (!lease) return 'taken';
      lease.due = now + ttl;
      if (downgrade && lease.mode === 'exclusive') {
        at.holders.set(owner, { ...lease, ...request, mode: 'shared' });
        settle(at, this.memory, now);
      }
      return 'renewed';
    });
  }

  release({ name, owner, fence = 0, keep = 0 }: Release, within: number): Observable<Released> {
    return this.call(name, within, (at, now): Released => {
      const lease = owner === undefined ? undefined : leaseOf(at, owner, fence);
      const held = owner === undefined ? at.holders.size > 0 : lease !== undefined;
      if (owner === undefined) at.holders.clear();
      else if (lease && keep > 0) {
        at.holders.set(owner, { ...lease, over: true, due: now + keep });
        const [head] = inOrder(at);
        head?.listener.tell({ name, owner: head.owner, fence: undefined }); // it only knows when the lease would have lapsed
        return { held, grants: 0, now };
      } else {
        if (!lease && fence !== 0) return { held, grants: 0, now }; // an earlier lease of its owner: nothing is touched
        if (lease) at.holders.delete(owner);
        at.queue.delete(owner);
      }
      return { held, grants: settle(at, this.memory, now), now };
    });
  }

  raise({ name, owner = '' }: Release, own = 0, fence: number, within: number): Observable<true> {
    return this.call(name, within, (at) => {
      const lease = leaseOf(at, owner, own);
      if (lease) at.holders.set(owner, { ...lease, fence });
      this.memory.clock = Math.max(this.memory.clock, fence);
      return true as const;
    });
  }

  inspect(name: string, within: number, most?: number): Observable<Inspection> {
    return this.call(name, within, (at, now) => inspectionOf(name, at, now, most));
  }

  list(pattern: string, within: number): Observable<string> {
    const wanted = globOf(pattern);
    return this.send(undefined, within, (now) => {
      for (const at of this.memory.names.values()) lapse(at, now);
      return [...this.memory.names].filter(([name, at]) => wanted.test(name) && !isFree(at)).map(([name]) => name);
    }).pipe(mergeMap((names) => names));
  }

  /** Announces a grant by a message, which takes `latency` ms, as with Redis. It comes after the answer to who has left. */
  tell(grant: Grant): void {
    const message = of(grant).pipe(observeOn(this.scheduler), delay(this.memory.latency, this.scheduler));
    race(this.over$, message).subscribe({
      next: (told) => this.grants$.next(told),
      error: () => undefined,
    });
  }

  close(): void {
    this.closed = true;
    this.over$.error(new CoordinatorClosedError());
    this.grants$.complete();
  }

  private call<T>(name: string, within: number, verb: (at: Name, now: number) => T): Observable<T> {
    return this.send(name, within, (now) => {
      const at = this.memory.names.get(name) ?? blank();
      lapse(at, now);
      const answer = verb(at, now);
      if (isFree(at)) this.memory.names.delete(name);
      else this.memory.names.set(name, at);
      return answer;
    });
  }

  /**
   * A command takes effect when it is sent. Its answer is scheduled also if `latency` is 0, and never comes on the caller's
   * stack: as with Redis, a release must not run the next holder's work inside itself. It comes on the same frame of a
   * TestScheduler, so that marble diagrams show the pipeline alone.
   */
  private send<T>(lock: string | undefined, within: number, verb: (now: number) => T): Observable<T> {
    const { memory, scheduler } = this;
    const answer = defer(() => {
      const late = memory.latency > within;
      const outcome = defer(() => {
        const answers = memory.latency === Infinity ? [] : [verb(scheduler.now())];
        if (late) throw new RedisUnreachableError(lock, `Redis did not answer within ${within} ms`, 0);
        return answers;
      });
      return outcome.pipe(materialize(), delay(late ? within : memory.latency, scheduler), dematerialize());
    });
    return race(this.over$, answer);
  }
}

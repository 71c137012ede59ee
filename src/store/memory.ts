/** The store in this process's memory: what the scripts do in Redis, on plain data and in a scheduler's time. */
import {
  defer,
  delay,
  dematerialize,
  materialize,
  mergeMap,
  type Observable,
  of,
  race,
  type SchedulerLike,
  Subject,
} from 'rxjs';
import { CoordinatorClosedError, OwnerConflictError, RedisUnreachableError } from '../errors.ts';
import { numberIn, optionsIn } from '../options.ts';
import { globOf } from './glob.ts';
import {
  blank,
  exclusiveOf,
  inOrder,
  isFree,
  type Listener,
  lapse,
  type Name,
  nextOf,
  remember,
  settle,
  ticketOf,
} from './memory/name.ts';
import type { Answer, Grant, Inspection, Release, Released, Renewal, Request, Store } from './store.ts';

/**
 * What stands in for a Redis server: the locks of all coordinators that are made over it.
 *
 * @example
 * const memory = new Memory();
 * const [one, two] = [memoryCoordinator({ memory }), memoryCoordinator({ memory })]; // as two services on one Redis
 */
export class Memory {
  /**
   * ms from a command to its answer, and from a grant to its message; 0 unless told. A command that takes longer than
   * its `commandTimeout` fails as it does when Redis does not answer: what became of it is unknown. It has taken effect
   * all the same, unless `latency` is `Infinity`: then nothing arrives, which is an outage.
   */
  latency: number;
  /** @internal */
  readonly names = new Map<string, Name>();

  /** @throws TypeError, RangeError */
  constructor(options: { readonly latency?: number | undefined } = {}) {
    const { latency = 0 } = optionsIn('options', options, ['latency']);
    numberIn('latency (ms)', latency, 0, Number.POSITIVE_INFINITY);
    this.latency = latency;
  }
}

const placeOf = ({ owner, mode, permits }: Request): Pick<Request, 'owner' | 'mode' | 'permits'> => ({
  owner,
  mode,
  permits,
});

export class MemoryStore implements Store, Listener {
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
    const { name, owner, mode, ttl, waiterTtl } = request;
    return this.call(name, within, (at, now): Answer => {
      const before = at.holders.get(owner) ?? at.queue.get(owner);
      if (before && before.mode !== mode) throw new OwnerConflictError(name, owner);
      const held = at.holders.get(owner);
      if (held) {
        held.due = now + ttl;
        if (mode === 'exclusive') remember(at, at.last, now, ttl);
        return { granted: true, fence: held.fence };
      }
      const ticket = before?.ticket ?? request.ticket ?? ticketOf(at, now);
      at.queue.set(owner, { ...request, ticket, listener: this, due: now + waiterTtl, fence: 0 });
      if (!before && request.ticket !== undefined) inOrder(at);
      settle(at, now, owner);
      const mine = at.holders.get(owner);
      if (mine) return { granted: true, fence: mine.fence };
      const rank = [...at.queue.keys()].indexOf(owner);
      if (!stay && !before) at.queue.delete(owner);
      const alone = exclusiveOf(at);
      const dues = (alone ? [alone] : [...at.holders.values(), ...at.queue.values()]).map(({ due }) => due - now);
      return { granted: false, wait: Math.min(...dues), rank, announced: true, clock: at.last, ticket };
    });
  }

  renew(request: Request, fence = 0, within: number, downgrade = false): Observable<Renewal> {
    const { name, owner, ttl } = request;
    return this.call(name, within, (at, now): Renewal => {
      const held = at.holders.get(owner);
      if (held && fence > 0 && held.fence > fence) return 'taken'; // a later lease of its owner
      if (!held) return exclusiveOf(at) || at.last > fence ? 'taken' : 'gone';
      remember(at, at.last, now, ttl);
      held.due = now + ttl;
      if (downgrade && held.mode === 'exclusive') {
        at.holders.set(owner, { ...held, ...request, mode: 'shared' });
        settle(at, now);
      }
      return 'renewed';
    });
  }

  release({ name, owner }: Release, within: number): Observable<Released> {
    return this.call(name, within, (at, now): Released => {
      const held = owner === undefined ? at.holders.size > 0 : at.holders.delete(owner);
      if (owner !== undefined) at.queue.delete(owner);
      else {
        at.holders.clear();
        remember(at, nextOf(at, now), now); // the broken leases learn from it that they were taken
      }
      return { held, grants: settle(at, now), now };
    });
  }

  inspect(name: string, within: number): Observable<Inspection> {
    return this.call(name, within, (at, now) => ({
      name,
      holders: [...at.holders.values()].map((holder) => ({ ...placeOf(holder), remaining: holder.due - now })),
      waiting: [...at.queue.values()].map((waiter) => ({
        ...placeOf(waiter),
        waited: Math.max(0, Math.round(now - waiter.ticket / 1_000)),
      })),
      fence: at.last > 0 ? at.last : undefined,
    }));
  }

  list(pattern: string, within: number): Observable<string> {
    const wanted = globOf(pattern);
    return this.send(undefined, within, (now) => {
      for (const at of this.memory.names.values()) lapse(at, now);
      return [...this.memory.names].filter(([name, at]) => wanted.test(name) && !isFree(at)).map(([name]) => name);
    }).pipe(mergeMap((names) => names));
  }

  /** As with Redis, by a message that takes its time. */
  tell(grant: Grant): void {
    race(this.over$, of(grant).pipe(delay(this.memory.latency, this.scheduler))).subscribe({
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
      if (isFree(at) && at.last === 0) this.memory.names.delete(name);
      else this.memory.names.set(name, at);
      return answer;
    });
  }

  /**
   * A command takes effect when it is sent. Its answer is an action of the scheduler also where `latency` is 0: never
   * on the caller's stack, as with Redis, so that a release does not run the next holder's work inside itself, and yet
   * on the same frame of a TestScheduler, so that marbles show the pipeline alone.
   */
  private send<T>(lock: string | undefined, within: number, verb: (now: number) => T): Observable<T> {
    const { memory, scheduler } = this;
    const answer = defer(() => {
      const late = memory.latency > within;
      const outcome = defer(() => {
        const answers = memory.latency === Infinity ? [] : [verb(scheduler.now())];
        if (late) throw new RedisUnreachableError(lock, `No answer within ${within} ms`, 0);
        return answers;
      });
      return outcome.pipe(materialize(), delay(late ? within : memory.latency, scheduler), dematerialize());
    });
    return race(this.over$, answer);
  }
}

/**
 * Locks of all kinds, taken and left at random times by two coordinators over one memory, through crashes, breaks,
 * slow answers and outages: what may never be seen is not seen, and nothing of them stays.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { firstValueFrom, type Observable } from 'rxjs';
import {
  allOf,
  anyOf,
  type Lease,
  type Lock,
  type LockCoordinator,
  LockLostError,
  RedisUnreachableError,
} from '../../src/index.ts';
import { Memory, MemoryStore } from '../../src/store/memory.ts';
import type { Inspection, Mode } from '../../src/store/store.ts';
import { memoryCoordinator } from '../../src/testing.ts';
import { CountingScheduler } from '../support/virtual.ts';
import { VirtualTime } from './virtual-time.ts';

const NAMES = ['x', 'y', 'z'] as const;
const LIMIT = 3;
const TERMS = { ttl: 1_000, waiterTtl: 600, commandTimeout: 200 } as const;
/** ms within which all users and troubles begin and end. */
const HORIZON = 5_000;
/** ms after which everyone who is never heard of again has lapsed, and nobody waits for an answer any more. */
const LONG = 5_000;

type Taken = Observable<Lease | readonly Lease[] | null>;
type Kind = 'mutex' | 'semaphore' | 'read' | 'write' | 'leadership' | 'allOf' | 'anyOf';

/** Someone who takes a lock, and leaves it, or its queue, later. */
interface User {
  readonly at: number;
  readonly stays: number;
  readonly by: 0 | 1;
  readonly kind: Kind;
  readonly names: readonly string[];
  readonly permits: number;
  /** Makes one attempt only, where the kind has that. */
  readonly once: boolean;
  /** What it does with each lease, after `midway` ms. */
  readonly act: 'nothing' | 'release' | 'downgrade' | 'renew';
  readonly midway: number;
  /** The ttl that it renews with. */
  readonly ttl: number;
}

interface Trouble {
  readonly at: number;
  readonly lasts: number;
  readonly name: string;
  readonly what: 'break' | 'outage' | 'slow' | 'dead holder' | 'dead waiter';
  readonly mode: Mode;
  /** Whose way to the memory is out or slow. */
  readonly whose: readonly (0 | 1)[];
  /** Whether the process of one that dies is known to have gone. */
  readonly noticed: boolean;
}

const take = (locks: LockCoordinator, { kind, names, permits, once }: User): Taken => {
  const [name = ''] = names;
  const lockOf: Partial<Record<Kind, () => Pick<Lock, 'try'> & Taken>> = {
    mutex: () => locks.mutex(name),
    semaphore: () => locks.semaphore(name, LIMIT, { permits }),
    read: () => locks.readWriteLock(name).read,
    write: () => locks.readWriteLock(name).write,
  };
  if (kind === 'leadership') return locks.leadership(name);
  if (kind === 'anyOf') return anyOf(...names.map((each) => locks.mutex(each)));
  if (kind === 'allOf') {
    const all = allOf(...names.map((each) => locks.mutex(each)));
    return once ? all.try() : all;
  }
  const lock = lockOf[kind]?.() ?? locks.mutex(name);
  return once ? lock.try() : lock;
};

/** All leases of a run, and what must hold between them whenever one more is emitted. */
class Witness {
  readonly surprises: unknown[] = [];
  private readonly leases: { readonly lease: Lease; readonly permits: number }[] = [];
  /** The last fence that was given when leases on a name were broken: up to it, holders do not know yet. */
  private readonly broken = new Map<string, number>();

  break(name: string, last: number): void {
    this.broken.set(name, last);
  }

  emitted(lease: Lease, permits: number): void {
    const others = this.leases.filter((other) => other.lease.name === lease.name);
    this.leases.push({ lease, permits });
    if (this.isBroken(lease) || !lease.held) return;
    const held = others.filter((other) => other.lease.held && !this.isBroken(other.lease));
    if (held.some((other) => other.lease.mode === 'exclusive' || lease.mode === 'exclusive')) {
      this.surprises.push(new Error(`two leases on ${lease.name} that exclude each other are held`));
    }
    const used = held.reduce((sum, other) => sum + other.permits, permits);
    if (used > LIMIT) this.surprises.push(new Error(`${used} permits of ${lease.name} are in use`));
    const earlier = others.filter((other) => lease.mode === 'exclusive' || other.lease.mode === 'exclusive');
    if (earlier.some((other) => Number(other.lease.fence) >= Number(lease.fence))) {
      this.surprises.push(new Error(`the fence of ${lease.name} did not rise`));
    }
  }

  failed(error: unknown, allowed: readonly (new (...args: never[]) => Error)[]): void {
    if (!allowed.some((kind) => error instanceof kind)) this.surprises.push(error);
  }

  private isBroken({ name, fence = 0 }: Lease): boolean {
    return fence <= (this.broken.get(name) ?? -1);
  }
}

const user: fc.Arbitrary<User> = fc.record({
  at: fc.integer({ min: 0, max: HORIZON - 2_000 }),
  stays: fc.integer({ min: 0, max: 2_000 }),
  by: fc.constantFrom(0, 1),
  kind: fc.constantFrom('mutex', 'semaphore', 'read', 'write', 'leadership', 'allOf', 'anyOf'),
  names: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 }),
  permits: fc.integer({ min: 1, max: LIMIT }),
  once: fc.boolean(),
  act: fc.constantFrom('nothing', 'release', 'downgrade', 'renew'),
  ttl: fc.integer({ min: 50, max: 3_000 }),
  midway: fc.integer({ min: 0, max: 500 }),
});

const trouble: fc.Arbitrary<Trouble> = fc.record({
  at: fc.integer({ min: 0, max: HORIZON - 1_500 }),
  lasts: fc.integer({ min: 0, max: 1_500 }),
  name: fc.constantFrom(...NAMES),
  what: fc.constantFrom('break', 'outage', 'slow', 'dead holder', 'dead waiter'),
  mode: fc.constantFrom('exclusive', 'shared'),
  whose: fc.constantFrom([0], [1], [0, 1]),
  noticed: fc.boolean(),
});

/** One life of everybody, in virtual time. */
class Run {
  readonly time = new VirtualTime();
  readonly scheduler = new CountingScheduler(this.time);
  readonly witness = new Witness();
  readonly coordinators: readonly [LockCoordinator, LockCoordinator];
  private readonly memory = new Memory();
  private readonly raw = new MemoryStore(this.memory, this.time);
  private readonly ways: readonly [Memory, Memory];

  private readonly latency: number;

  constructor(latency: number) {
    this.latency = latency;
    const { memory } = this;
    const clock = {
      get: () => memory.clock,
      set: (drawn: number) => {
        memory.clock = drawn;
      },
    };
    const way = (): Memory => {
      const latent = Object.assign(new Memory({ latency }), { names: memory.names });
      return Object.defineProperty(latent, 'clock', clock);
    };
    const over = (latent: Memory): LockCoordinator =>
      memoryCoordinator({ ...TERMS, memory: latent, scheduler: this.scheduler });
    this.ways = [way(), way()];
    this.coordinators = [over(this.ways[0]), over(this.ways[1])];
  }

  enter(who: User): void {
    const { once, act, ttl, midway, permits, kind, stays, at } = who;
    const handle = (lease: Lease): void => {
      const failed = (error: unknown): void =>
        this.witness.failed(error, [LockLostError, RedisUnreachableError, ...(kind === 'write' ? [] : [TypeError])]);
      if (act === 'release') lease.release().catch(failed);
      if (act === 'renew') lease.renew(ttl).catch(failed);
      if (act === 'downgrade') lease.downgrade().catch(failed);
    };
    this.time.schedule(() => {
      const subscription = take(this.coordinators[who.by], who).subscribe({
        next: (taken) => {
          for (const lease of [taken ?? []].flat()) {
            this.witness.emitted(lease, kind === 'semaphore' ? permits : 0);
            this.time.schedule(() => handle(lease), midway);
          }
        },
        error: (error) => this.witness.failed(error, once ? [LockLostError, RedisUnreachableError] : [LockLostError]),
      });
      this.time.schedule(() => subscription.unsubscribe(), stays);
    }, at);
  }

  befall({ at, lasts, name, what, mode, whose, noticed }: Trouble): void {
    const { memory, time, raw } = this;
    const ignore = { error: () => undefined };
    time.schedule(() => {
      if (what === 'break') {
        this.witness.break(name, memory.clock);
        raw.release({ name, owner: undefined }, 1_000).subscribe(ignore);
      } else if (what === 'outage' || what === 'slow') {
        for (const which of whose) this.impede(this.ways[which], what === 'outage' ? Infinity : 201, lasts);
      } else {
        const dying = noticed ? new MemoryStore(memory, time) : raw;
        const request = { name, owner: `dead since ${at}`, mode, permits: 1, limit: 0, ttl: 500, waiterTtl: 700 };
        dying.acquire(request, what === 'dead waiter', 1_000).subscribe(ignore);
        if (noticed) dying.close();
      }
    }, at);
  }

  private impede(way: Memory, latency: number, lasts: number): void {
    way.latency = latency;
    this.time.schedule(() => {
      way.latency = this.latency;
    }, lasts);
  }

  async inspect(name: string): Promise<Inspection> {
    const inspection = firstValueFrom(this.raw.inspect(name, 1_000));
    this.time.pass(100);
    return inspection;
  }
}

describe('Locks of all kinds over one memory', function () {
  this.timeout(300_000); // for the search of a smaller counterexample; without one it takes seconds
  it('exclude each other, free themselves from the dead, and leave nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(user, { minLength: 1, maxLength: 14, size: 'max' }),
        fc.array(trouble, { maxLength: 4 }),
        fc.constantFrom(0, 1, 40),
        async (users, troubles, latency) => {
          const run = new Run(latency);
          for (const each of users) run.enter(each);
          for (const each of troubles) run.befall(each);
          run.time.pass(HORIZON + (troubles.length === 0 ? 4 * latency : LONG));
          await Promise.resolve();
          expect(run.scheduler.pending, 'actions that are still scheduled').to.equal(0);
          expect(run.witness.surprises).to.deep.equal([]);
          for (const name of NAMES) {
            expect(await run.inspect(name)).to.deep.include({ name, holders: [], waiting: [] });
          }
        },
      ),
      { numRuns: 1_500, interruptAfterTimeLimit: 60_000 },
    );
  });
});

/**
 * Memory and Redis held against each other, and both against what may never happen, over random commands of all kinds.
 *
 * Time passes on both: in memory it is virtual, and on Redis all that the name knows is moved towards its end by as
 * much, which is the same to the scripts, as they measure all times from now. Times are compared in whole units; every
 * ttl ends in half a unit, so that the real time that a run takes, far less than that, changes no answer.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { lastValueFrom, type Observable } from 'rxjs';
import { keysOf } from '../../src/store/keys.ts';
import { Memory, MemoryStore } from '../../src/store/memory.ts';
import type { Grant, Inspection, Mode, Request, Store } from '../../src/store/store.ts';
import { type Server, startServer } from '../support/server.ts';
import { openRedisStore } from './redis-store.ts';
import { VirtualTime } from './virtual-time.ts';

const UNIT = 100_000;
const WITHIN = 20_000;
const OWNERS = ['a', 'b', 'c', 'd', 'e'] as const;

/** KEYS of a name, ARGV ms: moves every expiry towards now, and drops what it then has passed. */
const AGE = `
local by = tonumber(ARGV[1])
for _, key in ipairs(KEYS) do
  local left = redis.call('PTTL', key) - by
  if left > 0 then redis.call('PEXPIRE', key, left) else redis.call('DEL', key) end
end
for _, owner in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local score = tonumber(redis.call('ZSCORE', KEYS[2], owner))
  if score >= 1e14 then -- a ticket
    redis.call('ZINCRBY', KEYS[2], -by * 1000, owner)
    local spec, expiry = string.match(redis.call('HGET', KEYS[3], owner), '^(.*) (%d+)$')
    redis.call('HSET', KEYS[3], owner, spec .. ' ' .. string.format('%d', expiry - by))
  elseif score > 0 then
    redis.call('ZINCRBY', KEYS[2], -by, owner)
  end
end`;

type Step =
  | {
      readonly type: 'acquire';
      readonly stay: boolean;
      readonly owner: string;
      readonly mode: Mode;
      readonly permits: number;
      readonly limit: number;
      readonly ttl: number;
      readonly waiterTtl: number;
      /** Whether it tells the arrival that its last denial told. */
      readonly back: boolean;
    }
  | { readonly type: 'renew' | 'downgrade'; readonly owner: string; readonly ttl: number }
  | {
      readonly type: 'release';
      readonly owner: string | undefined;
      /** Whether it tells the fence that the owner was last granted, or one that is stale. */
      readonly by: 'owner' | 'fence' | 'stale';
      readonly keep: number;
    }
  | { readonly type: 'pass'; readonly units: number };

/** One of the two sides: a server with two coordinators, of which an owner has its own. */
interface Side {
  /** Whether what it tells of times is moved as time passes, rather than now. */
  readonly moves: boolean;
  readonly stores: readonly [Store, Store];
  readonly told: [Grant[], Grant[]];
  ask<T>(answer: Observable<T>): Promise<T>;
  pass(ms: number): Promise<void>;
}

/** What one side answers to a list of steps. Fences differ between the sides, so they are known by when they were first seen. */
class Run {
  private readonly fences = new Map<string, number>();
  private readonly modes = new Map<string, Mode>();
  private readonly tickets = new Map<string, number>();
  private readonly seen: number[] = [];
  private highest = 0;
  private counted = 0;
  readonly side: Side;
  readonly name: string;

  constructor(side: Side, name: string) {
    this.side = side;
    this.name = name;
  }

  private rank(fence: number | undefined): number | undefined {
    if (!fence) return undefined;
    const known = this.seen.indexOf(fence);
    return known >= 0 ? known : this.seen.push(fence) - 1;
  }

  private request(owner: string, more: Partial<Request>): Request {
    const base = { mode: 'exclusive', permits: 1, limit: 0, ttl: UNIT, waiterTtl: UNIT } as const;
    return { ...base, ...more, name: this.name, owner };
  }

  private store(owner = 'a'): Store {
    return this.side.stores[coordinatorOf(owner)];
  }

  async take(step: Step): Promise<unknown> {
    if (step.type === 'pass') {
      const ms = step.units * UNIT;
      if (this.side.moves) for (const [owner, arrival] of this.tickets) this.tickets.set(owner, arrival - ms * 1_000);
      return this.side.pass(ms);
    }
    const { owner } = step;
    const store = this.store(owner);
    if (step.type === 'release') {
      const { by, keep } = step;
      const last = owner === undefined ? undefined : this.fences.get(owner);
      const fence = by === 'fence' ? last : by === 'stale' ? (last ?? 2) - 1 : undefined;
      if (owner !== undefined && fence === undefined) this.tickets.delete(owner);
      const { held, grants } = await this.side.ask(store.release({ name: this.name, owner, fence, keep }, WITHIN));
      return { held, grants };
    }
    if (step.type !== 'acquire') {
      const mode = this.modes.get(step.owner) ?? 'exclusive';
      const request = this.request(step.owner, { ttl: step.ttl, mode });
      const fence = this.fences.get(step.owner);
      const downgrade = step.type === 'downgrade' && fence !== undefined;
      const renewal = await this.side.ask(store.renew(request, fence, WITHIN, downgrade));
      if (downgrade && renewal === 'renewed') this.modes.set(step.owner, 'shared');
      return renewal;
    }
    const { type, stay, back, ...terms } = step;
    const ticket = back ? this.tickets.get(step.owner) : undefined;
    const request = this.request(step.owner, ticket === undefined ? terms : { ...terms, ticket });
    const answer = await this.side.ask(store.acquire(request, stay, WITHIN)).catch((error: Error) => error);
    if (answer instanceof Error) return answer.message;
    this.modes.set(step.owner, terms.mode);
    if (answer.granted) {
      if (answer.fence !== undefined) this.fences.set(step.owner, answer.fence);
      this.tickets.delete(step.owner);
      return { fence: this.rank(answer.fence) };
    }
    const { announced, wait, drawn } = answer;
    const { waiting } = await this.inspect();
    const before = waiting.findIndex((waiter) => waiter.owner === step.owner);
    expect(answer.rank, 'rank, the dead included').to.be.at.least(before < 0 ? waiting.length : before);
    expect(drawn, 'the clock is not below what was seen').to.be.at.least(this.highest);
    if (answer.ticket > 0) this.tickets.set(step.owner, answer.ticket);
    return { announced, wait: Math.floor(wait / UNIT), queued: answer.ticket > 0 };
  }

  /** The grants that were told since the last call, once there are as many as expected; each coordinator's in order. */
  async told(expected: readonly [number, number]): Promise<unknown> {
    const { told } = this.side;
    const since = performance.now();
    const ours = (grants: Grant[]): Grant[] => grants.filter(({ name }) => name === this.name); // not of a run that failed
    while (told.some((grants, i) => ours(grants).length < (expected[i] ?? 0)) && performance.now() - since < 2_000) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const grants = told.map((heard) => ours(heard.splice(0)).map(({ owner, fence = 0 }) => ({ owner, fence })));
    const inOrder = grants.flat().sort((one, two) => one.fence - two.fence);
    for (const { owner, fence } of inOrder) {
      this.fences.set(owner, fence);
      this.tickets.delete(owner);
    }
    return [...grants, inOrder].map((heard) => heard.map(({ owner, fence }) => ({ owner, fence: this.rank(fence) })));
  }

  /** Fences that were first seen in a step are higher than all that were seen before it. */
  rises(): void {
    const fresh = this.seen.filter((fence) => fence > this.highest);
    expect(fresh.length, 'fences that rise').to.equal(this.seen.length - this.counted);
    this.counted = this.seen.length;
    this.highest = Math.max(this.highest, ...fresh);
  }

  inspect(): Promise<Inspection> {
    return this.side.ask(this.store().inspect(this.name, WITHIN));
  }

  /** An inspection that can be compared. */
  shape({ holders, waiting, fence }: Inspection): unknown {
    return {
      holders: holders
        .map(({ remaining, ...holder }) => ({ ...holder, remaining: Math.floor(remaining / UNIT) }))
        .sort((a, b) => (a.owner < b.owner ? -1 : 1)),
      waiting: waiting.map(({ waited, ...waiter }) => ({ ...waiter, waited: Math.floor(waited / UNIT) })),
      fence: this.rank(fence),
    };
  }
}

const coordinatorOf = (owner: string): 0 | 1 => (OWNERS.indexOf(owner as 'a') % 2 === 1 ? 1 : 0);

const record = (stores: readonly [Store, Store]): [Grant[], Grant[]] => {
  const told: [Grant[], Grant[]] = [[], []];
  stores.forEach((store, i) => {
    store.grants$.subscribe((grant) => void (grant?.fence !== undefined && told[i]?.push(grant)));
  });
  return told;
};

const times = fc.integer({ min: 1, max: 6 }).map((units) => (units + 0.5) * UNIT);
const owner = fc.constantFrom(...OWNERS);
/** What kinds of lease are asked for on one name: those of a mutex, a semaphore, a read-write lock, and any mixture. */
const kinds = {
  mutex: fc.constant({ mode: 'exclusive', permits: 1, limit: 0 }),
  semaphore: fc.integer({ min: 1, max: 4 }).map((permits) => ({ mode: 'shared', permits, limit: 4 })),
  'read-write lock': fc.constantFrom('exclusive', 'shared').map((mode) => ({ mode, permits: 1, limit: 0 })),
  mixture: fc.record({
    mode: fc.constantFrom('exclusive', 'shared'),
    permits: fc.integer({ min: 1, max: 3 }),
    limit: fc.constantFrom(0, 3, 4),
  }),
} as Readonly<Record<string, fc.Arbitrary<Pick<Request, 'mode' | 'permits' | 'limit'>>>>;

const stepOf = (kind: fc.Arbitrary<Pick<Request, 'mode' | 'permits' | 'limit'>>): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .tuple(
          kind,
          fc.record({
            type: fc.constant('acquire' as const),
            stay: fc.boolean(),
            back: fc.boolean(),
            owner,
            ttl: times,
            waiterTtl: times,
          }),
        )
        .map(([terms, step]) =>
          terms.mode === 'exclusive' ? { ...step, ...terms, permits: 1 } : { ...step, ...terms },
        ),
    },
    { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('renew', 'downgrade'), owner, ttl: times }) },
    {
      weight: 4,
      arbitrary: fc.record({
        type: fc.constant('release' as const),
        owner,
        by: fc.constantFrom('owner', 'fence', 'stale'),
        keep: fc.constantFrom(0, 0, 0, 0, 1.5 * UNIT),
      }),
    },
    { weight: 2, arbitrary: fc.constant({ type: 'release', owner: undefined, by: 'owner', keep: 0 } as const) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('pass' as const), units: fc.integer({ min: 1, max: 4 }) }) },
  );

/**
 * What may never be seen, whatever the step. `limit` where all who share ask with the same; `back` is who came back to
 * a place that it had, which may be before those who wait.
 */
const mustHold = (before: Inspection, { holders, waiting }: Inspection, limit?: number, back?: string): void => {
  if (holders.some(({ mode }) => mode === 'exclusive')) expect(holders, 'exclusion').to.have.length(1);
  const used = holders.reduce((sum, { permits }) => sum + permits, 0);
  if (limit !== undefined) expect(used, 'permits in use').to.be.at.most(limit);
  const left = before.waiting.map((waiter) => waiter.owner).filter((each) => waiting.some((w) => w.owner === each));
  expect(
    waiting.map((waiter) => waiter.owner).filter((each) => left.includes(each)),
    'the order of the queue',
  ).to.deep.equal(left);
  for (const holder of holders) {
    if (holder.owner === back || before.holders.some((was) => was.owner === holder.owner)) continue;
    const rank = before.waiting.findIndex((waiter) => waiter.owner === holder.owner);
    const ahead = rank < 0 ? before.waiting : before.waiting.slice(0, rank);
    const passed = ahead.filter((waiter) => left.includes(waiter.owner));
    expect(passed, `passed over when ${holder.owner} was granted`).to.deep.equal([]);
  }
};

describe('Memory and Redis', function () {
  this.timeout(300_000); // for the search of a smaller counterexample; without one it takes seconds
  let server: Server;
  let redis: Redis;
  let real: Side;
  let count = 0;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
    const stores = [await openRedisStore(redis), await openRedisStore(redis)] as const;
    real = {
      moves: true,
      stores,
      told: record(stores),
      ask: (answer) => lastValueFrom(answer),
      pass: async (ms) => void (await redis.eval(AGE, 3, ...keysOf('', `name ${count}`), ms)),
    };
  });

  after(async () => {
    for (const store of real.stores) store.close();
    redis.disconnect();
    await server.stop();
  });

  const virtual = (): Side => {
    const time = new VirtualTime();
    const memory = new Memory();
    memory.clock = 10; // so that there are stale fences, too
    const stores = [new MemoryStore(memory, time), new MemoryStore(memory, time)] as const;
    return {
      moves: false,
      stores,
      told: record(stores),
      ask: (answer) => {
        const value = lastValueFrom(answer);
        time.pass(0);
        return value;
      },
      pass: async (ms) => time.pass(ms),
    };
  };

  for (const [kind, terms] of Object.entries(kinds)) {
    it(`answer alike, and keep what must hold, whatever is asked of a ${kind}`, async () => {
      const limit = kind === 'semaphore' ? 4 : undefined;
      const steps = fc.array(stepOf(terms), { minLength: 1, maxLength: 30, size: 'max' });
      await fc.assert(
        fc.asyncProperty(steps, fc.boolean(), async (taken, leave) => {
          count += 1;
          const runs = [new Run(virtual(), `name ${count}`), new Run(real, `name ${count}`)] as const;
          const [memory, actual] = runs;
          let before = await memory.inspect();
          const both = async (step: Step): Promise<void> => {
            const label = JSON.stringify(step);
            expect(await actual.take(step), label).to.deep.equal(await memory.take(step));
            const expected = memory.side.told.map((grants) => grants.length) as [number, number];
            expect(await actual.told(expected), `told after ${label}`).to.deep.equal(await memory.told(expected));
            const seen = [await memory.inspect(), await actual.inspect()] as const;
            expect(JSON.stringify(actual.shape(seen[1])), `seen after ${label}`).to.equal(
              JSON.stringify(memory.shape(seen[0])),
            );
            for (const run of runs) run.rises();
            const back = step.type === 'acquire' && step.back ? step.owner : undefined;
            mustHold(before, seen[1], limit, back);
            before = seen[0];
          };
          for (const step of taken) await both(step);
          if (leave) for (const each of OWNERS) await both({ type: 'release', owner: each, by: 'owner', keep: 0 });
          await both({ type: 'pass', units: 28 });
          expect(before).to.deep.include({ holders: [], waiting: [] });
          const keys = keysOf('', `name ${count}`);
          expect(await Promise.all(keys.map((key) => redis.pttl(key))), 'keys that are left').to.deep.equal([
            -2, -2, -2,
          ]);
        }),
        { numRuns: 120, interruptAfterTimeLimit: 60_000 },
      );
    });
  }
});

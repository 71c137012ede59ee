/** The lifecycle over a bad network, in virtual time: whatever is late, lost or overtaken, two never hold and nothing stays. */
import { assert } from 'chai';
import fc from 'fast-check';
import { TestScheduler } from 'rxjs/testing';
import type { Lease } from '../../src/lease/lease.ts';
import { Sessions } from '../../src/lease/sessions.ts';
import { type Kind, termsOf } from '../../src/lease/terms.ts';
import { Lock } from '../../src/locks/lock.ts';
import type { LockOptions } from '../../src/options.ts';
import { Memory, MemoryStore } from '../../src/store/memory.ts';
import type { Inspection } from '../../src/store/store.ts';
import { type Fate, UnreliableStore } from '../support/unreliable-store.ts';
import { CountingScheduler } from '../support/virtual.ts';

const EXCLUSIVE: Kind = { mode: 'exclusive', permits: 1, limit: 0 };
const TWO: Kind = { mode: 'shared', permits: 1, limit: 2 };

const OPTIONS = { ttl: 100, renewEvery: 30, waiterTtl: 90, commandTimeout: 50, backoff: () => 10 };

/** With these an answer may come when nothing is left of the lease that it grants. */
const SHORT = { ttl: 40, renewEvery: 13, commandTimeout: 100 };

/** ms at which all have left. */
const END = 400;

interface Client {
  readonly from: number;
  readonly until: number;
  readonly single: boolean;
  readonly fates: readonly Fate[];
}

const way = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 5 }) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 160 }) },
  { weight: 1, arbitrary: fc.constant(undefined) },
);

const cut = fc.option(fc.nat(60), { freq: 8, nil: undefined });

const client: fc.Arbitrary<Client> = fc.record({
  from: fc.nat(150),
  until: fc.integer({ min: 0, max: END }),
  single: fc.boolean(),
  fates: fc.array(fc.record({ there: way, back: way, cut }), { maxLength: 25 }),
});

/** Runs the clients, each on a connection of its own, and gives the most that ever held at once. */
const run = (clients: readonly Client[], kind: Kind, options: LockOptions = {}): number => {
  const time = new TestScheduler(() => undefined);
  return time.run(({ flush }) => {
    const memory = new Memory();
    const scheduler = new CountingScheduler(time);
    const leases: Lease[] = [];
    const left: string[] = [];
    let most = 0;
    let closed = 0;
    for (const { from, until, single, fates } of clients) {
      const store = new UnreliableStore(new MemoryStore(memory, time), time, fates);
      const sessions = new Sessions(store);
      const lock = new Lock({ sessions, name: 'a', kind, terms: termsOf({ ...OPTIONS, ...options, scheduler }) });
      const subscribe = (): void => {
        const subscription = (single ? lock.try() : lock).subscribe({
          next: (lease) => {
            leases.push(lease);
            // no lease is held again once it was not: an overlap begins where one is emitted
            most = Math.max(most, leases.filter(({ held }) => held).length);
          },
          error: () => undefined,
        });
        time.schedule(() => subscription.unsubscribe(), Math.max(1, until - from));
      };
      // one whose releases all went unanswered may have to lapse by itself
      const stays = (owner: string): boolean => ['asked', 'left'].includes(store.owners.get(owner) ?? '');
      const look = ({ holders, waiting }: Inspection): void => {
        closed += 1;
        left.push(...[...holders, ...waiting].map(({ owner }) => owner).filter(stays));
      };
      time.schedule(subscribe, from);
      time.schedule(() => sessions.shut().subscribe(() => store.inspect('a', 50).subscribe(look)), END);
    }
    flush();
    assert.equal(closed, clients.length);
    assert.deepEqual(left, [], 'owners that stay though they never left, or were told that they have');
    assert.equal(scheduler.pending, 0, 'timers');
    assert.equal(new Set(leases.map(({ fence }) => fence)).size, leases.length, 'every lease has a fence of its own');
    return most;
  });
};

describe('over a network that delays, loses and reorders messages, with waiters that leave at any time', () => {
  it('two that exclude each other never hold at once, and nothing remains', () =>
    fc.assert(
      fc.property(fc.array(client, { minLength: 2, maxLength: 4 }), (clients) => {
        assert.isAtMost(run(clients, EXCLUSIVE), 1);
      }),
      { numRuns: 1_000 },
    ));

  it('a release is repeated if its answer came only after the last request’s not-after: that request may have taken effect after it', () => {
    const fate = (there: number, back: number, cut?: number): Fate => ({ there, back, cut });
    const cuts = [fate(0, 11, 11), fate(0, 24, 24), fate(35, 2, 37), fate(0, 2, 2), fate(0, 3, 3)];
    const fates = [...cuts, fate(5, 5), fate(48, 0, 0), fate(0, 0, 0), fate(0, 26)];
    const clients = [
      { from: 0, until: 254, single: false, fates: [] },
      { from: 86, until: 254, single: false, fates },
      { from: 0, until: 0, single: false, fates: [] },
    ];
    assert.equal(run(clients, EXCLUSIVE), 1);
  });

  it('the release of a lease that arrived too late does not end the owner’s next lease', () => {
    const well = { cut: undefined, back: 0 };
    const slow = { from: 0, until: 62, single: false };
    const fates = [
      { there: 0, back: 38, cut: undefined },
      { there: 12, back: 0, cut: 0 },
    ]; // the release is cut off, and lands
    const early = { from: 25, until: 52, single: false, fates: [{ ...well, there: 25 }] };
    const first = { from: 0, until: 54, single: false, fates: [{ ...well, there: 50 }] };
    const second = { from: 48, until: 49, single: false, fates: [{ there: 2, back: undefined, cut: undefined }] };
    fc.assert(
      fc.property(fc.array(client, { minLength: 2, maxLength: 4 }), (clients) => {
        assert.isAtMost(run(clients, EXCLUSIVE, SHORT), 1);
      }),
      {
        numRuns: 1_000,
        examples: [[[{ ...slow, fates }, early]], [[{ ...slow, until: 54, fates }, first, second]]],
      },
    );
  });

  it('a grant that arrives too late does not end what its owner has got in another process since it lapsed', () => {
    const time = new TestScheduler(() => undefined);
    time.run(({ flush }) => {
      const memory = new Memory();
      const leases: Lease[] = [];
      const hold = (from: number, fates: readonly Fate[]): void => {
        const sessions = new Sessions(new UnreliableStore(new MemoryStore(memory, time), time, fates));
        const terms = termsOf({ ...OPTIONS, ...SHORT, scheduler: time, owner: 'me' });
        const lock = new Lock({ sessions, name: 'a', kind: EXCLUSIVE, terms });
        time.schedule(() => {
          const subscription = lock.subscribe({ next: (lease) => leases.push(lease), error: () => undefined });
          time.schedule(() => subscription.unsubscribe(), 90);
        }, from);
      };
      hold(0, [{ there: 0, back: 45, cut: undefined }]);
      hold(41, []); // before that answer, and after the lease that it grants
      time.schedule(() => assert.isTrue(leases[0]?.held), 80);
      flush();
    });
  });

  it('no more permits are held than there are, and nothing remains', () =>
    fc.assert(
      fc.property(fc.array(client, { minLength: 3, maxLength: 5 }), (clients) => {
        assert.isAtMost(run(clients, TWO), 2);
      }),
      { numRuns: 500 },
    ));
});

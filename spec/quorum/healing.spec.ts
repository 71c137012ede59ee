/** A quorum heals, whatever others try meanwhile: all nodes restart empty, one after another, and the lease stays. */
import { assert } from 'chai';
import fc from 'fast-check';
import { RENEWAL, TIMEOUT, TTL } from './client.ts';
import { CLIENTS, falls, HOUR, overlaps, run, type Timed } from './run.ts';

/**
 * ms from one restart to the next: an attempt that was cut off keeps the node that came back for a ttl, and a renewal
 * reaches it then, late by a timeout at the most.
 */
const PAUSE = TTL + RENEWAL + TIMEOUT;

const restart = (node: number, down: number): Timed => [PAUSE, { type: 'restart', node, keeps: false, down }];

/** What others do in the meantime: they ask for the lock, on ways that are slow or cut. */
const others = (nodes: number): fc.Arbitrary<Timed> => {
  const gap = fc.integer({ min: 0, max: 200 });
  const client = fc.integer({ min: 1, max: CLIENTS - 1 });
  const node = fc.integer({ min: 0, max: nodes - 1 });
  const ms = fc.constantFrom(100, 1_000);
  return fc.oneof(
    fc.tuple(
      gap,
      fc.record({
        type: fc.constant('take' as const),
        client,
        mode: fc.constantFrom('exclusive' as const, 'shared' as const),
        hold: fc.constantFrom(0, 100),
        dies: fc.boolean(),
      }),
    ),
    fc.tuple(
      gap,
      fc.record({ type: fc.constant('slow' as const), client, node, lag: fc.integer({ min: 1, max: 120 }), ms }),
    ),
    fc.tuple(gap, fc.record({ type: fc.constant('cut' as const), client, node, ms })),
  );
};

describe('a lease on a quorum', function () {
  this.timeout(300_000);

  for (const nodes of [3, 5]) {
    it(`stays through restarts of all ${nodes} nodes, each of which comes back empty and without a vote, and the next has a higher fence`, () => {
      const skew = fc.constantFrom(-HOUR, 0, HOUR, 1);
      const order = fc.shuffledSubarray([...Array(nodes).keys()], { minLength: nodes, maxLength: nodes });
      const meanwhile = fc.array(fc.array(others(nodes), { maxLength: 4 }), { minLength: nodes, maxLength: nodes });
      fc.assert(
        fc.property(
          fc.array(skew, { minLength: nodes, maxLength: nodes }),
          fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 8 }),
          order,
          meanwhile,
          fc.constantFrom(0, 50, 200),
          (skews, delays, which, tries, down) => {
            const hold = 10 * nodes * PAUSE;
            const steps: Timed[] = [
              [0, { type: 'take', client: 0, mode: 'exclusive', hold, dies: false }],
              ...which.flatMap((node, i) => [restart(node, down), ...(tries[i] ?? [])]),
              [3 * HOUR, { type: 'take', client: 1, mode: 'exclusive', hold: 0, dies: false }],
            ];
            const outcome = run({ skews, delayedRestart: 2 * HOUR, delays, steps });
            const [first, next, ...more] = outcome.emissions;
            assert.isAtLeast(Number(first?.until), Number(first?.at) + hold, 'it was held to its end');
            assert.isDefined(next, 'it was released then');
            assert.lengthOf(more, 0);
            assert.deepEqual([...overlaps(outcome), ...falls(outcome)], []);
          },
        ),
        { numRuns: 100 },
      );
    });
  }
});

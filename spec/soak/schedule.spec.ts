import { assert } from 'chai';
import { FAULTS, type Kind, type Round, schedule } from './schedule.ts';

const rounds = (seed: number, count = 200): Round[] => {
  const all = schedule(seed);
  return Array.from({ length: count }, () => all.next().value as Round);
};

describe('The schedule of a soak', () => {
  it('is the same for the same seed, and another for another', () => {
    assert.deepEqual(rounds(7), rounds(7));
    assert.notDeepEqual(rounds(7), rounds(8));
  });

  it('makes every fault there is, each about as often as the others', () => {
    const kinds = rounds(1).flatMap(({ faults }) => faults.map(({ kind }) => kind));
    const counts = Object.keys(FAULTS).map((kind) => kinds.filter((each) => each === kind).length);
    assert.isAbove(Math.min(...counts), 5);
    assert.isAtMost(Math.max(...counts) - Math.min(...counts), 2);
  });

  it('makes two at once of different culprits, and those by which the server forgets alone', () => {
    const pairs = rounds(1).filter(({ faults }) => faults.length > 1);
    assert.isAbove(pairs.length, 20);
    for (const { faults } of pairs) {
      const made = faults.map(({ kind }: { kind: Kind }) => FAULTS[kind]);
      assert.lengthOf(new Set(made.map(({ culprit }) => culprit)), 2);
      assert.isFalse(made.some((each) => 'forgets' in each));
    }
  });
});

/** The checker of the fault specs, proved by histories that are known to be bad, and by good ones beside them. */
import { assert } from 'chai';
import { type Allowance, type Deaf, type Life, longestOverlap, type Turn, violations } from './history.ts';
import { linearizable } from './linearizable.ts';

let count = 0;
const life = (
  asked: number,
  granted: number | undefined,
  ended: number | undefined,
  more: Partial<Life> = {},
): Life => {
  count += 1;
  return {
    ...{ name: 'a', owner: `o${count}`, mode: 'exclusive', permits: 1, limit: 0, asked },
    ...(granted === undefined ? {} : { granted, fence: 1_000 + granted }),
    ...(ended === undefined ? {} : { ended }),
    ...more,
  };
};
const shared = (asked: number, granted: number, ended: number, permits = 1, limit = 0): Life =>
  life(asked, granted, ended, { mode: 'shared', permits, limit });
const turn = (fence: number, saw: number, asked: number, done?: number): Turn => ({
  ...{ fence, saw, asked },
  ...(done === undefined ? {} : { done }),
});

const good = (what: string, lives: Life[], allowance?: Allowance): Mocha.Test =>
  it(`accepts ${what}`, () => assert.deepEqual(violations({ lives }, allowance), []));
const bad = (what: string, message: RegExp, lives: Life[], allowance?: Allowance): Mocha.Test =>
  it(`refuses ${what}`, () => {
    const found = violations({ lives }, allowance);
    assert.isNotEmpty(found);
    for (const each of found) assert.match(each, message);
  });

describe('The checker of histories', () => {
  describe('of leases that exclude each other', () => {
    good('one after the other', [life(0, 1, 5), life(2, 5, 9)]);
    good('two at once on different names', [life(0, 1, 5), life(0, 1.5, 5, { name: 'b' })]);
    bad('two at once', /^overlap of 2\.0 ms/, [life(0, 1, 5), life(2, 3, 9)]);
    bad('one inside the other', /^overlap of 1\.0 ms/, [life(0, 1, 9), life(2, 3, 4)]);
    bad('a reader beside a writer', /^overlap/, [shared(0, 1, 5), life(2, 3, 9)]);
    bad('a writer beside a reader', /^overlap/, [life(0, 1, 5), shared(2, 3, 9)]);
    good('a lease whose end is not known, up to when it was last seen', [
      life(0, 1, undefined, { seen: 3 }),
      life(2, 4, 9),
    ]);
    bad('a lease whose end is not known, before it was last seen', /^overlap/, [
      life(0, 1, undefined, { seen: 5 }),
      life(2, 4, 9),
    ]);
    good('a grant of which nobody was told', [life(0, 1, 5), life(2, undefined, undefined)]);
    good('an overlap within what is allowed', [life(0, 1, 5), life(2, 3, 9)], { overlap: 2 });
    bad('an overlap beyond what is allowed', /^overlap/, [life(0, 1, 5), life(2, 3, 9)], { overlap: 1.5 });

    const broken = 4; // what was granted before it may overlap with what was granted since
    const allowance: Allowance = {
      overlap: (earlier, later) => (earlier.granted < broken && later.granted > broken ? 2 : 0),
    };
    good('an overlap of two leases that are allowed it', [life(0, 3, 7), life(2, 5, 9)], allowance);
    bad('an overlap of two others', /^overlap/, [life(0, 5, 7), life(2, 6, 9)], allowance);

    it('measures the longest overlap', () => {
      assert.equal(longestOverlap([life(0, 1, 5), life(2, 3, 9), life(3, 9, 12)]), 2);
      assert.equal(longestOverlap([shared(0, 1, 5), shared(2, 3, 9)]), 0);
    });
  });

  describe('of leases that share', () => {
    good('readers at once', [shared(0, 1, 5), shared(0, 2, 6), shared(0, 3, 7)]);
    good('permits up to the limit', [shared(0, 1, 5, 2, 3), shared(0, 2, 6, 1, 3), shared(2, 5, 8, 2, 3)]);
    bad('permits beyond the limit', /^4 permits in use of 3/, [shared(0, 1, 5, 2, 3), shared(0, 2, 6, 2, 3)]);
  });

  describe('of fences', () => {
    bad('one fence twice', /twice/, [life(0, 1, 2, { fence: 7 }), life(3, 4, 5, { fence: 7 })]);
    bad('a fence that falls from holder to holder', /fell/, [life(0, 1, 2, { fence: 7 }), life(0, 4, 5, { fence: 6 })]);
    bad('a fence that falls where an overlap is allowed', /fell/, [life(0, 1, 4), life(0, 3, 6, { fence: 6 })], {
      overlap: 9,
    });
    const told = [life(0, 1, 4), life(0, 3, 6, { fence: 6 })];
    good('a fence that falls since its grant was on its way', told, {
      overlap: 9,
      underway: ({ fence }) => fence === 6,
    });
    bad('one that falls although it was asked for later', /fell/, [life(0, 1, 4), life(2, 3, 6, { fence: 6 })], {
      overlap: 9,
      underway: () => true,
    });
    bad('a reader asked for later with a lower fence', /fell/, [shared(0, 1, 9), { ...shared(2, 3, 9), fence: 6 }]);
    good('readers asked for together whose fences cross', [shared(0, 3, 9), { ...shared(0, 4, 9), fence: 6 }]);
  });

  describe('of the queue', () => {
    const first = { queued: 2 };
    good('waiters in turn', [life(0, 1, 9), life(1, 9, 11, first), life(3, 11, 12, { queued: 4 })]);
    good('waiters that asked at once, in any order', [life(0, 1, 9), life(3, 9, 10), life(1, 11, 12, { queued: 4 })]);
    bad('a waiter that was passed', /passed/, [life(0, 1, 9), life(1, 11, 12, first), life(3, 9, 10)]);
    bad('a waiter that was passed, and never served', /still waited/, [
      life(0, 1, 9),
      life(1, undefined, undefined, first),
      life(3, 9, 10),
    ]);
    good('a waiter that had left', [
      life(0, 1, 9),
      life(1, undefined, undefined, { ...first, left: 8 }),
      life(3, 9, 10),
    ]);
    const untold = { ...first, mode: 'shared', left: 12 } as const;
    good('a waiter that left as it was served beside the next, and was not told', [
      life(0, 1, 9),
      life(1, undefined, undefined, untold),
      shared(3, 10, 14),
    ]);
    bad('the same before one that excludes it', /still waited/, [
      life(0, 1, 9),
      life(1, undefined, undefined, untold),
      life(3, 10, 14),
    ]);
    good('a stopped waiter that was passed', [
      life(0, 1, 9),
      life(1, 11, 12, { ...first, passable: true }),
      life(3, 9, 10),
    ]);

    /** The second asks while its coordinator does not listen; the third, who asks later, is granted the lock at 301 by the fence 1301. */
    const passing = (...deaf: Deaf[]): Life[] => [
      life(0, 1, 9),
      life(1, 600, 601, { ...first, deaf }),
      life(3, 301, 302),
    ];
    good('a waiter that was passed while its coordinator did not listen', passing({ since: 301, until: 1_301 }));
    good('the same where it has never listened', passing({ since: 301 }));
    good('the same when it did not listen for a second time', passing({ since: 1, until: 1_001 }, { since: 300 }));
    bad('a waiter that was passed before it can have been', /passed/, passing({ since: 302, until: 1_301 }));
    bad('a waiter that was passed after its coordinator listened', /passed/, passing({ since: 301, until: 1_300 }));
    bad('one that was passed although another was by right', /o\d+ \(1301\) passed o\d+ \(1500\)/, [
      ...passing({ since: 301 }),
      life(2, 500, 501, { queued: 2.5 }),
    ]);
    const never = (until: number): Life[] => [
      life(0, 1, 9),
      life(1, undefined, undefined, { ...first, deaf: [{ since: 301, until }] }),
      life(3, 400, 401),
    ];
    good('one that was passed by right, and never served', never(1_400));
    bad('one that was passed after its coordinator listened, and never served', /still waited/, never(1_399));
  });

  describe('of the register', () => {
    const check = (turns: Turn[], value?: number): string[] =>
      violations({ lives: [], turns, ...(value === undefined ? {} : { value }) });

    it('accepts turns one after the other, and ones that overlap but can be put in order', () => {
      assert.deepEqual(check([turn(1, 0, 0, 1), turn(2, 1, 2, 3)]), []);
      assert.deepEqual(check([turn(2, 1, 0, 9), turn(1, 0, 1, 8)]), []);
    });
    it('accepts a turn of unknown outcome both ways', () => {
      assert.deepEqual(check([turn(1, 0, 0), turn(2, 0, 2, 3)], 1), []);
      assert.deepEqual(check([turn(1, 0, 0), turn(2, 1, 2, 3)], 2), []);
    });
    it('refuses a lost update', () => assert.lengthOf(check([turn(1, 0, 0, 5), turn(2, 0, 1, 6)]), 1));
    it('refuses a value that nobody wrote, or that was lost in the end', () => {
      assert.lengthOf(check([turn(1, 0, 0, 1)], 2), 1);
      assert.lengthOf(check([turn(1, 0, 0, 1)], 0), 1);
    });
    it('refuses a write by a lower fence after one by a higher', () =>
      assert.lengthOf(check([turn(2, 0, 0, 1), turn(1, 1, 0, 3)]), 1));
    it('refuses a turn that was seen before it was asked for', () =>
      assert.lengthOf(check([turn(1, 1, 0, 1), turn(1, 0, 2, 3)]), 1));
  });

  it('searches a hundred thousand turns, ten of them at a time, without looking anywhere twice', () => {
    const operations = Array.from({ length: 100_000 }, (_, i) => ({
      asked: i - 10,
      done: i,
      apply: (state: number) => (state === i ? i + 1 : undefined),
    }));
    assert.isTrue(linearizable(operations, 0));
    assert.isFalse(linearizable(operations, 0, (state) => state < 100_000));
  });

  it('reads a hundred thousand lives, half of them of waiters that gave up', () => {
    const lives = Array.from({ length: 100_000 }, (_, i) =>
      i % 2 ? life(i, i + 0.5, i + 1) : life(i, undefined, undefined, { queued: i, left: i + 0.5 }),
    );
    assert.deepEqual(violations({ lives }), []);
  });
});

/** The verdict on a soak, proved by what it must not excuse, and by the like that it must. */
import { assert } from 'chai';
import type { Life } from '../faults/history.ts';
import type { Complaint, Trouble } from './arena.ts';
import { BOUND, RECOVERY, STALL, TTL } from './terms.ts';
import { type Seen, verdictOn } from './verdict.ts';

const life = (
  owner: string,
  asked: number,
  granted: number | undefined,
  ended: number | undefined,
  more = {},
): Life => ({
  ...{ name: 'a', owner, mode: 'exclusive', permits: 1, limit: 0, asked },
  ...(granted === undefined ? {} : { granted, fence: 1_000 + granted }),
  ...(ended === undefined ? {} : { ended }),
  ...more,
});
const [one, other] = ['child1-1', 'child2-1'] as const;
const flush: Trouble = { kind: 'everything flushed', from: 1_000, to: 1_010 };
const findings = (seen: Partial<Seen>): readonly string[] =>
  verdictOn({ lives: [], registers: [], troubles: [], complaints: [], ...seen }).findings;
const accepts = (what: string, seen: Partial<Seen>): Mocha.Test =>
  it(`accepts ${what}`, () => assert.deepEqual(findings(seen), []));
const refuses = (what: string, message: RegExp, seen: Partial<Seen>): Mocha.Test =>
  it(`refuses ${what}`, () => {
    assert.lengthOf(findings(seen), 1);
    assert.match(findings(seen).join(), message);
  });

describe('The verdict on a soak', () => {
  describe('on leases that overlap', () => {
    const overlapping = (ms: number, later = 1_600): Life[] => [
      life(one, 0, 500, later + ms),
      life(other, 900, later, later + 2_000),
    ];
    refuses('any where nothing was forgotten', /^overlap of 1\.0 ms/, { lives: overlapping(1) });
    accepts('one within the bound where the server forgot the earlier', {
      lives: overlapping(BOUND),
      troubles: [flush],
    });
    refuses('one beyond it', /^overlap/, { lives: overlapping(BOUND + 1), troubles: [flush] });
    refuses('one that the server forgot before', /^overlap/, {
      lives: overlapping(1),
      troubles: [{ ...flush, from: -TTL, to: -TTL }],
    });
    refuses('one that began when all had long learnt of it', /^overlap/, {
      lives: overlapping(1, 1_010 + RECOVERY + BOUND + 1),
      troubles: [flush],
    });
    accepts('one that is longer by the time for which the earlier stood still', {
      lives: overlapping(BOUND + 100),
      troubles: [flush, { kind: 'client still', from: 2_000, to: 2_100, labels: ['child1'] }],
    });
    refuses('one that is longer by the time for which another stood still', /^overlap/, {
      lives: overlapping(BOUND + 100),
      troubles: [flush, { kind: 'client still', from: 2_000, to: 2_100, labels: ['child2'] }],
    });
    const crossed = (asked: number): Life[] => [
      life(one, asked, 1_015, 1_016, { fence: 5_000 }),
      life(other, 990, 1_020, 1_021, { fence: 4_000 }),
    ];
    accepts('a fence that falls as its grant was on its way when the server forgot it', {
      lives: crossed(1_012),
      troubles: [flush],
    });
    refuses('the same where nothing was forgotten', /a fence fell/, { lives: crossed(1_012) });
    it('counts those that are allowed apart', () => {
      const seen = { registers: [], complaints: [] };
      const { overlaps, allowed } = verdictOn({ ...seen, lives: overlapping(30), troubles: [flush] });
      assert.deepEqual([overlaps, allowed], [0, [30]]);
    });
  });

  describe('on leases that were lost', () => {
    const lives = [life(one, 0, 500, 3_000, { lost: 'unreachable' })];
    const stopped = (from: number, to: number, labels?: string[]): Trouble => ({
      ...{ kind: 'client stopped', from, to },
      ...(labels && { labels }),
    });
    refuses('one without a reason', /lost a \(unreachable\) when nothing was wrong/, { lives });
    accepts('one in a time of trouble', { lives, troubles: [stopped(2_900, 3_100)] });
    accepts('one soon after', { lives, troubles: [stopped(2_000, 3_000 - RECOVERY)] });
    refuses('one long after', /lost/, { lives, troubles: [stopped(2_000, 2_999 - RECOVERY)] });
    refuses('one in the trouble of another', /lost/, { lives, troubles: [stopped(2_900, 3_100, ['child2'])] });
    const still = (from: number, to: number): Trouble => ({ kind: 'client still', from, to, labels: ['child1'] });
    accepts('one after a time of which too much was stood still', {
      lives,
      troubles: [still(1_100, 1_700), still(2_000, 2_500)],
    });
    refuses('one after a time in which less was, or somewhat was long ago', /lost/, {
      lives,
      troubles: [still(100, 900), still(2_000, 2_500)],
    });
    refuses('one in a trouble that harms no lease', /lost/, {
      lives,
      troubles: [{ kind: 'scripts flushed', from: 2_000, to: 4_000 }],
    });
  });

  describe('on waiters', () => {
    const passed = [
      life(other, 0, 1, 900),
      life(one, 10, 950, 960, { queued: 20, fence: 3_000 }),
      life('child3-1', 30, 901, 902),
    ];
    refuses('one that was passed', /passed/, { lives: passed });
    accepts('one that was passed when its connection had been killed', {
      lives: passed,
      troubles: [{ kind: 'subscribers killed', from: 100, to: 110 }],
    });
    const deaf = (granted: number): Life[] => [life(one, 0, granted, granted + 1, { queued: 1, deaf: [{ since: 0 }] })];
    accepts('one whose coordinator does not listen at once', { lives: deaf(STALL) });
    refuses('one whose coordinator never does', /waited for a, and its coordinator did not listen/, {
      lives: deaf(STALL + 1),
    });
    const idle = [life(one, 0, 1, 2), life(other, 0, STALL + 11, STALL + 12, { queued: 1 })];
    refuses('a name that nobody held, for too long', /a was wanted for 5509 ms, and held by nobody/, { lives: idle });
    accepts('the same while the server was down for the rest', {
      lives: idle,
      troubles: [{ kind: 'server stopped', from: 100, to: 200 }],
    });
  });

  describe('on errors', () => {
    const told = (manner: string, error: string): Complaint => ({ at: 1_005, label: 'child1', manner, error });
    const troubles: Trouble[] = [{ kind: 'network down', from: 1_000, to: 1_010, labels: ['child1'] }];
    refuses('any where nothing was wrong', /was told/, { complaints: [told('once', 'REDIS_UNREACHABLE: no')] });
    accepts('one of a single attempt in trouble', { complaints: [told('once', 'REDIS_UNREACHABLE: no')], troubles });
    refuses('one of a wait, which goes on', /was told/, {
      complaints: [told('patient', 'REDIS_UNREACHABLE: no')],
      troubles,
    });
    refuses('one of another kind', /was told/, { complaints: [told('once', 'TypeError: no')], troubles });
  });

  it('refuses a register that lost an update', () => {
    const turns = [1, 2].map((fence) => ({ fence, asked: 1, saw: 0, done: 2 }));
    assert.match(findings({ registers: [{ turns, value: 1 }] }).join(), /^the register holds 1/);
  });
});

/** Every order in which answers, grants, timers and leavings can meet: fast-check's scheduler decides which comes next. */
import { assert } from 'chai';
import fc from 'fast-check';
import { Memory } from '../../src/store/memory.ts';
import { VirtualTime } from '../contract/virtual-time.ts';
import { type Course, Life, type Times } from '../support/life.ts';

const TIMES: Times = { ttl: 100, renewEvery: 30, waiterTtl: 90, commandTimeout: 50, backoff: () => 10 };

/** With these a grant, or any answer, may come when nothing is left of the lease. */
const SHORT: Times = { ...TIMES, ttl: 40, renewEvery: 13, commandTimeout: 100 };

/** ms in which the next is granted, once all that was late has come and each holder leaves at once. */
const PATIENCE = 200;

const one = (of: number): fc.Arbitrary<boolean> => fc.nat(of - 1).map((n) => n === 0);
const course = fc.record<Course>({ single: one(5), refusedToListen: one(5), leaves: fc.nat(8), hears: fc.nat(10) });

/** Lets them live in the order that is chosen, and gives how many of them held. */
const run = async (choose: fc.Scheduler, courses: readonly Course[], times: Times, steps: readonly number[]) => {
  const time = new VirtualTime();
  const memory = new Memory();
  const faults: string[] = [];
  const look = (): void => {
    for (const [i, { wrong }] of lives.entries()) if (wrong) faults.push(`${i} ${wrong} at ${time.now()}`);
    if (lives.filter(({ lease }) => lease?.held).length > 1) faults.push(`two hold at ${time.now()}`);
  };
  const lives = courses.map((one) => new Life(one, { memory, time, choose, times, look }));
  const soon = (label: string, act: () => void): void => {
    choose.schedule(Promise.resolve(), label).then(() => {
      act();
      time.pass(0);
      look();
    });
  };
  const settle = async (ms: number): Promise<void> => {
    time.pass(ms);
    look();
    await choose.waitIdle();
  };
  for (const [i, life] of lives.entries()) {
    const stay = (turns: number): void => {
      if (turns === 0) life.leave();
      else soon(`${i} stays`, () => stay(turns - 1));
    };
    soon(`${i} subscribes`, () => {
      life.begin();
      if (life.course.leaves > 0) stay(life.course.leaves);
    });
  }
  for (const ms of steps) soon(`${ms} ms pass`, () => time.pass(ms));
  await settle(0);

  const until = time.now() + PATIENCE * lives.length;
  while (lives.some(({ over }) => !over) && time.now() < until) {
    const holder = lives.find(({ lease, over }) => lease && !over);
    holder?.leave();
    await settle(holder ? 0 : 1);
  }
  assert.equal(faults[0], undefined);
  assert.isEmpty(
    lives.filter(({ over }) => !over),
    'who wait for ever',
  );

  let closed = 0;
  for (const { sessions } of lives) sessions.shut().subscribe(() => (closed += 1));
  for (let i = 0; i < 12; i += 1) await settle(50);
  assert.equal(faults[0], undefined);
  assert.equal(closed, lives.length, 'closed');
  assert.isEmpty(
    lives.filter(({ pending }) => pending > 0),
    'who leave a timer',
  );
  const { holders, queue } = memory.names.get('a') ?? {};
  const claims = [...(holders?.values() ?? []), ...(queue?.values() ?? [])];
  assert.isEmpty(
    claims.filter(({ due }) => due > time.now()),
    'places',
  );
  return lives.filter(({ lease }) => lease).length;
};

describe('in any order of answers, grants, timers and unsubscriptions', () => {
  for (const [what, times] of Object.entries({ '': TIMES, ', and answers come too late': SHORT }))
    it(`two owners never hold, a waiter that stays is granted the lock, and nothing remains of one that has left${what}`, async () => {
      const unhandled: unknown[] = [];
      const note = (error: unknown): void => void unhandled.push(error);
      process.on('unhandledRejection', note);
      let handed = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.scheduler(),
          fc.array(course, { minLength: 2, maxLength: 4 }),
          fc.array(fc.nat(30), { maxLength: 20 }),
          async (choose, courses, steps) => {
            if ((await run(choose, courses, times, steps)) > 1) handed += 1;
          },
        ),
        { numRuns: 3_000 },
      );
      await new Promise(setImmediate);
      process.off('unhandledRejection', note);
      assert.deepEqual(unhandled, []);
      assert.isAbove(handed, 100, 'runs in which more than one held');
    });
});

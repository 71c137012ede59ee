/** Every order in which answers, grants, timers and leavings can meet: fast-check's scheduler decides which comes next. */
import { assert } from 'chai';
import fc from 'fast-check';
import type { Subscription } from 'rxjs';
import type { Lease } from '../../src/lease/lease.ts';
import { Registry } from '../../src/lease/registry.ts';
import { type Kind, termsOf } from '../../src/lease/terms.ts';
import { Lock } from '../../src/locks/lock.ts';
import { Memory, MemoryStore } from '../../src/store/memory.ts';
import { VirtualTime } from '../contract/virtual-time.ts';
import { ChosenStore } from '../support/chosen-store.ts';
import { CountingScheduler } from '../support/virtual.ts';

const EXCLUSIVE: Kind = { mode: 'exclusive', permits: 1, limit: 0 };
const OPTIONS = { ttl: 100, renewEvery: 30, waiterTtl: 90, commandTimeout: 50, backoff: () => 10 };

/** ms in which one who stays is granted, once what was late has come and each holder leaves at once. */
const PATIENCE = 200;

/**
 * Whether it asks once only, whether no grant is ever told to it, and after how many events of its own it leaves: never,
 * where there are none.
 */
interface Course {
  readonly single: boolean;
  readonly deaf: boolean;
  readonly leaves: number;
}

const one = (of: number): fc.Arbitrary<boolean> => fc.nat(of - 1).map((n) => n === 0);
const courses = fc.array(fc.record<Course>({ single: one(5), deaf: one(5), leaves: fc.nat(8) }), {
  minLength: 2,
  maxLength: 4,
});

/** One subscription, in a process of its own. */
class Life {
  readonly course: Course;
  readonly registry: Registry;
  readonly store: ChosenStore;
  readonly scheduler: CountingScheduler;
  lease: Lease | undefined;
  /** How often it has ended, by itself. */
  ends = 0;
  private readonly memory: Memory;
  private readonly lock: Lock;
  private subscription: Subscription | undefined;

  constructor(course: Course, memory: Memory, time: VirtualTime, choose: fc.Scheduler, after: () => void) {
    this.course = course;
    this.memory = memory;
    this.scheduler = new CountingScheduler(time);
    this.store = new ChosenStore(new MemoryStore(memory, time), time, choose, course.deaf, after);
    this.registry = new Registry(this.store);
    const terms = termsOf({ ...OPTIONS, scheduler: this.scheduler });
    this.lock = new Lock({ registry: this.registry, name: 'a', kind: EXCLUSIVE, terms });
  }

  begin(): void {
    const ended = (): void => {
      this.ends += 1;
    };
    const lock$ = this.course.single ? this.lock.try() : this.lock;
    this.subscription = lock$.subscribe({ next: (lease) => (this.lease = lease), error: ended, complete: ended });
  }

  leave(): void {
    this.subscription?.unsubscribe();
  }

  get over(): boolean {
    return this.subscription?.closed === true;
  }

  /** What is wrong with it as it stands, now that all that was due has been done. */
  get wrong(): string | undefined {
    const { store, scheduler, lease, over } = this;
    const { pending } = scheduler;
    const now = scheduler.now();
    const { holders, queue } = this.memory.names.get('a') ?? {};
    const [holds, waits] = [holders, queue].map((places) => (places?.get(store.owner)?.due ?? 0) > now);
    if (this.ends > 1) return 'has ended twice';
    if (lease?.held && !holds) return 'believes in a lease that it has not';
    if (!this.subscription || store.asked > 0) return undefined;
    if (!over && pending === 0) return 'waits for nothing';
    if (over && store.unheard && pending === 0)
      return now - store.leavingSince < Math.max(OPTIONS.ttl, OPTIONS.waiterTtl) ? 'gives up its release' : undefined;
    if (over && !store.unheard) {
      if (pending > 0) return now > store.until + OPTIONS.commandTimeout + 1 ? 'has left a timer' : undefined;
      if (now > store.until && (holds || waits)) return `has left, and still ${holds ? 'holds' : 'waits'}`;
    }
    if (over || lease || !store.last?.answered || store.last.verb !== 'acquire' || store.told > 0) return undefined;
    if (holds && !this.course.deaf) return 'does not know that it holds';
    return holds || waits ? undefined : 'is not in the queue';
  }
}

describe('in whatever order answers, grants, time and leavings come', () => {
  it('two never hold at once, who stays is granted, and nothing of anyone stays once it has left', async () => {
    const unhandled: unknown[] = [];
    let handed = 0;
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), courses, fc.array(fc.nat(30), { maxLength: 15 }), async (choose, all, steps) => {
        const time = new VirtualTime();
        const memory = new Memory();
        const faults: string[] = [];
        const look = (): void => {
          for (const [i, { wrong }] of lives.entries()) if (wrong) faults.push(`${i} ${wrong} at ${time.now()}`);
          if (lives.filter(({ lease }) => lease?.held).length > 1) faults.push(`two hold at ${time.now()}`);
        };
        const lives = all.map((course) => new Life(course, memory, time, choose, look));
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
          const stay = (events: number): void => {
            if (events === 0) life.leave();
            else soon(`${i} stays`, () => stay(events - 1));
          };
          soon(`${i} subscribes`, () => {
            life.begin();
            if (life.course.leaves > 0) stay(life.course.leaves);
          });
        }
        for (const ms of steps) soon(`${ms} ms pass`, () => time.pass(ms));
        await settle(0);
        const waiting = (): boolean => lives.some(({ over }) => !over);
        for (let since = time.now(); waiting() && time.now() - since < PATIENCE * lives.length; ) {
          const holder = lives.find(({ lease, over }) => lease && !over);
          holder?.leave();
          await settle(holder ? 0 : 1);
        }
        const forgotten = lives.filter(({ over, course }) => !over && !course.single);
        assert.equal(faults[0], undefined);
        assert.isEmpty(forgotten, 'who wait for ever');
        for (const { registry } of lives) registry.shut().subscribe();
        for (let i = 0; i < 12; i += 1) await settle(50);
        assert.equal(faults[0], undefined);
        const { holders, queue } = memory.names.get('a') ?? {};
        assert.deepEqual(
          [...(holders?.values() ?? []), ...(queue?.values() ?? [])].filter(({ due }) => due > time.now()),
          [],
        );
        assert.isEmpty(
          lives.filter(({ scheduler }) => scheduler.pending > 0),
          'timers',
        );
        if (lives.filter(({ lease }) => lease).length > 1) handed += 1;
      }),
      { numRuns: 8_000 },
    );
    await new Promise(setImmediate);
    process.off('unhandledRejection', note);
    assert.deepEqual(unhandled, []);
    assert.isAbove(handed, 100, 'runs in which more than one held');
  });
});

/** Every order in which answers, grants, timers and leavings can meet: fast-check's scheduler decides which comes next. */
import { assert } from 'chai';
import fc from 'fast-check';
import { NEVER, type Observable, Subject, throwError, timeout } from 'rxjs';
import { RedisUnreachableError } from '../../src/errors.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { Registry } from '../../src/lease/registry.ts';
import { type Kind, termsOf } from '../../src/lease/terms.ts';
import { Lock } from '../../src/locks/lock.ts';
import { Memory, MemoryStore } from '../../src/store/memory.ts';
import type { Answer, Departure, Grant, Inspection, Renewal, Request, Store } from '../../src/store/store.ts';
import { VirtualTime } from '../contract/virtual-time.ts';
import { CountingScheduler } from '../support/virtual.ts';

const EXCLUSIVE: Kind = { mode: 'exclusive', permits: 1, limit: 0 };
const OPTIONS = { ttl: 100, renewEvery: 30, waiterTtl: 90, commandTimeout: 50, backoff: () => 10 };

/** Another store: its commands, their answers and its grants come when chosen, in any order. */
class Chosen implements Store {
  readonly grants$ = new Subject<Grant | undefined>();
  private readonly inner: Store;
  private readonly time: VirtualTime;
  private readonly choose: fc.Scheduler;

  constructor(inner: Store, time: VirtualTime, choose: fc.Scheduler) {
    this.inner = inner;
    this.time = time;
    this.choose = choose;
    inner.grants$.subscribe((grant) => this.soon('grant', () => this.grants$.next(grant)));
  }

  acquire(request: Request, stay: boolean, within: number): Observable<Answer> {
    return this.call('acquire', this.inner.acquire(request, stay, within), within, true);
  }

  renew(request: Request, fence: number | undefined, within: number, downgrade?: boolean): Observable<Renewal> {
    return this.call('renew', this.inner.renew(request, fence, within, downgrade), within, false);
  }

  release(name: string, owner: string | undefined, within: number): Observable<Departure> {
    return this.call('release', this.inner.release(name, owner, within), within, true);
  }

  inspect(name: string, within: number): Observable<Inspection> {
    return this.inner.inspect(name, within);
  }

  list(): Observable<string> {
    return NEVER;
  }

  close(): void {
    this.inner.close();
  }

  private soon(label: string, act: () => void): void {
    this.choose.schedule(Promise.resolve(), label).then(() => {
      act();
      this.time.pass(0);
    });
  }

  private call<T>(verb: string, command$: Observable<T>, within: number, bounded: boolean): Observable<T> {
    const notAfter = this.time.now() + within;
    const answer = new Subject<T>();
    this.soon(verb, () => {
      if (bounded && this.time.now() > notAfter) return;
      command$.subscribe((value) =>
        this.soon(`${verb} answered`, () => {
          answer.next(value);
          answer.complete();
        }),
      );
    });
    const late = new RedisUnreachableError('a', 'No answer', bounded ? notAfter : undefined);
    return answer.pipe(timeout({ first: within, scheduler: this.time, with: () => throwError(() => late) }));
  }
}

/** Whether it asks once only, and after how many events of its own it leaves; never, where there are none. */
const life = fc.record({ single: fc.nat(4).map((n) => n === 0), leaves: fc.nat(8) });
const lives = fc.array(life, { minLength: 2, maxLength: 4 });

describe('in whatever order answers, grants, time and leavings come', () => {
  it('two never hold at once, each ends once and nothing of anyone stays', async () => {
    const unhandled: unknown[] = [];
    let handed = 0;
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), lives, fc.array(fc.nat(30), { maxLength: 15 }), async (choose, all, steps) => {
        const time = new VirtualTime();
        const scheduler = new CountingScheduler(time);
        const memory = new Memory();
        const leases: Lease[] = [];
        const ends: string[] = [];
        let most = 0;
        const owners = all.map(({ single, leaves }, i) => {
          const registry = new Registry(new Chosen(new MemoryStore(memory, time), time, choose));
          const lock = new Lock({ registry, name: 'a', kind: EXCLUSIVE, terms: termsOf({ ...OPTIONS, scheduler }) });
          const ended = (): void => void ends.push(`${i}`);
          choose.schedule(Promise.resolve(), `${i} subscribes`).then(() => {
            const subscription = (single ? lock.try() : lock).subscribe({
              next: (lease) => {
                leases.push(lease);
                most = Math.max(most, leases.filter(({ held }) => held).length);
              },
              error: ended,
              complete: ended,
            });
            const stay = (events: number): void => {
              if (events === 0) subscription.unsubscribe();
              else choose.schedule(Promise.resolve(), `${i} stays`).then(() => stay(events - 1));
            };
            if (leaves > 0) stay(leaves);
          });
          return registry;
        });
        for (const ms of steps) choose.schedule(Promise.resolve(), `${ms} ms pass`).then(() => time.pass(ms));
        const settle = async (): Promise<void> => {
          await choose.waitIdle();
          time.pass(0);
        };
        for (let i = 0; i < 12; i += 1) await settle();
        for (const registry of owners) registry.shut().subscribe();
        for (let i = 0; i < 12; i += 1) {
          await settle();
          time.pass(50);
        }
        await settle();
        const seen: Inspection[] = [];
        new MemoryStore(memory, time).inspect('a', 50).subscribe((inspection) => seen.push(inspection));
        time.pass(0);
        assert.deepInclude(seen[0], { holders: [], waiting: [] });
        assert.equal(scheduler.pending, 0, 'timers');
        assert.isEmpty(leases.filter(({ held }) => held));
        assert.isAtMost(most, 1, 'held at once');
        assert.equal(new Set(ends).size, ends.length, 'ended twice');
        for (const [i, { leaves }] of all.entries()) if (leaves === 0) assert.include(ends, `${i}`, 'has not ended');
        if (leases.length > 1) handed += 1;
      }),
      { numRuns: 2_000 },
    );
    await new Promise(setImmediate);
    process.off('unhandledRejection', note);
    assert.deepEqual(unhandled, []);
    assert.isAbove(handed, 100, 'runs in which more than one held');
  });
});

/** Unsubscribing at any moment, in any number, also while the server is stopped: nothing is left behind. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import fc from 'fast-check';
import { mergeMap, range, Subscription } from 'rxjs';
import { Memory, MemoryStore } from '../../src/store/memory.ts';
import { memoryCoordinator } from '../../src/testing.ts';
import { VirtualTime } from '../contract/virtual-time.ts';
import { heapUsed, KEPT, keptOf } from '../soak/heap.ts';
import { eventually } from '../support/eventually.ts';
import { lived, STEP } from '../support/lateness.ts';
import { CountingScheduler } from '../support/virtual.ts';
import { acquired } from './recorder.ts';
import { at } from './site.ts';

/** A commandTimeout that a thousand requests at once do not spend on a busy machine. */
const BUSY = 1_000;

describe('leaving', function () {
  this.timeout(300_000);

  it('at any moments of three contending lives, a thousand times over, leaves nothing at all', () => {
    const settings = { ttl: 60, renewEvery: 20, waiterTtl: 90, commandTimeout: 50 };
    const leaving = fc.array(fc.integer({ min: 0, max: 220 }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(leaving, (moments) => {
        const time = new VirtualTime();
        const scheduler = new CountingScheduler(time);
        const memory = new Memory();
        const clients = moments.map(() => memoryCoordinator({ memory, scheduler, ...settings }));
        const leaves = moments.map((_, i) => {
          const life = new Subscription();
          time.schedule(() => life.add(clients[i]?.mutex('a').subscribe()), 7 * i);
          return life;
        });
        for (const [i, ms] of moments.entries()) time.schedule(() => leaves[i]?.unsubscribe(), ms);
        time.pass(250);
        const seen: unknown[] = [];
        new MemoryStore(memory, scheduler).inspect('a', 50).subscribe((inspection) => seen.push(inspection));
        time.pass(50);
        assert.deepInclude(seen[0], { holders: [], waiting: [] });
        assert.equal(scheduler.pending, 0);
      }),
      { numRuns: 1_000, seed: 6 },
    );
  });

  it(
    'by close() with 1 000 waiters, while the server is stopped, ends within two commandTimeouts',
    at(async (site) => {
      const holder = await acquired(site.client({ ttl: 10_000 }).mutex('crowd'));
      const waiters = site.client({ waiterTtl: 10_000, commandTimeout: BUSY });
      const errors: unknown[] = [];
      range(0, 1_000)
        .pipe(mergeMap(() => waiters.mutex('crowd')))
        .subscribe({ error: (error) => errors.push(error.code) });
      await site.waiting('crowd', 1_000);
      site.server.process?.kill('SIGSTOP');
      const since = lived();
      await waiters.locks.close();
      const took = lived() - since;
      site.server.process?.kill('SIGCONT');
      await holder.release();
      assert.isAtMost(took, 2 * BUSY + 2 * STEP);
      assert.deepEqual(errors, ['COORDINATOR_CLOSED']);
      // nobody could leave the queue, so their places lapse: nobody is granted what was released
      await eventually(
        'the queue is empty',
        async () => (await site.redis.keys('*~redisync*claims')).length === 0,
        12_000,
      );
    }),
  );

  it(
    'of 10 000 that come and go in any order and at any time leaves no key, and a heap as it was',
    at(async (site) => {
      const { locks } = site.client({ ttl: 5_000, commandTimeout: 5_000 });
      let seed = 8;
      const draw = (below: number): number => {
        seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
        return Math.floor((seed / 2_147_483_648) * below);
      };
      const pairs = async (count: number): Promise<void> => {
        let begun = 0;
        const one = async (): Promise<void> => {
          while (begun < count) {
            begun += 1;
            const stay = draw(6);
            const life = locks.mutex(`pair ${draw(40)}`).subscribe();
            if (stay > 0) await sleep(stay);
            life.unsubscribe();
          }
        };
        await Promise.all(Array.from({ length: 50 }, one));
      };
      const heap = async (): Promise<number> => {
        await eventually('all have left', async () =>
          (await site.redis.keys('*')).every((key) => key.endsWith('~redisync:clock')),
        );
        return heapUsed();
      };
      const heaps: number[] = [];
      for (let i = 0; i < 8; i += 1) {
        await pairs(1_250);
        heaps.push(await heap());
      }
      assert.isBelow(keptOf(heaps, 1_250), 2 * KEPT, `bytes of each pair: ${heaps}`);
    }),
  );
});

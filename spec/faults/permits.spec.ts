/** A semaphore some of whose clients have a wrong clock, or a shorter ttl than the others: no other client loses its permit. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import { acquired } from './recorder.ts';
import { at, hears, RENEWAL, type Site, TTL } from './site.ts';

const HOUR = 3_600_000;
/** Renewed as often as with the short ttl, and not lost where a busy machine stops for as long as that. */
const LASTING = { ttl: 5 * TTL, renewEvery: RENEWAL, waiterTtl: 5 * TTL };

/** Two hold the two permits across renewals while a third asks again and again; then that one is let in. */
const crowded = async (
  site: Site,
  third: Promise<unknown>,
  leave: () => Promise<unknown>,
  ms = 2 * TTL,
): Promise<void> => {
  await site.waiting('pool', 1);
  await sleep(ms);
  assert.deepEqual(
    site.failures.filter(({ type }) => type === 'lost'),
    [],
  );
  assert.equal(await site.waiters('pool'), 1);
  await leave();
  await third;
};

describe('a semaphore', function () {
  this.timeout(300_000);

  for (const [where, ms] of [
    ['ahead', HOUR],
    ['back', -HOUR],
  ] as const) {
    it(
      `keeps its permits whatever a client does whose clock is an hour ${where}, and that client keeps its own`,
      at(async (site) => {
        const [a, b] = await Promise.all([1, 2].map(() => acquired(site.client(LASTING).semaphore('pool', 2))));
        const child = await site.child(LASTING);
        child.tell('shift', ms);
        child.tell('share', 'pool', 2);
        await crowded(site, hears(child, 'held'), async () => assert.isTrue(await a?.release()));
        const again = acquired(site.client(LASTING).semaphore('pool', 2));
        await crowded(site, again, async () => assert.isTrue(await b?.release()));
        assert.isUndefined(child.said.find(([word]) => word === 'lost'));
      }),
    );
  }

  it(
    'keeps its permits whatever a client does that has a tenth of the ttl, and that client keeps its own',
    at(async (site) => {
      // renewed more seldom than the other's ttl, which must not end it
      const brief = { ttl: 3 * TTL, waiterTtl: 10 * TTL };
      const lasting = { ttl: 30 * TTL, renewEvery: 10 * TTL, waiterTtl: 10 * TTL };
      const ms = 4 * TTL;
      const [a, b] = await Promise.all([1, 2].map(() => acquired(site.client(lasting).semaphore('pool', 2))));
      const third = acquired(site.client(brief).semaphore('pool', 2));
      await crowded(site, third, async () => assert.isTrue(await a?.release()), ms);
      const again = acquired(site.client(lasting).semaphore('pool', 2));
      await crowded(site, again, async () => assert.isTrue(await b?.release()), ms);
      assert.isTrue((await third).held);
    }),
  );
});

/** Client processes that are killed, stopped or busy, or whose clock is moved, while they hold or wait. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import type { Lease } from '../../src/index.ts';
import type { Child } from '../support/child.ts';
import { holderAt } from '../support/holder-at.ts';
import { patience } from '../support/lateness.ts';
import { acquired, now } from './recorder.ts';
import { at, hears, type Site, SLACK, TTL } from './site.ts';

/** Renewed as often as the others, and lost by no stop of a busy machine. */
const LASTING = { ttl: 10 * TTL };

const between = (): Promise<void> => sleep(1);
const HOUR = 3_600_000;

const holding = async (site: Site, name: string): Promise<[child: Child, fence: number]> => {
  const child = await site.child();
  child.tell('hold', name);
  const [, fence] = await hears(child, 'held');
  return [child, Number(fence)];
};

/** Whoever comes next has the lock, and the register, before the process that held it goes on. */
const overtaken = async (site: Site, name: string): Promise<Lease> => {
  const lease = await acquired(site.client(LASTING).mutex(name));
  assert.isTrue(await site.register.turn(lease, between));
  return lease;
};

/** What the process found when it looked, and what came of writing and releasing then. */
const refused = async (site: Site, child: Child, fence: number, next: Lease): Promise<void> => {
  const looked = await hears(child, 'looked');
  assert.deepEqual(looked.slice(1), ['LOCK_LOST', false, 0, fence]);
  assert.deepEqual((await hears(child, 'released')).slice(1), [false]);
  assert.isFalse(site.register.write(fence, 99), 'the stale write');
  assert.isTrue(next.held);
  assert.equal(await holderAt(site.redis, next.name), next.owner);
  assert.isTrue(await next.release());
};

describe('a client process', function () {
  this.timeout(300_000);

  it(
    'that is killed while it holds is followed by the next waiter within its ttl and a second',
    at(async (site) => {
      const [child, fence] = await holding(site, 'killed');
      const next = acquired(site.client().mutex('killed'));
      await site.waiting('killed', 1);
      child.kill();
      const since = now();
      const lease = await next;
      assert.isAtMost(now() - since, patience(TTL + 1_000));
      assert.isAbove(Number(lease.fence), fence);
    }),
  );

  it(
    'that is stopped past its ttl finds its lease lost before any timer, its write refused and nothing to release',
    at(async (site) => {
      const [child, fence] = await holding(site, 'stopped');
      child.tell('spin');
      await hears(child, 'spinning');

      child.process.kill('SIGSTOP');
      const next = await overtaken(site, 'stopped');

      child.process.kill('SIGCONT');
      await refused(site, child, fence, next);
    }),
  );

  it(
    'that is busy for one and a half ttl finds the same',
    at(async (site) => {
      const [child, fence] = await holding(site, 'busy');
      child.tell('block', 1.5 * TTL);
      await refused(site, child, fence, await overtaken(site, 'busy'));
    }),
  );

  for (const [how, wait] of [
    ['as the lock is released', 0],
    ['for a waiterTtl before', TTL],
  ] as const) {
    it(
      `that is stopped at the head of the queue, ${how}, is skipped within waiterTtl, and the rest are served in order`,
      at(async (site) => {
        const patient = { ...LASTING, waiterTtl: 3 * TTL };
        const holder = await acquired(site.client(patient).mutex('head'));
        const child = await site.child();
        child.tell('hold', 'head');
        await site.waiting('head', 1);
        const [stopped] = site.livesOf('head').filter(({ owner }) => owner.startsWith('child'));
        assert.isDefined(stopped);
        if (stopped) stopped.passable = true;
        const order: string[] = [];
        const rest = [1, 2, 3].map(async () => {
          const lease = await acquired(site.client(patient).mutex('head'));
          order.push(lease.owner);
          await lease.release();
        });
        await site.waiting('head', 4);
        const [, ...others] = await site.redis.zrange('{head}~redisync:claims', '0', '-1');
        child.process.kill('SIGSTOP');
        await sleep(wait + (wait && 50));
        const since = now();
        await holder.release();
        await Promise.all(rest);
        const took = now() - since;
        child.process.kill('SIGCONT');
        assert.isAtMost(took, patience(SLACK + (wait ? 0 : TTL + patient.waiterTtl / 3))); // what it was handed lapses, and the next heartbeat finds that
        assert.deepEqual(order, others);
        await hears(child, 'held', patience(TTL + SLACK));
      }),
    );
  }

  it(
    'whose wall clock steps an hour ahead has lost its lease, which lapses, for its owner is explicit',
    at(async (site) => {
      const [child] = await holding(site, 'ahead');
      const next = acquired(site.client().mutex('ahead'));
      await site.waiting('ahead', 1);
      const since = now();
      child.tell('shift', HOUR);
      assert.deepEqual((await hears(child, 'shifted')).slice(1), [false]);
      assert.equal((await hears(child, 'lost'))[1], 'LOCK_LOST');
      await next;
      assert.isAtMost(now() - since, patience(TTL + SLACK));
    }),
  );

  it(
    'whose wall clock steps an hour back still loses its lease by the monotonic deadline',
    at(async (site) => {
      const [child] = await holding(site, 'back');
      child.tell('shift', -HOUR);
      assert.deepEqual((await hears(child, 'shifted')).slice(1), [true]);
      site.server.process?.kill('SIGSTOP');
      const since = now();
      const [, code, lost] = await hears(child, 'lost');
      site.server.process?.kill('SIGCONT');
      assert.equal(code, 'LOCK_LOST');
      assert.isAtMost(Number(lost) - since, patience(TTL + SLACK));
    }),
  );
});

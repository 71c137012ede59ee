/** Client processes that are killed, stopped or busy, or whose clock is moved, while they hold or wait. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import type { Lease } from '../../src/index.ts';
import type { Child } from '../support/child.ts';
import { holderAt } from '../support/holder-at.ts';
import { STEP } from '../support/lateness.ts';
import { acquired, now } from './recorder.ts';
import { at, hears, RENEWAL, type Site, TTL } from './site.ts';

/** Renewed as often as the others, and lost by no stop of a busy machine. */
const LASTING = { ttl: 10 * TTL };
/** Asks again by itself after a minute. */
const PATIENT = { ...LASTING, waiterTtl: 180_000 };
/** Lost when nobody renews it, and before that by no short stop of a busy machine. */
const BRIEF = { ttl: 3 * TTL, renewEvery: RENEWAL };
/** ms that only a hang reaches, and what comes after a minute. */
const HANG = 30_000;

const between = (): Promise<void> => sleep(1);
const HOUR = 3_600_000;

const holding = async (site: Site, name: string, options = {}): Promise<[child: Child, fence: number]> => {
  const child = await site.child(options);
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
    'that is killed while it holds is followed by the next waiter when its lease lapses, without a heartbeat',
    at(async (site) => {
      const [child, fence] = await holding(site, 'killed', BRIEF);
      const next = acquired(site.client(PATIENT).mutex('killed'));
      await site.waiting('killed', 1);
      child.kill();
      const since = now();
      const lease = await next;
      assert.isBelow(now() - since, HANG);
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
        const patient = wait ? PATIENT : { ...LASTING, waiterTtl: 9 * TTL }; // what the child is handed lapses, and a heartbeat finds that
        const holder = await acquired(site.client(patient).mutex('head'));
        const child = await site.child({ ttl: 2 * HANG }); // it is handed the lock for its waiterTtl, all the same
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
        assert.isBelow(took, HANG);
        assert.deepEqual(order, others);
        await hears(child, 'held');
      }),
    );
  }

  it(
    'whose wall clock steps an hour ahead has lost its lease, which lapses, for its owner is explicit',
    at(async (site) => {
      const [child] = await holding(site, 'ahead', BRIEF);
      const next = acquired(site.client(PATIENT).mutex('ahead'));
      await site.waiting('ahead', 1);
      const since = now();
      child.tell('shift', HOUR);
      assert.deepEqual((await hears(child, 'shifted')).slice(1), [false]);
      assert.equal((await hears(child, 'lost'))[1], 'LOCK_LOST');
      await next;
      assert.isBelow(now() - since, HANG);
    }),
  );

  it(
    'whose wall clock steps an hour back still loses its lease by the monotonic deadline',
    at(async (site) => {
      const [child] = await holding(site, 'back');
      child.tell('shift', -HOUR);
      assert.deepEqual((await hears(child, 'shifted')).slice(1), [true]);
      site.server.process?.kill('SIGSTOP');
      const [, code, after] = await hears(child, 'lost');
      site.server.process?.kill('SIGCONT');
      assert.equal(code, 'LOCK_LOST');
      assert.isAtMost(Number(after), TTL + STEP);
    }),
  );
});

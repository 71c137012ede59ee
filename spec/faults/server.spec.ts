/** A server that stops, dies, loses its data, pauses, is busy or is full, while its locks are held and waited for. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import { firstValueFrom } from 'rxjs';
import type { RedisRefusedError } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { holderAt } from '../support/holder-at.ts';
import { lived, STEP } from '../support/lateness.ts';
import { startServer } from '../support/server.ts';
import { load } from './load.ts';
import { acquired, loss, now } from './recorder.ts';
import { at, hears, RENEWAL, type Site, TIMEOUT, TTL } from './site.ts';

/** What the docs allow where the server's data is lost: see docs/guarantees. */
const BOUND = RENEWAL + TIMEOUT;
/** The ttl of a lease that ends while the server is away: its renewals have failed long before, also on a busy machine. */
const AWAY = 2 * TTL;

/** The server forgets all: the next waiter is let in, the holder learns of it, and no later than the bound. */
const forgets = async (site: Site, forget: () => Promise<unknown>): Promise<void> => {
  const lease = await acquired(site.client().mutex('forgotten'));
  const next = acquired(site.client({ ttl: 10 * TTL }).mutex('forgotten'));
  await site.waiting('forgotten', 1);
  const lost = loss(lease);
  await forget();
  const second = await next;
  assert.equal((await lost).reason === 'unreachable', false);
  assert.isAbove(Number(second.fence), Number(lease.fence));
  assert.isTrue(second.held);
};

describe('a server', function () {
  this.timeout(300_000);
  const allowed = { allowance: { overlap: BOUND } };

  it(
    'whose scripts are flushed in a loop is not noticed by anybody under load',
    at(async (site) => {
      const patient = { ttl: 10 * TTL, renewEvery: RENEWAL, waiterTtl: 10 * TTL, commandTimeout: 10 * TTL };
      const work = load(site, 'scripts', [site.client(patient), site.client(patient), site.client(patient)]);
      const until = now() + 1_000;
      while (now() < until || site.register.value < 20) await site.redis.script('FLUSH');
      await work.stop();
      assert.deepEqual(work.errors, []);
      assert.deepEqual(site.failures, []);
    }),
  );

  it(
    'that kills ordinary connections in a loop grants once per owner, and no update is lost',
    at(async (site) => {
      const patient = { ttl: 10 * TTL, renewEvery: RENEWAL, waiterTtl: 10 * TTL }; // no place or grant lapses on a busy machine
      const work = load(site, 'killed', [site.client(patient), site.client(patient), site.client(patient)]);
      for (let i = 0; i < 20 || site.register.value < 20; i += 1) {
        await site.redis.call('CLIENT', 'KILL', 'TYPE', 'NORMAL', 'SKIPME', 'YES');
        await sleep(50);
      }
      await work.stop();
      const lives = site.livesOf('killed');
      const fences = lives.map(({ fence }) => fence).filter((fence) => fence !== undefined);
      assert.lengthOf(new Set(fences), fences.length);
      assert.isAbove(site.failures.length, 0, 'connections were lost under the load');
    }),
  );

  it(
    'that is flushed lets two hold for a renewal and a timeout at most, and the later fence is higher',
    at((site) => forgets(site, () => site.redis.flushall()), allowed),
  );

  it(
    'that is killed and comes back empty does the same',
    at((site) => forgets(site, () => site.restart()), allowed),
  );

  it(
    'that stops for less than the deadline causes no loss and no new fence',
    at(async (site) => {
      const ttl = 4 * TTL;
      const lease = await acquired(site.client({ ttl }).mutex('brief'));
      const next = acquired(site.client({ ttl, waiterTtl: 2 * ttl }).mutex('brief'));
      await site.waiting('brief', 1);
      site.server.process?.kill('SIGSTOP');
      await sleep(TTL);
      site.server.process?.kill('SIGCONT');
      await sleep(ttl);
      assert.isTrue(lease.held);
      assert.equal(await holderAt(site.redis, 'brief'), lease.owner);
      assert.isTrue(await lease.release());
      assert.isAbove(Number((await next).fence), Number(lease.fence));
    }),
  );

  for (const [how, away] of [
    [
      'stops',
      async (site: Site) => {
        site.server.process?.kill('SIGSTOP');
        await sleep(2 * AWAY);
        site.server.process?.kill('SIGCONT');
      },
    ],
    ['is dead', (site: Site) => site.restart([], 'SIGKILL', 2 * AWAY)],
  ] as const) {
    it(
      `that ${how} for longer than the deadline is a loss at the deadline, and then grants to the next waiter`,
      at(async (site) => {
        const lease = await acquired(site.client({ ttl: AWAY }).mutex('gone'));
        const next = acquired(site.client().mutex('gone'));
        await site.waiting('gone', 1);
        const lost = loss(lease);
        await lease.renew();
        const [since, start] = [now(), lived()];
        const least = lease.remaining();
        const back = away(site);
        const { reason, when, at } = await lost;
        assert.equal(reason, 'unreachable');
        assert.isAtMost(at - start, AWAY + STEP);
        assert.isAtLeast(when - since, least - 5); // two clocks
        await back;
        assert.isAbove(Number((await next).fence), Number(lease.fence));
      }),
    );
  }

  it(
    'that pauses its clients for longer than the deadline is a loss at the deadline, and then grants to the next waiter',
    at(async (site) => {
      const lease = await acquired(site.client({ ttl: AWAY }).mutex('paused'));
      const next = acquired(site.client().mutex('paused'));
      await site.waiting('paused', 1);
      const since = now();
      const lost = loss(lease);
      await site.redis.client('PAUSE', 3_000);
      const start = lived();
      const { reason, at } = await lost;
      assert.equal(reason, 'unreachable');
      assert.isAtMost(at - start, AWAY + STEP);
      assert.isAbove(Number((await next).fence), Number(lease.fence));
      assert.isAtLeast(now() - since, 2_900);
    }),
  );

  it('with appendfsync always that is killed and started again has kept the lease and its fence', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'redisync-aof-'));
    const kept = ['--dir', directory, '--appendonly', 'yes', '--appendfsync', 'always'];
    const run = at(
      async (site) => {
        const lease = await acquired(site.client({ ttl: 20_000 }).mutex('journal'));
        const next = acquired(site.client({ ttl: 20_000 }).mutex('journal'));
        await site.waiting('journal', 1);
        await site.restart(kept);
        assert.equal(await holderAt(site.redis, 'journal'), lease.owner);
        await sleep(2 * RENEWAL);
        assert.isTrue(lease.held);
        assert.isTrue(await lease.release());
        assert.isAbove(Number((await next).fence), Number(lease.fence));
      },
      { start: () => startServer(kept) },
    );
    await run().finally(() => rmSync(directory, { recursive: true, force: true }));
  });

  it('that is shut down cleanly and started again after the ttl has the lock of a dead holder free', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'redisync-aof-'));
    const kept = ['--dir', directory, '--appendonly', 'yes'];
    const run = at(
      async (site) => {
        const child = await site.child();
        child.tell('hold', 'clean');
        await hears(child, 'held');
        child.kill();
        await site.restart(kept, 'SIGTERM', TTL);
        await firstValueFrom(site.client({ commandTimeout: 10 * TTL }).tryMutex('clean')); // rejects when it is denied
      },
      { start: () => startServer(kept) },
    );
    await run().finally(() => rmSync(directory, { recursive: true, force: true }));
  });

  it(
    'that is busy with a slow script is asked again, and never taken for a grant',
    at(async (site) => {
      const waits = site.client({ commandTimeout: 2_000 });
      const single = site.client({ commandTimeout: 2_000 });
      await firstValueFrom(waits.locks.inspect('slow'));
      await firstValueFrom(single.locks.inspect('slow'));
      await site.redis.config('SET', 'busy-reply-threshold', 50);
      const busy = site.redis.duplicate();
      const ended = busy.eval('while true do end', 0).catch(() => undefined);
      await eventually('it is busy', () =>
        site.redis.ping().then(
          () => false,
          () => true,
        ),
      );
      const error = await firstValueFrom(single.tryMutex('slow')).catch((reason) => reason);
      assert.deepInclude(error, { code: 'REDIS_REFUSED', transient: true });
      const lease = acquired(waits.mutex('slow'));
      await eventually('it was asked again', () => site.failures.length >= 3);
      assert.isTrue(site.livesOf('slow').every(({ granted }) => granted === undefined));
      await site.redis.script('KILL');
      await ended;
      busy.disconnect();
      assert.isTrue((await lease).held);
    }),
  );

  it(
    'whose memory is full refuses to grant, with a clear error, and still renews and releases',
    at(async (site) => {
      const ttl = 3 * TTL;
      const client = site.client({ ttl, commandTimeout: ttl }); // what is in doubt is released, in one call with the next attempt, which that makes room for
      const lease = await acquired(client.mutex('full'));
      const shared = await acquired(client.semaphore('full too', 2));
      await site.redis.config('SET', 'maxmemory', 1, 'maxmemory-policy', 'noeviction');
      for (const lock$ of [client.mutex('new'), client.tryMutex('new'), client.mutex('full')]) {
        const error: RedisRefusedError = await firstValueFrom(lock$).catch((reason) => reason);
        assert.include(error, { code: 'REDIS_REFUSED', transient: false });
        assert.match(error.message, /OOM/);
      }
      await Promise.all([lease.renew(), shared.renew()]);
      await sleep(ttl);
      assert.deepEqual([lease.held, shared.held], [true, true]);
      assert.deepEqual(await Promise.all([lease.release(), shared.release()]), [true, true]);
      await site.redis.config('SET', 'maxmemory', 0);
    }),
  );

  it(
    'that evicts makes the holder lose the lease as taken, at a renewal',
    at(async (site) => {
      const lease = await acquired(site.client({ ttl: 60 * TTL }).mutex('evicted')); // its deadline would be a minute
      const lost = loss(lease);
      const since = now();
      await site.redis.config('SET', 'maxmemory-policy', 'volatile-ttl', 'maxmemory', 1);
      await site.redis.set('more', 'x', 'PX', TTL).catch(() => undefined);
      const { reason, when } = await lost;
      await site.redis.config('SET', 'maxmemory', 0);
      assert.equal(reason, 'taken');
      assert.isBelow(when - since, 30 * TTL);
    }),
  );

  it(
    'whose clock has reached 2^53 - 1 refuses with a typed error, and nothing is written',
    at(async (site) => {
      const clock = '~redisync:clock';
      await site.redis.set(clock, Number.MAX_SAFE_INTEGER, 'PX', 60_000);
      const client = site.client();
      for (const lock$ of [client.mutex('spent'), client.tryMutex('spent'), client.semaphore('spent', 2)]) {
        const error = await firstValueFrom(lock$).catch((reason) => reason);
        assert.include(error, { code: 'FENCE_EXHAUSTED', lock: 'spent' });
      }
      assert.deepEqual(await site.redis.keys('*'), [clock]);
      await site.redis.set(clock, Number.MAX_SAFE_INTEGER - 1, 'PX', 60_000);
      const lease = await acquired(client.mutex('spent'));
      assert.equal(lease.fence, Number.MAX_SAFE_INTEGER);
    }),
  );
});

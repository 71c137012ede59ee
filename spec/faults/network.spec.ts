/** What a network does to the connections of a coordinator: silence, delay, bytes that come late, frames in pieces, an outage. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import { EMPTY, firstValueFrom, merge, mergeMap, range } from 'rxjs';
import { eventually } from '../support/eventually.ts';
import { holderAt } from '../support/holder-at.ts';
import { lived, STEP } from '../support/lateness.ts';
import { acquired, now, type Recorder } from './recorder.ts';
import { at, RENEWAL, type Site, SLACK, TIMEOUT, TTL } from './site.ts';

const asking = (script: string, name: string) => (bytes: Buffer) => bytes.includes(name) && bytes.includes(script);

/** A client behind the proxy, that has asked once: it knows the server's clock, and the server its scripts. */
const behind = async (site: Site, options = {}): Promise<Recorder> => {
  const client = site.client(options, site.proxy.url);
  await firstValueFrom(client.locks.mutex('warm'));
  return client;
};

const OUTAGE = 30_000;

describe('a network', function () {
  this.timeout(300_000);
  it(
    'that is half-open ends a command by its deadline, and the next command goes over a new connection',
    at(async (site) => {
      const client = await behind(site);
      const before = String(await site.redis.client('LIST'));
      site.proxy.silent = true;
      const since = lived();
      const error = await firstValueFrom(client.tryMutex('half')).catch((reason) => reason);
      assert.equal(error.code, 'REDIS_UNREACHABLE');
      assert.isAtMost(lived() - since, TIMEOUT + 2 * STEP);
      site.proxy.silent = false;
      await acquired(client.mutex('half'));
      const ids = (list: string): string[] => [...list.matchAll(/^id=(\d+)/gm)].map(([, id = '']) => id);
      const fresh = ids(String(await site.redis.client('LIST'))).filter((id) => !ids(before).includes(id));
      assert.isNotEmpty(fresh);
    }),
  );

  it(
    'that delivers an acquire 5 s late grants nothing by it, for its not-after is over',
    at(async (site) => {
      const client = await behind(site);
      const holding = site.proxy.hold((bytes) => bytes.includes('late'));
      const asked = firstValueFrom(client.tryMutex('late')).catch((reason) => reason);
      const held = await holding;
      assert.equal((await asked).code, 'REDIS_UNREACHABLE');
      await client.locks.close();
      await sleep(5_000);
      const reply = await site.proxy.replay(held.bytes);
      held.drop();
      assert.match(reply.toString(), /:-1\r\n/);
      assert.deepEqual(await site.redis.keys('*late*'), []);
    }),
  );

  it(
    'that delivers a renewal late does not shorten a later one',
    at(async (site) => {
      const client = await behind(site);
      const lease = await acquired(client.mutex('shorter', { ttl: 10 * TTL, renewEvery: 5 * TTL }));
      const holding = site.proxy.hold(asking(lease.owner, 'renew'));
      const failed = lease.renew(5 * TTL).catch((reason) => reason);
      const held = await holding;
      site.proxy.cut();
      assert.equal((await failed).code, 'REDIS_UNREACHABLE');
      await sleep(TIMEOUT);
      await lease.renew(20 * TTL);
      const reply = await site.proxy.replay(held.bytes);
      held.drop();
      assert.match(reply.toString(), /:-1\r\n/);
      assert.isAbove(await site.redis.pttl('shorter'), 5 * TTL);
      assert.isTrue(await lease.release());
    }),
  );

  it(
    'that delivers a release after a new owner has come leaves the new owner alone',
    at(async (site) => {
      const client = await behind(site);
      const lease = await acquired(client.mutex('replayed'));
      const holding = site.proxy.hold(asking(lease.owner, 'replayed'));
      const renewal = await holding;
      const following = site.proxy.hold(asking(lease.owner, 'replayed'));
      const releasing = lease.release();
      const release = await following;
      site.proxy.silent = true; // else it would be sent again, and be in time
      const next = await acquired(site.client({ ttl: 5 * TTL, renewEvery: RENEWAL }).mutex('replayed'));
      site.proxy.silent = false;
      renewal.deliver();
      release.deliver();
      assert.isFalse(await releasing);
      await sleep(RENEWAL);
      assert.equal(await holderAt(site.redis, 'replayed'), next.owner);
      assert.isTrue(next.held);
      assert.isTrue(await next.release());
    }),
  );

  it(
    'slower than the ttl of a lease makes the attempt fail, and frees the lock',
    at(async (site) => {
      const client = await behind(site, { ttl: 200, renewEvery: 60, commandTimeout: 10_000 });
      site.proxy.delay = 150;
      const error = await firstValueFrom(client.tryMutex('slow')).catch((reason) => reason);
      assert.equal(error.code, 'REDIS_UNREACHABLE');
      assert.match(error.message, /ttl of 200 ms/);
      assert.equal(await site.redis.exists('slow'), 0);
    }),
  );

  it(
    'that splits frames at every byte, and delays each, changes nothing',
    at(async (site) => {
      const patient = { ttl: 20_000, waiterTtl: 20_000, commandTimeout: 20_000 };
      const clients = [await behind(site, patient), site.client(patient)];
      const warm = await acquired(clients[1]?.mutex('warm') ?? EMPTY);
      await warm.renew();
      await warm.release(); // the server knows the scripts: their text, at a byte a turn, would take seconds
      site.proxy.split = 1;
      site.proxy.delay = 1;
      const turns$ = merge(...clients.map((client) => range(0, 5).pipe(mergeMap(() => client.mutex('split')))));
      let done = 0;
      await new Promise<void>((resolve, reject) => {
        turns$.subscribe({
          next: (lease) => {
            void site.register
              .turn(lease, () => sleep(1))
              .then(() => lease.release())
              .then(() => ++done === 10 && resolve(), reject);
          },
          error: reject,
        });
      });
      assert.equal(site.register.value, 10);
      assert.deepEqual(site.failures, []);
    }),
  );

  it(
    'that is down for 30 s has all 200 waiters back in their old order, spread over time',
    at(async (site) => {
      const holder = await acquired(
        site.client({ ttl: 10_000, renewEvery: 1_000, commandTimeout: 2_000 }).mutex('out'),
      );
      const options = { ttl: 10_000, waiterTtl: 10_000, commandTimeout: 2_000, renewEvery: 3_000 };
      const clients = Array.from({ length: 8 }, () => site.client(options, site.proxy.url));
      const served: string[] = [];
      let told = 0; // how many know their tickets, by which they come back
      for (const { locks } of clients)
        locks.events$.subscribe(({ type }) => {
          if (type === 'waiting') told += 1;
        });
      for (let i = 0; i < 200; i += 1) {
        const client = clients[i % clients.length] as Recorder;
        void acquired(client.mutex('out')).then(async (lease) => {
          served.push(lease.owner);
          await lease.release();
        });
      }
      const queue = '{out}~redisync:claims';
      await site.waiting('out', 200);
      await eventually('all have been answered', () => told === 200);
      const joined = await site.redis.zrange(queue, '0', '-1');
      site.proxy.down();
      await sleep(OUTAGE);
      assert.equal(await site.redis.zcard(queue), 0, 'the server has forgotten them');
      const connections: number[] = [];
      site.proxy.up();
      const [since, start] = [now(), lived()];
      let seen = 0;
      const watch = setInterval(() => {
        for (; seen < site.proxy.connections; seen += 1) connections.push(now() - since);
      }, 2);
      await site.waiting('out', 200);
      await eventually('all are connected', () => site.proxy.connections === 16);
      clearInterval(watch);
      assert.isAtMost(lived() - start, 10_000 / 3 + 2_000 + SLACK);
      assert.isAbove(Math.max(...connections) - Math.min(...connections), 100, 'they come back one by one');
      assert.deepEqual(await site.redis.zrange(queue, '0', '-1'), joined);
      await holder.release();
      await eventually('all are served', () => served.length === 200, 20_000);
      assert.deepEqual(served, joined);
    }),
  );
});

/** A quorum of five servers, some of which stop, die and forget; and a crowd that wants one name of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import { firstValueFrom } from 'rxjs';
import { lived, STEP } from '../support/lateness.ts';
import { startServer } from '../support/server.ts';
import { grown } from '../support/uptime.ts';
import { on, quorum, RENEWAL, TIMEOUT, TTL, warm } from './grounds.ts';
import { acquired, loss, now } from './recorder.ts';

const five = () => quorum(...Array.from({ length: 5 }, () => () => startServer()));

/** A quorum has no queue. */
const ALLOWED = { unordered: true };

describe('a quorum of five', function () {
  this.timeout(300_000);

  it(
    'grants, renews and releases with two nodes down',
    on(
      five,
      async (site, ground) => {
        const client = site.client({ ttl: 5 * TTL, renewEvery: RENEWAL, commandTimeout: 5 * TIMEOUT });
        await warm(client, ground);
        ground.halt(3, 4);
        const lease = await client.locks.mutex('down').acquire({ timeout: 60_000 });
        const since = now();
        await lease.renew();
        assert.isAbove(lease.remaining() + (now() - since), 5 * TTL * 0.9);
        await sleep(2 * RENEWAL);
        assert.isTrue(lease.held);
        assert.isTrue(await lease.release());
        assert.deepEqual(
          site.failures.filter(({ name }) => name === 'down'), // a node that is slow to answer at first is no fault
          [],
        );
      },
      ALLOWED,
    ),
  );

  it(
    'with three nodes down fails within a second, and has released the lock on the others',
    on(
      five,
      async (site, ground) => {
        const client = site.client({ ttl: 5 * TTL }); // a node may take a whole commandTimeout
        await warm(client, ground);
        ground.halt(2, 3, 4);
        const since = lived();
        const error = await firstValueFrom(client.tryMutex('down')).catch((reason) => reason);
        assert.isAtMost(lived() - since, 1_000);
        assert.equal(error.code, 'REDIS_UNREACHABLE');
        assert.include(error.message, 'The quorum needs 3 of 5 nodes, and 2 answered with a vote');
        assert.deepEqual(await Promise.all(ground.nodes.slice(0, 2).map((node) => node.get('down'))), [null, null]);
      },
      ALLOWED,
    ),
  );

  it(
    'of which a majority goes down while a lease is held loses it by its deadline',
    on(
      five,
      async (site, ground) => {
        const lease = await acquired(site.client().mutex('lost'));
        const lost = loss(lease);
        const since = lived();
        ground.halt(0, 1, 2);
        const { reason, at } = await lost;
        assert.isAtMost(at - since, TTL + STEP);
        assert.equal(reason, 'unreachable');
      },
      ALLOWED,
    ),
  );

  it(
    'gives no vote to a node that restarted empty within the ttl, so a lease that it forgot stays exclusive',
    on(
      five,
      async (site, ground) => {
        await grown(ground.nodes, 11_000, 60_000);
        const [a, b] = [site.client({ delayedRestart: 11_000 }), site.client({ delayedRestart: 11_000 })];
        await warm(a, ground);
        await warm(b, ground);
        ground.halt(3, 4);
        const lease = await acquired(a.mutex('restart', { ttl: 10_000, renewEvery: 9_800 }));
        await site.restart();
        await sleep(TIMEOUT + 100); // what was on its way to the stopped nodes is too late now
        ground.resume(3, 4);
        assert.deepEqual(await ground.owners('restart'), [undefined, lease.owner, lease.owner, undefined, undefined]);
        const refused = await b.locks
          .mutex('restart')
          .acquire({ timeout: 2_000 })
          .catch((reason) => reason);
        assert.equal(refused.code, 'LOCK_TIMEOUT');
        assert.isTrue(lease.held);
        await lease.release();
      },
      ALLOWED,
    ),
  );

  it(
    'lets 20 contenders through one at a time, within a bounded number of attempts for each grant',
    on(
      five,
      async (site, { nodes }) => {
        const calls = async (): Promise<number> => {
          const infos = await Promise.all(nodes.map((node) => node.info('commandstats')));
          const counts = infos.map((info) => Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0));
          return counts.reduce((sum, count) => sum + count, 0);
        };
        const before = await calls();
        const crowd = Array.from({ length: 20 }, () => site.client({ ttl: 10_000 }));
        await Promise.all(
          crowd.map(async (client) => {
            const lease = await acquired(client.mutex('crowd'));
            await site.register.turn(lease, () => sleep(5));
            assert.isTrue(lease.held);
            await lease.release();
          }),
        );
        assert.equal(site.register.value, 20);
        assert.isBelow(((await calls()) - before) / 2 / 5 / 20, 20);
      },
      ALLOWED,
    ),
  );
});

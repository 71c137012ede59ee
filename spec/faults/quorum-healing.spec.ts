/** A quorum whose nodes forget or miss a lease: the next renewal that a majority acknowledges gives it to them again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import { firstValueFrom } from 'rxjs';
import type { Lease } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { startServer } from '../support/server.ts';
import { grown } from '../support/uptime.ts';
import { on, quorum, TIMEOUT, TTL, warm } from './grounds.ts';
import { acquired } from './recorder.ts';

const nodes = (count: number) => () => quorum(...Array.from({ length: count }, () => () => startServer()));

/** The ttl of what must not be lost: a node may take a twentieth of that. */
const LASTING = 3 * TTL;

/** A quorum has no queue. */
const ALLOWED = { unordered: true };

describe('a quorum heals', function () {
  this.timeout(300_000);

  for (const count of [3, 5]) {
    it(
      `through a rolling restart of all ${count} nodes, each of which comes back empty, and keeps every lease`,
      on(
        nodes(count),
        async (site, ground) => {
          await grown(ground.nodes, LASTING);
          const lasting = { ttl: LASTING, delayedRestart: LASTING };
          const [a, b] = [site.client(lasting), site.client(lasting)];
          const each = ground.servers.map(({ url }) => site.client({}, url).locks);
          const names = ['order', 'invoice', 'report'];
          const leases = await Promise.all(names.map((name) => acquired(a.mutex(name))));
          const readers = await Promise.all([a, b].map(({ locks }) => locks.readWriteLock('book').read.acquire()));
          const all: Lease[] = [...leases, ...readers];
          const has = async (node: number): Promise<boolean> => {
            const owners = await Promise.all(names.map(async (name) => (await ground.owners(name))[node]));
            const sharing = await Promise.all(
              each.slice(node, node + 1).map((locks) => firstValueFrom(locks.inspect('book'))),
            );
            const holders = sharing.flatMap((seen) => seen.holders.map(({ owner }) => owner));
            return (
              owners.every((owner, i) => owner === leases[i]?.owner) &&
              readers.every(({ owner }) => holders.includes(owner))
            );
          };
          const numbers = Array.from({ length: count }, (_, node) => node);
          // a majority has granted them: a node that was late has them by their next renewal
          for (const node of numbers) await eventually(`node ${node} has all the leases`, () => has(node));
          for (const node of numbers) {
            await ground.restart(node);
            await eventually(`node ${node} has all the leases again`, () => has(node));
          }
          assert.deepEqual(
            all.filter(({ held }) => !held),
            [],
          );
          const write = await firstValueFrom(b.locks.readWriteLock('book').write.try(), { defaultValue: 'busy' });
          assert.equal(write, 'busy');
          assert.deepEqual(
            site.failures.filter(({ type }) => type === 'lost'),
            [],
          );
          assert.deepEqual(await Promise.all(all.map((lease) => lease.release())), Array(all.length).fill(true));
        },
        ALLOWED,
      ),
    );
  }

  it(
    'a node that was hung for 500 ms at the grant: it gets the lease at the next renewal',
    on(
      nodes(3),
      async (site, ground) => {
        const client = site.client({ ttl: 20_000, renewEvery: 15_000 });
        await warm(client, ground);
        ground.halt(2);
        const lease = await client.locks.mutex('hung').acquire();
        await sleep(TIMEOUT + 100); // what was sent to it is too late now
        ground.resume(2);
        assert.deepEqual(await ground.owners('hung'), [lease.owner, lease.owner, undefined]);
        await lease.renew();
        await eventually('it has it', async () => (await ground.owners('hung'))[2] === lease.owner);
        ground.halt(0); // a majority without it
        await lease.renew();
        ground.resume(0);
        assert.isTrue(await lease.release());
      },
      ALLOWED,
    ),
  );

  it(
    'never after a release: a lease that is released right after its renewal stays on no node',
    on(
      nodes(3),
      async (site, ground) => {
        const client = site.client({ ttl: 20_000 });
        await warm(client, ground);
        for (let round = 0; round < 100; round += 1) {
          const lease = await client.locks.mutex('brief').acquire();
          await eventually('all have it', async () => (await ground.owners('brief')).every((owner) => owner));
          await ground.nodes[round % 3]?.del('brief');
          const renewed = lease.renew().catch(() => undefined); // it may be released meanwhile
          await (round % 2 === 0 ? renewed : sleep(Math.random()));
          await lease.release();
        }
        await client.locks.close(); // when all that was sent has been answered
        assert.deepEqual(await ground.owners('brief'), [undefined, undefined, undefined]);
      },
      ALLOWED,
    ),
  );

  it(
    'but not a node that has granted the lock to another owner meanwhile',
    on(
      nodes(3),
      async (site, ground) => {
        const client = site.client({ ttl: 20_000 });
        await warm(client, ground);
        await ground.nodes[2]?.set('other', 'somebody', 'PX', 600_000);
        const lease = await client.locks.mutex('other').acquire();
        await lease.renew();
        await lease.renew();
        assert.deepEqual(await ground.owners('other'), [lease.owner, lease.owner, 'somebody']);
        await lease.release();
        assert.deepEqual(await ground.owners('other'), [undefined, undefined, 'somebody']);
        await ground.nodes[2]?.del('other');
      },
      ALLOWED,
    ),
  );
});

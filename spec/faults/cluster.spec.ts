/** A Cluster whose slot moves, whose master hangs or dies, while its locks are held and waited for. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import type { Redis } from 'ioredis';
import { slotOf } from '../../src/store/slot.ts';
import { type Shards, spread } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { patience } from '../support/lateness.ts';
import { BOUND, cluster, on, RENEWAL, TTL } from './grounds.ts';
import { load } from './load.ts';
import { acquired, loss, now } from './recorder.ts';
import type { Site } from './site.ts';

/** Its lease and its heartbeat are so long that neither passes on the busiest machine: what is granted sooner was told. */
const LASTING = { ttl: 180_000, renewEvery: RENEWAL, waiterTtl: 180_000 };

/** A new master need not know of a place in the queue, and a slot that has moved is not listened to at once. */
const ALLOWED = { overlap: BOUND, unordered: true };

/** As redis-cli's reshard does it, one key after another. */
const migrate = async (masters: readonly Redis[], slot: number, from: Redis, to: Redis): Promise<void> => {
  const [source, target] = (await Promise.all([from.cluster('MYID'), to.cluster('MYID')])) as [string, string];
  await to.cluster('SETSLOT', slot, 'IMPORTING', source);
  await from.cluster('SETSLOT', slot, 'MIGRATING', target);
  for (;;) {
    const keys = (await from.cluster('GETKEYSINSLOT', slot, 1)) as string[];
    if (keys.length === 0) break;
    await from.call('MIGRATE', '127.0.0.1', to.options.port ?? 0, '', 0, 1_000, 'KEYS', ...keys);
    await sleep(30);
  }
  for (const node of [to, from, ...masters]) await node.cluster('SETSLOT', slot, 'NODE', target);
};

/** As an operator has a replica take over from a master that lives. Masters vote once in two node timeouts for a shard, and it gives up after 5 s: it is asked again. */
const takeOver = async (replica: Redis): Promise<void> => {
  let asked = Number.NEGATIVE_INFINITY;
  await eventually(
    'it took over',
    async () => {
      if (now() - asked > 6_000) {
        await replica.cluster('FAILOVER');
        asked = now();
      }
      return (await replica.role())[0] === 'master';
    },
    60_000,
  );
};

const MOVING = 'moving';

/** Changes are made to a Cluster, one after another, while clients take turns at a lock in the first of its changed slots. */
const undisturbed = (changes: (shards: Shards, home: number) => (() => Promise<void>)[]) =>
  on(
    cluster,
    async (site, shards) => {
      const kept = await acquired(site.client(LASTING).mutex(`{${MOVING}}kept`));
      const work = load(
        site,
        MOVING,
        Array.from({ length: 4 }, () => site.client(LASTING)),
      );
      const runs = async (): Promise<void> => {
        const before = site.register.value;
        await eventually('the load runs', () => site.register.value > before + 20);
      };
      await runs();
      for (const change of changes(shards, Math.floor((slotOf(MOVING) * 3) / 16_384))) {
        await change();
        await runs();
      }
      await work.stop();
      assert.deepEqual(work.errors, []);
      assert.deepEqual(
        site.failures.filter(({ type }) => type === 'lost'),
        [],
      );
      assert.isTrue(kept.held);
      assert.isTrue(await kept.release());
      const waits = site.livesOf(MOVING).map(({ asked, granted = asked }) => granted - asked);
      assert.isBelow(
        Math.max(...waits),
        LASTING.waiterTtl / 3,
        'a waiter that does not listen on the new node is served by its heartbeat',
      );
    },
    { unordered: true },
  );

/** Resolves when so many wait for the name, as a client sees it. */
const waiting = (site: Site, name: string): Promise<void> =>
  eventually('it waits', () => site.livesOf(name).some(({ queued, granted }) => queued && !granted));

describe('a Cluster', function () {
  this.timeout(300_000);

  it(
    'whose slot is moved there and back under load causes no error, no loss, no lost update and no wait for a heartbeat',
    undisturbed(({ nodes }, home) => {
      const slot = slotOf(MOVING);
      const masters = nodes.slice(0, 3);
      const [source, target] = [masters[home], masters[(home + 1) % 3]] as [Redis, Redis];
      return [() => migrate(masters, slot, source, target), () => migrate(masters, slot, target, source)];
    }),
  );

  it(
    'whose master changes as planned, there and back under load, causes no error, no loss, no lost update and no wait for a heartbeat',
    undisturbed(({ nodes }, home) => {
      const [master, replica] = [nodes[home], nodes[home + 3]] as [Redis, Redis];
      return [() => takeOver(replica), () => takeOver(master)];
    }),
  );

  it(
    'whose master hangs with its connections open loses the lease by its deadline, and grants again',
    on(
      cluster,
      async (site, { servers, succeed }) => {
        const [, name = ''] = spread('hang');
        const lease = await acquired(site.client().mutex(name));
        const next = acquired(site.client().mutex(name));
        await waiting(site, name);
        const lost = loss(lease);
        const since = now();
        servers[1]?.process?.kill('SIGSTOP');
        const { when } = await lost;
        assert.isAtMost(when - since, patience(TTL));
        await succeed(1); // sooner, the lease might go on with the new master
        assert.isAbove(Number((await next).fence), Number(lease.fence));
        assert.isAtMost(now() - since, patience(10_000));
        servers[1]?.process?.kill('SIGCONT');
      },
      ALLOWED,
    ),
  );

  it(
    'whose master is killed leaves other shards untouched, reports the loss, and grants with a higher fence',
    on(
      cluster,
      async (site, { servers, succeed }) => {
        const [doomed = '', safe = ''] = spread('death');
        const client = site.client();
        const untouched = await acquired(client.mutex(safe, { ttl: 5 * TTL })); // a busy machine stops for as long as a short one
        const lease = await acquired(client.mutex(doomed));
        const next = acquired(site.client().mutex(doomed));
        await waiting(site, doomed);
        const lost = loss(lease);
        const killed = now();
        servers[0]?.process?.kill('SIGKILL');
        await lost;
        await succeed(0); // sooner, the lease might go on with the new master
        const second = await next;
        assert.isAtMost(now() - killed, patience(2 * TTL + 5_000));
        assert.isAbove(Number(second.fence), Number(lease.fence));
        assert.isTrue(untouched.held);
      },
      ALLOWED,
    ),
  );
});

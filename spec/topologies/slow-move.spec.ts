/** A slot with many keys takes longer to move than a lease lasts: whoever holds a lock in it goes on holding. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import { Cluster, type Redis } from 'ioredis';
import { filter } from 'rxjs';
import { LockCoordinator } from '../../src/index.ts';
import { keysOf } from '../../src/store/keys.ts';
import { slotOf } from '../../src/store/slot.ts';
import { type Shards, startCluster } from '../support/cluster.ts';

const TTL = 2_000;
/** The move takes so many times the ttl. */
const LONG = 3;
const KEYS = 20_000;
const CHUNK = 200;
const NAME = '{moved}report';
const SLOT = slotOf(NAME);

describe('a slot of 20,000 keys that moves for longer than a lease lasts', function () {
  this.timeout(300_000);
  let shards: Shards;
  let masters: Redis[];
  let source: Redis;
  let target: Redis;

  before(async () => {
    shards = await startCluster();
    masters = shards.nodes.slice(0, 3);
    const home = Math.floor((SLOT * 3) / 16_384);
    [source, target] = [masters[home], masters[(home + 1) % 3]] as [Redis, Redis];
    for (let i = 0; i < KEYS; i += 1_000) {
      const fill = source.pipeline();
      for (let k = i; k < i + 1_000; k += 1) fill.set(`{moved}${k}`, k);
      await fill.exec();
    }
  });

  after(() => shards.stop());

  it('leaves the leases in it held, under their fences, and released once it is done', async () => {
    const addresses = shards.servers.map(({ port }) => ({ host: '127.0.0.1', port }));
    const locks = new LockCoordinator(new Cluster(addresses, { lazyConnect: true }), { ttl: TTL });
    const lost: unknown[] = [];
    locks.events$.pipe(filter(({ type }) => type === 'lost')).subscribe((event) => lost.push(event));
    try {
      const names = [NAME, '{moved}early', '{moved}late'];
      const leases = await Promise.all(names.map((name) => locks.mutex(name).acquire()));
      const values = leases.map(({ owner, fence }) => `${owner} ${fence} ${TTL}`);
      const [from, to] = (await Promise.all([source.cluster('MYID'), target.cluster('MYID')])) as [string, string];
      await target.cluster('SETSLOT', SLOT, 'IMPORTING', from);
      await source.cluster('SETSLOT', SLOT, 'MIGRATING', to);
      const keys = (await source.cluster('GETKEYSINSLOT', SLOT, KEYS + 10)) as string[];
      const since = performance.now();
      for (let i = 0; i < keys.length; i += CHUNK) {
        const chunk = keys.slice(i, i + CHUNK);
        await source.call('MIGRATE', '127.0.0.1', target.options.port ?? 0, '', 0, 5_000, 'KEYS', ...chunk);
        for (const lease of leases) lease.assertHeld();
        const due = ((LONG * TTL) / keys.length) * (i + CHUNK);
        await sleep(Math.max(0, due - (performance.now() - since)));
      }
      assert.isAtLeast(performance.now() - since, LONG * TTL);
      const left = (await source.cluster('GETKEYSINSLOT', SLOT, 10)) as string[];
      assert.deepEqual(left, []);
      for (const node of [target, source, ...masters]) await node.cluster('SETSLOT', SLOT, 'NODE', to);
      assert.deepEqual(lost, []);
      assert.deepEqual(await Promise.all(names.map((name) => target.get(keysOf('', name)[0]))), values);
      assert.deepEqual(await Promise.all(leases.map((lease) => lease.release())), [true, true, true]);
    } finally {
      await locks.close();
    }
  });
});

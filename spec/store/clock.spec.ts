/** One clock for a server and a prefix; and one for a slot, where a plain client turns out to talk to a Cluster's server. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { LockCoordinator } from '../../src/index.ts';
import { clockKey } from '../../src/store/keys.ts';
import { slotOf } from '../../src/store/slot.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';

const NAMES = ['a', 'b', 'c', 'd'];

describe('The clock', () => {
  let server: Server | undefined;
  let redis: Redis | undefined;

  afterEach(async () => {
    redis?.disconnect();
    await server?.stop();
  });

  it('is another for another prefix, and draws fences that rise over all names of its own', async () => {
    server = await startServer();
    redis = new Redis(server.url);
    const clocks = ['', 'app:', '{shop}'].map((prefix) => clockKey(prefix));
    for (const [i, keyPrefix] of ['', 'app:', '{shop}'].entries()) {
      const locks = new LockCoordinator(redis.duplicate({ keyPrefix, lazyConnect: true }));
      const fences: number[] = [];
      for (const name of NAMES) {
        const lease = await locks.mutex(name).acquire();
        fences.push(Number(lease.fence));
        await lease.release();
      }
      assert.deepEqual(
        fences,
        [...new Set(fences)].sort((x, y) => x - y),
      );
      assert.equal(Number(await redis.get(clocks[i] ?? '')), fences.at(-1));
      assert.sameMembers(await redis.keys('*'), clocks.slice(0, i + 1));
      await locks.close();
    }
  });

  it('is of the slot for a plain client that is told CROSSSLOT, and draws from there on', async () => {
    server = await startServer(['--cluster-enabled', 'yes']);
    redis = new Redis(server.url);
    const node = redis;
    await node.cluster('ADDSLOTSRANGE', 0, 16_383);
    await eventually('it has all slots', async () => String(await node.cluster('INFO')).includes('cluster_state:ok'));
    const locks = new LockCoordinator(node);
    const rounds: number[][] = [];
    for (let round = 0; round < 2; round += 1) {
      const leases = await Promise.all(NAMES.map((name) => locks.mutex(name).acquire()));
      rounds.push(leases.map(({ fence }) => Number(fence)));
      await Promise.all(leases.map((lease) => lease.release()));
    }
    const [first = [], second = []] = rounds;
    for (const [i, fence] of second.entries()) assert.isAbove(fence, first[i] ?? Number.POSITIVE_INFINITY);
    const clocks = NAMES.map((name) => clockKey('', slotOf(name)));
    assert.sameMembers(await node.keys('*'), [...new Set(clocks)]);
    assert.deepEqual((await Promise.all(clocks.map((key) => node.get(key)))).map(Number), second);
    await locks.close();
  });
});

/** A quorum, one of whose nodes has a clock that steps: alone it breaks nothing; by a shim, skipped where that cannot be compiled. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import { eventually } from '../support/eventually.ts';
import { startServer } from '../support/server.ts';
import { on, quorum, RENEWAL, TIMEOUT, TTL, warm } from './grounds.ts';
import { acquired, loss, now } from './recorder.ts';
import { clockShim } from './shim.ts';
import { hears } from './site.ts';

/** Renewed so seldom that another is let in before, also on a busy machine. */
const SELDOM = { ttl: 5 * TTL, renewEvery: 1.5 * TTL };

describe('a quorum of three, one of which has a clock that steps', function () {
  this.timeout(300_000);
  const shim = clockShim();
  if (typeof shim === 'string') {
    it.skip(`is not tried: ${shim}`);
    return;
  }
  const { start, shift, remove } = shim;
  after(remove);
  beforeEach(() => shift(0));
  const three = () => quorum(start, startServer, startServer);
  /** A quorum has no queue. */
  const unordered = true;

  it(
    'a minute ahead lets nobody else in while the others remember the lease, which is renewed and released',
    on(
      three,
      async (site, ground) => {
        const { owners } = ground;
        const lasting = { ttl: 5 * TTL, renewEvery: RENEWAL };
        const [a, b] = [site.client(lasting), site.client(lasting)];
        for (const client of [a, b]) await warm(client, ground);
        const lease = await acquired(a.mutex('ahead'));
        shift(60);
        await eventually('the node has forgotten it', async () => (await owners('ahead'))[0] === undefined);
        const refused = await b.locks
          .mutex('ahead')
          .acquire({ timeout: TTL })
          .catch((reason) => reason);
        assert.equal(refused.code, 'LOCK_TIMEOUT');
        assert.isTrue(lease.held);
        assert.isTrue(await lease.release());
        const next = await b.locks.mutex('ahead').acquire({ timeout: 60_000 });
        await eventually('all three grant again', async () =>
          (await owners('ahead')).every((owner) => owner === next.owner),
        );
      },
      { unordered },
    ),
  );

  it(
    'a minute ahead, and a node without the lease, let two hold for a renewal and a timeout at most',
    on(
      three,
      async (site, ground) => {
        const [a, b] = [site.client(SELDOM), site.client()];
        for (const client of [a, b]) await warm(client, ground);
        ground.halt(2);
        const lease = await acquired(a.mutex('split'));
        await sleep(TIMEOUT + 100); // what was sent to the stopped node is too late now
        ground.resume(2);
        const lost = loss(lease);
        shift(60);
        const next = await acquired(b.mutex('split'));
        await lost;
        await sleep(SELDOM.renewEvery + TIMEOUT);
        assert.isTrue(await next.release());
        await Promise.all(ground.nodes.map((node) => node.del('split'))); // what was lost lapses only, for its owner is explicit
        assert.isAbove(site.overlap, 0, 'the fault was made');
      },
      { unordered, overlap: SELDOM.renewEvery + TIMEOUT },
    ),
  );

  it(
    'an hour ahead draws a fence that those of the others do not fall below, also when it is away',
    on(
      three,
      async (site, ground) => {
        const client = site.client({ ttl: 5 * TTL });
        await warm(client, ground);
        shift(3_600);
        await client.locks.close(); // what it knows of the node's time is an hour late
        const after = site.client({ ttl: 5 * TTL });
        await warm(after, ground);
        const fences: number[] = [];
        for (const away of [[1], [0], []]) {
          // two nodes are enough: while the second is away, the first, which is ahead, has to be one of them
          ground.halt(...away);
          const lease = await acquired(after.mutex('far'));
          fences.push(lease.fence);
          await site.register.turn(lease, () => sleep(5));
          await lease.release();
          ground.resume(...away);
        }
        assert.deepEqual(
          fences,
          [...fences].sort((a, b) => a - b),
        );
        assert.equal(site.register.value, 3);
        assert.isAbove(Number(fences[0]), 1_000 * (Date.now() + 3_000_000), 'the node that is ahead drew it');
      },
      { unordered },
    ),
  );

  it(
    'an hour back keeps no lock of a dead holder for longer than its ttl and a back-off',
    on(
      three,
      async (site, ground) => {
        const { servers, nodes, owners } = ground;
        const client = site.client();
        await warm(client, ground);
        const child = await site.child({}, undefined, servers.map(({ url }) => url).join());
        child.tell('hold', 'back');
        await hears(child, 'held');
        await eventually('all nodes have it', async () => (await owners('back')).every((owner) => owner !== undefined));
        child.kill();
        await child.ended();
        shift(-3_600);
        const since = now();
        const next = await acquired(client.mutex('back'));
        assert.isBelow(now() - since, 60_000, 'it did not wait for the hour');
        assert.isTrue(next.held);
        await eventually('the node brings what is left near', async () => Number(await nodes[0]?.pttl('back')) <= TTL);
      },
      { unordered },
    ),
  );
});

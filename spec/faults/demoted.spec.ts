/** A master that becomes a replica by plan, behind a name that leads to the new one, while all connections stay open. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { filter, firstValueFrom } from 'rxjs';
import { LockCoordinator } from '../../src/index.ts';
import { lease as script } from '../../src/lua/scripts.ts';
import { clockKey, keysOf } from '../../src/store/keys.ts';
import { eventually } from '../support/eventually.ts';
import { TcpProxy } from '../support/proxy.ts';
import { LATER, specOf } from '../support/scenes.ts';
import { replicated } from './grounds.ts';

describe('a master that becomes a replica', function () {
  this.timeout(300_000);

  it('is left for the new master: leases are renewed there, and waiters are granted the lock there', async () => {
    const { servers, nodes, stop } = await replicated();
    const [, next] = servers;
    const proxy = await TcpProxy.to(servers[0]?.port ?? 0);
    const open = [1, 2].map(() => {
      const redis = new Redis({ port: proxy.port, lazyConnect: true });
      return { redis, locks: new LockCoordinator(redis, { ttl: 180_000, renewEvery: 300, waiterTtl: 180_000 }) };
    });
    const [one, two] = open.map(({ locks }) => locks);
    try {
      assert(one && two && next);
      const lease = await one.mutex('role').acquire();
      await two.mutex('its own').acquire(); // by whose renewals it learns where it is
      const waiting = two.mutex('role').acquire();
      await eventually('it waits', async () => (await nodes[0].zcard('{role}~redisync:claims')) === 1);
      await eventually('it listens', async () => (await nodes[0].pubsub('CHANNELS', 'redisync:*')).length === 1);
      await eventually('the replica knows', async () => (await nodes[1].get('role'))?.split(' ')[0] === lease.owner);
      const renewed = [one, two].map(({ events$ }) =>
        firstValueFrom(events$.pipe(filter(({ type }) => type === 'renewed'))),
      );
      await nodes[1].replicaof('NO', 'ONE');
      proxy.lead(next.port);
      await nodes[0].replicaof('127.0.0.1', next.port);
      await Promise.all(renewed);
      await eventually('it listens there', async () => (await nodes[1].pubsub('CHANNELS', 'redisync:*')).length === 1);
      assert.isTrue(await lease.release());
      const since = performance.now();
      assert.isAbove(Number((await waiting).fence), Number(lease.fence));
      assert.isBelow(performance.now() - since, 60_000, 'without a message it asks at its heartbeat');
    } finally {
      for (const { locks, redis } of open) {
        await locks.close().catch(() => undefined);
        redis.disconnect();
      }
      await proxy.stop();
      await stop();
    }
  });

  it('costs one new connection a second at most, and waiters ask by their back-off in between', async () => {
    const { servers, nodes, stop } = await replicated();
    const redis = new Redis({ port: servers[0]?.port ?? 0, lazyConnect: true });
    const locks = new LockCoordinator(redis);
    try {
      await nodes[0].replicaof('127.0.0.1', 1); // and the name goes on leading there
      let failed = 0;
      locks.events$.subscribe(({ type }) => {
        if (type === 'attemptFailed') failed += 1;
      });
      const before = Number(/total_connections_received:(\d+)/.exec(await nodes[0].info('stats'))?.[1]);
      const since = performance.now();
      for (let i = 0; i < 20; i += 1) locks.mutex(`there ${i}`).subscribe({ error: () => undefined });
      await eventually('all have asked several times', () => failed >= 80);
      const took = performance.now() - since;
      const made = Number(/total_connections_received:(\d+)/.exec(await nodes[0].info('stats'))?.[1]) - before;
      assert.isAtLeast(made, 2);
      assert.isAtMost(made, 2 + Math.ceil(took / 1_000)); // its own, and a second one each time it is left
    } finally {
      await locks.close();
      redis.disconnect();
      await stop();
    }
  });

  it('grants nothing to coordinators that still listen to it', async () => {
    const { servers, nodes, stop } = await replicated();
    const ears = new Redis(servers[1]?.port ?? 0);
    const told: string[] = [];
    try {
      const ended = new Promise<void>((resolve) => {
        ears.on('message', (_channel: string, text: string) => (text === 'the end' ? resolve() : told.push(text)));
      });
      await ears.subscribe('far');
      const [master] = nodes;
      const run = (...args: (string | number)[]) =>
        master.eval(script.text, 4, clockKey(''), ...keysOf('', 'told'), ...args);
      await run('acquire', 'a', specOf('x'), LATER, '1', '');
      await run('acquire', 'b', specOf('x').replace(/\S+$/, 'pfar'), LATER, '1', '');
      await run('release', 'a', 0, '-', LATER, 0);
      assert.isNull(await master.get('told'));
      await master.publish('far', 'the end'); // which replicas hear, too
      await ended;
      assert.deepEqual(told, []);
    } finally {
      ears.disconnect();
      await stop();
    }
  });
});

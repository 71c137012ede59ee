/** A coordinator on a client of node-redis: what the contract of a store does not see of another library's connections. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { LockCoordinator, type RedisyncError } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { holderAt } from '../support/holder-at.ts';
import { TcpProxy } from '../support/proxy.ts';
import { type Server, startServer } from '../support/server.ts';

describe('a client of node-redis', () => {
  let server: Server;
  let redis: Redis;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
  });

  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  const clients = async (): Promise<number> =>
    String(await redis.client('LIST'))
      .trim()
      .split('\n').length;

  it('need not be connected itself; close() leaves no connection', async () => {
    const before = await clients();
    const locks = new LockCoordinator(createClient({ url: server.url }));
    const lease = await locks.mutex('a').acquire();
    assert.equal(await holderAt(redis, 'a'), lease.owner);
    await locks.close();
    assert.isNull(await redis.get('a'));
    await eventually('the connections have gone', async () => (await clients()) === before);
  });

  it('waits in one queue with those of ioredis, and is handed the lock by a message', async () => {
    const locks = new LockCoordinator(createClient({ url: server.url }), { waiterTtl: 60_000, ttl: 60_000 });
    const others = new LockCoordinator(redis, { waiterTtl: 60_000, ttl: 60_000 });
    const waiting = async (): Promise<number> => (await firstValueFrom(others.inspect('b'))).waiting.length;
    for (const [holder, waiter] of [
      [locks, others],
      [others, locks],
      [locks, others],
      [others, locks],
    ] as const) {
      const lease = await holder.mutex('b').acquire();
      const next = waiter.mutex('b').acquire();
      await eventually('it waits', async () => (await waiting()) === 1);
      await lease.release();
      const after = await next;
      assert.isAbove(after.fence, lease.fence);
      await after.release();
    }
    await Promise.all([locks.close(), others.close()]);
  });

  it('puts its keyPrefix before every key', async () => {
    const locks = new LockCoordinator(createClient({ url: server.url, keyPrefix: 'app:' }));
    const lease = await locks.mutex('c').acquire();
    assert.equal(await holderAt(redis, 'app:c'), lease.owner);
    assert.deepEqual(await lastValueFrom(locks.list().pipe(toArray())), ['c']);
    await locks.close();
  });

  it('whose connection hangs gets another', async () => {
    const proxy = await TcpProxy.to(server.port);
    const locks = new LockCoordinator(createClient({ url: proxy.url }), { commandTimeout: 200 });
    await (await locks.mutex('d').acquire()).release();
    proxy.silent = true;
    const error = await firstValueFrom(locks.mutex('d').try()).catch((reason: RedisyncError) => reason);
    assert.propertyVal(error, 'code', 'REDIS_UNREACHABLE');
    proxy.silent = false;
    await (await locks.mutex('d').acquire({ timeout: 60_000 })).release();
    await locks.close();
    await proxy.stop();
  });

  it('goes on when its server restarts, and tells when it cannot be reached', async () => {
    const other = await startServer();
    const locks = new LockCoordinator(createClient({ url: other.url }), { commandTimeout: 200, ttl: 1_000 });
    const lease = await locks.mutex('e').acquire();
    await other.stop();
    await eventually('it is lost', async () => !lease.held);
    const error = await firstValueFrom(locks.mutex('e').try()).catch((reason: RedisyncError) => reason);
    assert.propertyVal(error, 'code', 'REDIS_UNREACHABLE');
    const again = await startServer([], other.port);
    await (await locks.mutex('e').acquire({ timeout: 60_000 })).release();
    await locks.close();
    await again.stop();
  });

  it('can be a node of a quorum, and be looked at', async () => {
    const servers = await Promise.all([startServer(), startServer()]);
    const nodes = [server, ...servers].map(({ url }) => createClient({ url }));
    const locks = new LockCoordinator(nodes, { delayedRestart: 0 });
    await (await locks.mutex('f').acquire({ timeout: 60_000 })).release();
    const findings = await lastValueFrom(locks.diagnose().pipe(toArray()));
    assert.notInclude(
      findings.map(({ code }) => code),
      'UNREACHABLE',
    );
    await locks.close();
    await Promise.all(servers.map((one) => one.stop()));
  });

  it('leaves no connection where it was closed while some were being made', async () => {
    const before = await clients();
    const others = new LockCoordinator(redis, { ttl: 60_000 });
    const lease = await others.mutex('left').acquire();
    const all = Array.from({ length: 100 }, () => new LockCoordinator(createClient({ url: server.url })));
    const waiting = all.map((locks) =>
      locks
        .mutex('left')
        .acquire()
        .catch(() => undefined),
    );
    await eventually('most are being connected', async () => (await clients()) > before + 50);
    await Promise.all(all.map((locks) => locks.close()));
    await Promise.all(waiting);
    await lease.release();
    await others.close();
    await eventually('the connections have gone', async () => (await clients()) === before, 3_000);
    await new Promise((resolve) => setTimeout(resolve, 300)); // and none comes later
    assert.equal(await clients(), before);
  });

  it('of a Cluster is refused, by name', () => {
    const cluster = createCluster({ rootNodes: [{ url: server.url }] });
    // @ts-expect-error the types refuse it too
    assert.throws(() => new LockCoordinator(cluster), TypeError, 'a node-redis client');
  });
});

/** Several processes with two coordinators each, on a real Redis: their work never overlaps, and the queue is one queue. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { firstValueFrom } from 'rxjs';
import { LockCoordinator } from '../../src/index.ts';
import { Child } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';

describe('several processes', function () {
  this.timeout(300_000);
  let server: Server;
  let redis: Redis;
  let children: Child[];

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
    children = Array.from({ length: 4 }, () => new Child('contender', server.url));
    await Promise.all(children.map((child) => child.hears('ready')));
  });

  after(async () => {
    for (const child of children) child.kill();
    await Promise.all(children.map((child) => child.ended()));
    redis.disconnect();
    await server.stop();
  });

  it('that pipe their work through withLock never overlap: two of them, two coordinators each, lose no update', async () => {
    const [one, two] = children as [Child, Child];
    for (const child of [one, two]) child.tell('work', 'shared', 'register', 150);
    await Promise.all([one.hears('worked'), two.hears('worked')]);
    assert.equal(await redis.get('register'), '300');
  });

  it('are served strictly first come, first served: 200 waiters over four of them, by rising fences', async () => {
    const locks = new LockCoordinator(redis);
    const lease = await locks.mutex('queue').acquire();
    for (const child of children) child.tell('queue', 'queue', 'served', 50);
    const waiting = async () => (await firstValueFrom(locks.inspect('queue'))).waiting;
    await eventually('all of them wait', async () => (await waiting()).length === 200);
    const queue = await waiting();
    const waited = queue.map((waiter) => waiter.waited);
    assert.deepEqual(
      waited,
      waited.toSorted((a, b) => b - a),
      'the first in the queue has waited longest',
    );
    assert.isBelow(waited[0] ?? Number.NaN, 30_000);
    assert.isTrue(await lease.release());
    await Promise.all(children.map((child) => child.hears('served')));
    const served = (await redis.lrange('served', 0, -1)).map((line) => line.split(' '));
    assert.deepEqual(
      served.map(([owner]) => owner),
      queue.map(({ owner }) => owner),
    );
    const fences = [lease.fence, ...served.map(([, fence]) => Number(fence))];
    assert.isTrue(fences.every((fence, i) => i === 0 || fence > (fences[i - 1] ?? 0)));
    await locks.close();
  });

  it('end by themselves after close(), and leave no holder, no waiter and no connection', async () => {
    for (const child of children) child.tell('close');
    const codes = await Promise.all(children.map((child) => child.ended()));
    assert.deepEqual(codes, [0, 0, 0, 0]);
    await eventually('only ours is connected', async () => {
      const clients = String(await redis.client('LIST'))
        .trim()
        .split('\n');
      return clients.length === 1;
    });
    const keys = await redis.keys('*redisync*');
    assert.deepEqual(
      keys.filter((key) => !key.endsWith('~redisync:clock')),
      [],
    );
  });
});

/** Hand-over on a real Redis: by a message or by the release's own reply, not by asking; told by counting commands. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { filter, firstValueFrom, lastValueFrom, mergeMap, range } from 'rxjs';
import { type Lease, LockCoordinator, whileHeld } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { holderAt } from '../support/holder-at.ts';
import { type Server, startServer } from '../support/server.ts';

describe('hand-over', () => {
  let server: Server;
  let redis: Redis;
  let a: LockCoordinator;
  let b: LockCoordinator;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
    // heartbeats every 10 s, renewals every 10 s: within a spec nobody asks of its own accord
    a = new LockCoordinator(redis, { waiterTtl: 30_000 });
    b = new LockCoordinator(redis, { waiterTtl: 30_000 });
    await contend(a);
    await contend(b);
  });

  after(async () => {
    await Promise.all([a.close(), b.close()]);
    redis.disconnect();
    await server.stop();
  });

  /** Has a coordinator wait once, so that its subscriber is heard. */
  const contend = async (locks: LockCoordinator): Promise<void> => {
    const holder = await locks.mutex('warm').acquire();
    const waiter = locks.mutex('warm').acquire();
    await eventually('the channel is heard', async () => (await channels()) > heard);
    heard += 1;
    await holder.release();
    await (await waiter).release();
  };
  let heard = 0;
  const channels = async (): Promise<number> => ((await redis.pubsub('CHANNELS', '*redisync*')) as string[]).length;

  const waitingFor = async (name: string): Promise<number> => (await firstValueFrom(a.inspect(name))).waiting.length;

  /** Calls that the server has had of each command since the last reset. */
  const calls = async (): Promise<Record<string, number>> => {
    const lines = (await redis.info('commandstats')).matchAll(/^cmdstat_(\w+):calls=(\d+)/gm);
    return Object.fromEntries([...lines].map(([, command = '', count]) => [command, Number(count)]));
  };

  const reset = (): Promise<unknown> => redis.config('RESETSTAT');

  it('ignores what others publish on its channels', async () => {
    const holder = await a.mutex('noise').acquire();
    const waiting = b.mutex('noise').acquire();
    await eventually('b waits', async () => (await waitingFor('noise')) === 1);
    const owner = (await firstValueFrom(a.inspect('noise'))).waiting[0]?.owner ?? '';
    const noise = ['', '{', 'null', '[]', '{"noise":1}', '[1,2,3]', JSON.stringify(['noise', owner]), '["noise",null]'];
    for (const channel of (await redis.pubsub('CHANNELS', '*redisync*')) as string[])
      for (const text of noise) assert.equal(await redis.publish(channel, text), 1);
    await reset();
    await holder.release();
    assert.isTrue(await (await waiting).release());
    assert.equal((await calls()).evalsha, 2, 'two releases');
  });

  it('to another coordinator takes the release and one message, and no other command', async () => {
    const first = await a.mutex('message').acquire();
    const second = b.mutex('message').acquire();
    await eventually('b waits', async () => (await waitingFor('message')) === 1);
    await reset();
    assert.isTrue(await first.release());
    const lease = await second;
    const { evalsha, publish } = await calls();
    assert.deepEqual({ evalsha, publish }, { evalsha: 1, publish: 1 });
    assert.isTrue(lease.held);
    assert.equal(await holderAt(redis, 'message'), lease.owner);
    await lease.release();
  });

  it('by unsubscribing goes the same way', async () => {
    const leases: Lease[] = [];
    const first = a.mutex('unsubscribe').subscribe();
    await eventually('a holds', async () => (await redis.exists('unsubscribe')) === 1);
    const second = b.mutex('unsubscribe').subscribe((lease) => leases.push(lease));
    await eventually('b waits', async () => (await waitingFor('unsubscribe')) === 1);
    await reset();
    first.unsubscribe();
    await eventually('b holds', () => leases.length === 1);
    const { evalsha, publish } = await calls();
    assert.deepEqual({ evalsha, publish }, { evalsha: 1, publish: 1 });
    second.unsubscribe();
  });

  it('to a waiter of the same coordinator comes in the release’s reply, without a message', async () => {
    const first = await a.mutex('reply').acquire();
    const second = a.mutex('reply').acquire();
    await eventually('it waits', async () => (await waitingFor('reply')) === 1);
    await reset();
    await first.release();
    const lease = await second;
    const { evalsha, publish } = await calls();
    assert.deepEqual({ evalsha, publish }, { evalsha: 1, publish: undefined });
    await lease.release();
  });

  it('is usable on arrival, and renewed to the full ttl where the grant was for less', async () => {
    const brief = new LockCoordinator(redis, { ttl: 20_000, waiterTtl: 3_000 });
    const first = await a.mutex('brief').acquire();
    const second = brief
      .mutex('brief')
      .acquire()
      .then((lease) => ({ lease, granted: lease.remaining() })); // before a renewal can be answered
    await eventually(
      'it waits, and is heard',
      async () => (await waitingFor('brief')) === 1 && (await channels()) === 3,
    );
    await first.release();
    const { lease, granted } = await second;
    assert.isTrue(lease.held);
    assert.isAtMost(granted, 3_000);
    await eventually('it is renewed', () => lease.remaining() > 5_000);
    assert.isAbove(await redis.pttl('brief'), 5_000);
    await brief.close();
  });

  it('takes at most 2.2 commands a turn over two coordinators', async () => {
    const turns = 200;
    await reset();
    const queue = range(0, turns).pipe(mergeMap((i) => (i % 2 ? a : b).mutex('turns').pipe(whileHeld(() => [i]))));
    await lastValueFrom(queue);
    const { evalsha = 0, eval: evals = 0 } = await calls();
    assert.isAtMost((evalsha + evals) / turns, 2.2);
  });

  it('passes over a waiter that has left, in the order of arrival', async () => {
    const order: string[] = [];
    const holder = await a.mutex('left').acquire();
    const waiters = ['one', 'two', 'three'].map((owner) =>
      b.mutex('left', { owner }).subscribe((lease) => {
        order.push(lease.owner);
        void lease.release();
      }),
    );
    await eventually('three wait', async () => (await waitingFor('left')) === 3);
    waiters[1]?.unsubscribe();
    await eventually('two wait', async () => (await waitingFor('left')) === 2);
    await holder.release();
    await eventually('both were served', () => order.length === 2);
    assert.deepEqual(order, ['one', 'three']);
  });

  it('to a waiter whose release a failover has lost is released at once, and goes to the next waiter', async () => {
    const holder = await a.mutex('forgotten').acquire();
    const left = b.mutex('forgotten').subscribe();
    await eventually('b waits', async () => (await waitingFor('forgotten')) === 1);
    const keys = await redis.keys('*{forgotten}*');
    const before = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
    left.unsubscribe();
    await eventually('b has left', async () => (await waitingFor('forgotten')) === 0);
    for (const [i, key] of keys.entries()) {
      const dump = before[i];
      if (dump) await redis.restore(key, 30_000, dump, 'REPLACE');
    }
    assert.equal(await waitingFor('forgotten'), 1);
    const next = a.mutex('forgotten').acquire({ timeout: 10_000 });
    await eventually('two wait', async () => (await waitingFor('forgotten')) === 2);
    await reset();
    await holder.release();
    await (await next).release();
    const { evalsha = 0, eval: evals = 0 } = await calls();
    assert.equal(evalsha + evals, 3, 'the release, the giving back, and the next release');
  });

  it('to a waiter that leaves at that moment costs no more commands than the waiter’s own release', async () => {
    const turns = 50;
    await reset();
    for (let i = 0; i < turns; i += 1) {
      const holder = await a.mutex(`moment${i}`).acquire();
      const waits = firstValueFrom(b.events$.pipe(filter(({ type }) => type === 'waiting')));
      const waiter = b.mutex(`moment${i}`).subscribe();
      await waits;
      const released = holder.release();
      waiter.unsubscribe();
      await released;
    }
    const left = async (): Promise<string[]> => await redis.keys('*moment*');
    await eventually('all have left', async () => (await left()).length === 0);
    const { evalsha = 0, eval: evals = 0 } = await calls();
    assert.equal(evalsha + evals, 4 * turns);
  });
});

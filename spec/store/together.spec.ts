/** What is sent at one time travels together, seen by the commands that the server counts. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { filter, firstValueFrom, skip } from 'rxjs';
import { LockCoordinator } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';

describe('Commands of one tick', () => {
  let server: Server;
  let redis: Redis;
  let locks: LockCoordinator;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.port);
    locks = new LockCoordinator(redis, { ttl: 6_000, renewEvery: 500 });
    await (await locks.mutex('warm').acquire()).release();
  });

  after(async () => {
    await locks.close();
    redis.disconnect();
    await server.stop();
  });

  const counted = async (work: () => Promise<unknown>): Promise<number> => {
    await redis.config('RESETSTAT');
    await work();
    const stats = await redis.info('commandstats');
    return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  };

  it('travel as one for up to 64 waiters that ask again', async () => {
    const waiting = new LockCoordinator(redis, { waiterTtl: 900 });
    await using _lease = await locks.mutex('crowd').acquire();
    const turns = Array.from({ length: 60 }, () => waiting.mutex('crowd').subscribe({ error: () => undefined }));
    const asked = (times: number) => async (): Promise<boolean> =>
      Number(/cmdstat_zrank:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0) >= times * turns.length;
    await eventually('all have asked, and again once they could be told', asked(2));
    const calls = await counted(() => eventually('all have asked by their heartbeat', asked(1)));
    assert.isAtMost(calls, turns.length / 4);
    await waiting.close();
  });

  it('travel as one for up to 64 names, when locks are acquired and when they are renewed', async () => {
    const names = Array.from({ length: 128 }, (_, i) => `together:${i}`);
    const acquired = await counted(() => Promise.all(names.map((name) => locks.mutex(name).acquire())));
    assert.equal(acquired, 2);
    const renewed$ = locks.events$.pipe(filter(({ type }) => type === 'renewed'));
    const renewals = await counted(() => firstValueFrom(renewed$.pipe(skip(names.length - 1))));
    assert.isAtMost(renewals, names.length / 4);
  });

  it('travel also where there is no global setImmediate, as under Jest with jsdom', async () => {
    const { setImmediate } = globalThis;
    const lease = await locks.mutex('jsdom').acquire();
    Reflect.set(globalThis, 'setImmediate', undefined);
    try {
      await lease.renew();
    } finally {
      globalThis.setImmediate = setImmediate;
    }
    assert.isTrue(await lease.release());
  });
});

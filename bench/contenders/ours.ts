/** redisync as it is published: its built form, by promises and by Observables. */
import { Redis } from 'ioredis';
import { defer, EMPTY, lastValueFrom } from 'rxjs';
import type { Lease } from '../../src/index.ts';
import type { Client, Contender, Kept } from './contender.ts';

/** Another build can be named, to measure a change against what was before. */
export const load = async (): Promise<typeof import('../../src/index.ts')> =>
  import(process.env.REDISYNC_BUILD ?? 'redisync');

const SENDS = { eval: 1, evalsha: 1, subscribe: 1 };

const kept = (lease: Lease): Kept => ({ renew: () => lease.renew(), release: () => lease.release() });

export type Coordinator = InstanceType<Awaited<ReturnType<typeof load>>['LockCoordinator']>;

export const byPromises = (locks: Coordinator): Pick<Client, 'use' | 'keep'> => ({
  use: async (name, work) => {
    const lease = await locks.mutex(name).acquire();
    const working = work();
    if (working) await working;
    await lease.release();
  },
  keep: async (name) => kept(await locks.mutex(name).acquire()),
});

export const promiseFace: Contender = {
  name: 'redisync, promises',
  sends: SENDS,
  open: async (url, ttl) => {
    const { LockCoordinator } = await load();
    const redis = new Redis(url);
    const locks = new LockCoordinator(redis, { ttl });
    return {
      ...byPromises(locks),
      close: () => locks.close().then(() => redis.disconnect()),
    };
  },
};

export const observableFace: Contender = {
  name: 'redisync, Observables',
  sends: SENDS,
  open: async (url, ttl) => {
    const { LockCoordinator, withLock } = await load();
    const redis = new Redis(url);
    const locks = new LockCoordinator(redis, { ttl });
    return {
      use: (name, work) =>
        lastValueFrom(defer(() => work() ?? EMPTY).pipe(withLock(locks.mutex(name))), { defaultValue: undefined }),
      keep: (name) =>
        new Promise((resolve, reject) =>
          locks.mutex(name).subscribe({ next: (lease) => resolve(kept(lease)), error: reject }),
        ),
      close: () => locks.close().then(() => redis.disconnect()),
    };
  },
};

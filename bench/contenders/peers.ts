/** The peers, each as its own documentation has it used, with a wait that does not end and the same ttl. */
import { Redis } from 'ioredis';
import { Redisson } from 'node-redisson';
import { Mutex } from 'redis-semaphore';
import Redlock from 'redlock';
import { createLock, IoredisAdapter } from 'redlock-universal';
import type { Contender } from './contender.ts';

/** Longer than any run, for those that take no "for ever". */
const LONG = 3_600_000;

export const redisSemaphore: Contender = {
  name: 'redis-semaphore',
  sends: { set: 1, eval: 1, evalsha: 1 },
  open: async (url, ttl) => {
    const redis = new Redis(url);
    // its default is to refresh at 0.8 of the ttl, ours at a third
    const settings = { lockTimeout: ttl, refreshInterval: ttl / 3, acquireTimeout: LONG };
    return {
      use: async (name, work) => {
        const mutex = new Mutex(redis, name, settings);
        await mutex.acquire();
        const working = work();
        if (working) await working;
        await mutex.release();
      },
      keep: async (name) => {
        const mutex = new Mutex(redis, name, settings);
        await mutex.acquire();
        return { release: () => mutex.release() };
      },
      close: () => redis.disconnect(),
    };
  },
};

const redlockWith = (name: string, settings: object, only?: 'contended'): Contender => ({
  name,
  sends: { eval: 1, evalsha: 1 },
  ...(only ? { only } : {}),
  open: async (url, ttl) => {
    const redis = new Redis(url);
    const redlock = new Redlock([redis], { retryCount: -1, ...settings });
    redlock.on('error', () => undefined);
    return {
      use: async (key, work) => {
        const lock = await redlock.acquire([key], ttl);
        const working = work();
        if (working) await working;
        await lock.release();
      },
      close: () => redis.disconnect(),
    };
  },
});

export const redlock = redlockWith('redlock', {});
export const redlockAtFive = redlockWith('redlock at 5 ms', { retryDelay: 5, retryJitter: 2 }, 'contended');

export const redlockUniversal: Contender = {
  name: 'redlock-universal',
  sends: { set: 1, eval: 1, evalsha: 1 },
  open: async (url, ttl) => {
    const redis = new Redis(url);
    const adapter = new IoredisAdapter(redis);
    const locks = new Map<string, ReturnType<typeof createLock>>(); // a new one begins with a PING
    return {
      use: async (key, work) => {
        const lock = locks.get(key) ?? createLock({ adapter, key, ttl, retryAttempts: LONG });
        locks.set(key, lock);
        const handle = await lock.acquire();
        const working = work();
        if (working) await working;
        await lock.release(handle);
      },
      close: () => redis.disconnect(),
    };
  },
};

export const nodeRedisson: Contender = {
  name: 'node-redisson',
  sends: { eval: 1, evalsha: 1, subscribe: 1, unsubscribe: 1, del: 0.5 }, // one DEL of a release is its own, one the script's
  open: async (url, ttl) => {
    const { hostname, port } = new URL(url);
    const redisson = new Redisson({
      redis: { options: { host: hostname, port: Number(port) } },
      lockWatchdogTimeout: BigInt(ttl),
    });
    return {
      use: async (name, work) => {
        const lock = redisson.getLock(name);
        await lock.lock();
        const working = work();
        if (working) await working;
        await lock.unlock();
      },
      close: () => redisson.quit(),
    };
  },
};

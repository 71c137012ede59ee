/** The clients that docs/migration.md names, as they are published: what each does to take a lock, once or until it has it. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { Mutex, RedlockMutex } from 'redis-semaphore';
import Redlock from 'redlock';
import { createLock, createRedlock, IoredisAdapter } from 'redlock-universal';
import Redlock4 from 'redlock4';
import { v4 as uuid } from 'uuid';

/** Gives the lock back. */
export type Release = () => Promise<unknown>;

export interface Peer {
  readonly name: string;
  /** What we must call the lock that it calls `name`. */
  readonly nameHere: (name: string) => string;
  /** Waits for the lock on these servers, asking every few ms; rejects after one attempt if it is not `patient`. */
  readonly acquire: (servers: readonly Redis[], name: string, ttl: number, patient: boolean) => Promise<Release>;
  /** Whether it renews what it holds by itself. */
  readonly renews: boolean;
  /** Whether it works on several independent servers. */
  readonly quorum: boolean;
}

/** ms between attempts. */
const EVERY = 5;

/** For those that take no "for ever". */
const OFTEN = 1_000_000;

const same = (name: string): string => name;

/** A client that is no npm package, by what it sends to take a lock. */
const sending = (
  name: string,
  take: (redis: Redis, name: string, token: string, ttl: number) => Promise<unknown>,
): Peer => ({
  name,
  nameHere: same,
  renews: false,
  quorum: false,
  acquire: async ([redis], key, ttl, patient) => {
    if (!redis) throw new Error('no server');
    const token = uuid();
    while (!(await take(redis, key, token, ttl))) {
      if (!patient) throw new Error('busy');
      await sleep(EVERY);
    }
    return () =>
      redis.eval("return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0", 1, key, token);
  },
});

/** A script that looks, sets and, in whole seconds, makes it expire. */
const LOOK_AND_SET =
  "return redis.call('EXISTS', KEYS[1]) == 0 and redis.call('SET', KEYS[1], ARGV[1]) and redis.call('EXPIRE', KEYS[1], ARGV[2])";

const goRedisync = sending('the Go redisync', (redis, key, token, ttl) =>
  redis.eval(LOOK_AND_SET, 1, key, token, Math.ceil(ttl / 1_000)),
);
const plain = sending('a client of SET NX PX (redsync, redislock, redis-py)', (redis, key, token, ttl) =>
  redis.set(key, token, 'PX', ttl, 'NX'),
);

const redlock4: Peer = {
  name: 'redlock 4',
  nameHere: same,
  renews: false,
  quorum: true,
  acquire: async (servers, name, ttl, patient) => {
    const redlock = new Redlock4(servers, { retryCount: patient ? -1 : 0, retryDelay: EVERY });
    const lock = await redlock.lock(name, ttl);
    return () => lock.unlock();
  },
};

const redlock5: Peer = {
  name: 'redlock 5',
  nameHere: same,
  renews: false,
  quorum: true,
  acquire: async (servers, name, ttl, patient) => {
    const redlock = new Redlock(servers, { retryCount: patient ? -1 : 0, retryDelay: EVERY, retryJitter: 2 });
    redlock.on('error', () => undefined); // each refusal is told here as well
    const lock = await redlock.acquire([name], ttl);
    return () => lock.release();
  },
};

const redisSemaphore: Peer = {
  name: 'redis-semaphore',
  nameHere: (name) => `mutex:${name}`,
  renews: true,
  quorum: true,
  acquire: async (servers, name, ttl, patient) => {
    const settings = { lockTimeout: ttl, refreshInterval: ttl / 3, acquireTimeout: OFTEN, retryInterval: EVERY };
    const attempts = patient ? {} : { acquireAttemptsLimit: 1 };
    const [redis, ...others] = servers;
    const mutex = redis && others.length === 0 ? new Mutex(redis, name, { ...settings, ...attempts }) : undefined;
    const lock = mutex ?? new RedlockMutex([...servers], name, { ...settings, ...attempts });
    await lock.acquire();
    return () => lock.release();
  },
};

const redlockUniversal: Peer = {
  name: 'redlock-universal',
  nameHere: same,
  renews: false,
  quorum: true,
  acquire: async (servers, key, ttl, patient) => {
    const settings = { key, ttl, retryAttempts: patient ? OFTEN : 0, retryDelay: EVERY };
    const adapters = servers.map((redis) => new IoredisAdapter(redis));
    const [adapter, ...others] = adapters;
    const lock =
      adapter && others.length === 0 ? createLock({ adapter, ...settings }) : createRedlock({ adapters, ...settings });
    const handle = await lock.acquire();
    return () => lock.release(handle);
  },
};

export const PEERS: readonly [Peer, ...Peer[]] = [
  goRedisync,
  plain,
  redlock4,
  redlock5,
  redisSemaphore,
  redlockUniversal,
];

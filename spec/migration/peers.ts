/** The clients that docs/migration.md names, as they are published: what each does to take a lock, once or until it has it. */
import type { Redis } from 'ioredis';
import { Mutex, RedlockMutex } from 'redis-semaphore';
import Redlock from 'redlock';
import { createLock, createRedlock, IoredisAdapter } from 'redlock-universal';
import Redlock4 from 'redlock4';

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

/** What the Go redisync, redsync, redislock and redis-py send: SET NX PX, and a script that compares and deletes. */
const plain: Peer = {
  name: 'a client of SET NX PX (the Go redisync, redsync, redis-py)',
  nameHere: same,
  renews: false,
  quorum: false,
  acquire: async ([redis], name, ttl, patient) => {
    const token = crypto.randomUUID();
    for (;;) {
      if ((await redis?.set(name, token, 'PX', ttl, 'NX')) === 'OK') break;
      if (!patient) throw new Error('busy');
      await new Promise((resolve) => setTimeout(resolve, EVERY));
    }
    const script = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0";
    return async () => redis?.eval(script, 1, name, token);
  },
};

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

export const PEERS: readonly [Peer, ...Peer[]] = [plain, redlock4, redlock5, redisSemaphore, redlockUniversal];

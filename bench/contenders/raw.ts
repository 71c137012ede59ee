/** The limit: what ioredis does at best for SET NX PX and compare-and-delete, with no fencing, renewal, queue or deadline. */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { type Contender, sleep } from './contender.ts';

const COMPARE_AND_DELETE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

export const raw: Contender = {
  name: 'raw',
  sends: { set: 1, evalsha: 1 },
  open: async (url, ttl) => {
    const redis = new Redis(url);
    const sha = (await redis.script('LOAD', COMPARE_AND_DELETE)) as string;
    return {
      use: async (name, work) => {
        const token = randomUUID();
        while ((await redis.set(name, token, 'PX', ttl, 'NX')) !== 'OK') await sleep(1 + 4 * Math.random());
        const working = work();
        if (working) await working;
        await redis.evalsha(sha, 1, name, token);
      },
      close: () => redis.disconnect(),
    };
  },
};

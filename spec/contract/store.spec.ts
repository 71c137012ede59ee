/** The contract, over a Redis of its own, by each of the libraries that speak to it. */
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { lastValueFrom, toArray } from 'rxjs';
import type { Driver } from '../../src/store/driver.ts';
import { clockKey } from '../../src/store/keys.ts';
import { NodeRedisDriver } from '../../src/store/node-redis.ts';
import type { RedisStore } from '../../src/store/redis.ts';
import { startServer } from '../support/server.ts';
import { openRedisStore } from './redis-store.ts';
import { contract } from './store.contract.ts';

const overRedis = (library: string, connect: (url: string) => Driver): unknown =>
  contract(`Redis, by ${library}`, async () => {
    const server = await startServer();
    const redis = new Redis(server.url);
    const stores: RedisStore[] = [];
    return {
      open: async () => {
        const store = await openRedisStore(connect(server.url));
        stores.push(store);
        return store;
      },
      drop: async (store) => {
        const channels = async (): Promise<number> => (await redis.pubsub('CHANNELS')).length;
        const before = await channels();
        store.close();
        const since = performance.now();
        while ((await channels()) === before) {
          if (performance.now() - since > 5_000) throw new Error('The server still knows of the subscriber after 5 s');
        }
      },
      ask: (answer) => lastValueFrom(answer.pipe(toArray())),
      now: () => performance.now(),
      pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      residue: async () => (await redis.keys('*')).filter((key) => key !== clockKey('')),
      stop: async () => {
        for (const store of stores) store.close();
        redis.disconnect();
        await server.stop();
      },
    };
  });

overRedis('ioredis', (url) => new Redis(url, { lazyConnect: true }));
overRedis('node-redis', (url) => new NodeRedisDriver(createClient({ url })));

/** A store on a real Redis that hears of its grants already. */
import { asyncScheduler, filter, firstValueFrom } from 'rxjs';
import type { Driver } from '../../src/store/driver.ts';
import { RedisStore } from '../../src/store/redis.ts';

/** It sets about listening at its first contention, and says on `grants$` when it does. */
export const openRedisStore = async (redis: Driver): Promise<RedisStore> => {
  const store = new RedisStore(redis, asyncScheduler);
  const heard = firstValueFrom(store.grants$.pipe(filter((grant) => grant === undefined)));
  const request = { name: 'first contention', mode: 'exclusive', permits: 1, limit: 0 } as const;
  const times = { ttl: 5_000, waiterTtl: 5_000 };
  for (const owner of ['a', 'b']) await firstValueFrom(store.acquire({ ...request, ...times, owner }, true, 5_000));
  await heard;
  for (const owner of ['b', 'a']) await firstValueFrom(store.release({ name: request.name, owner }, 5_000));
  return store;
};

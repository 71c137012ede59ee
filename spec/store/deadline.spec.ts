/** Every command ends by its deadline, with nobody to answer it. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { asyncScheduler, catchError, type Observable, timeout } from 'rxjs';
import { RedisUnreachableError } from '../../src/errors.ts';
import { RedisStore } from '../../src/store/redis.ts';
import { freePort } from '../support/server.ts';

describe('a command without an answer', () => {
  it('ends by its deadline, also one that was asked at the end of another', async () => {
    const redis = new Redis({ port: await freePort(), lazyConnect: true });
    const store = new RedisStore(redis, asyncScheduler);
    const ends: unknown[] = [];
    const look = (): Observable<unknown> => store.inspect('a', 30);
    const noted = (error: unknown): Observable<unknown> => {
      ends.push(error);
      if (ends.length === 3) throw error;
      return look().pipe(catchError(noted));
    };
    await new Promise((resolve) => {
      look().pipe(catchError(noted), timeout(1_000)).subscribe({ error: resolve });
    });
    store.close();
    redis.disconnect();
    assert.lengthOf(ends, 3);
    for (const error of ends) assert.instanceOf(error, RedisUnreachableError);
  });
});

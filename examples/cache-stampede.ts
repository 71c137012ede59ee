/** A value that is expensive to compute and that many ask for at once: one computes it, the others wait for the result. */
import { Redis } from 'ioredis';
import { LockCoordinator, withLock } from 'redisync';
import { concat, defer, filter, first, forkJoin, lastValueFrom, type Observable, switchMap, timer } from 'rxjs';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const processes = [new LockCoordinator(redis), new LockCoordinator(redis)];
await redis.del('example:cache:report');

let computed = 0;
const compute = (key: string): Observable<string> =>
  timer(100).pipe(
    switchMap(async () => {
      computed += 1;
      await redis.set(key, 'the report', 'EX', 60);
      return 'the report';
    }),
  );

/** The cached value; empty if there is none. */
const cached = (key: string): Observable<string> => defer(() => redis.get(key)).pipe(filter((hit) => hit !== null));

/** Each step is tried only if the one before it was empty: the cache, the lock, the cache again, the work. */
const value = (locks: LockCoordinator, key: string): Observable<string> => {
  const refill = concat(cached(key), compute(key)).pipe(first(), withLock(locks.mutex(`${key}:lock`)));
  return concat(cached(key), refill).pipe(first());
};

const asked = Array.from({ length: 10 }, () => processes.map((locks) => value(locks, 'example:cache:report'))).flat();
const answers = await lastValueFrom(forkJoin(asked));
console.log(`${answers.length} answers, computed ${computed} time(s)`);
await Promise.all(processes.map((locks) => locks.close()));
redis.disconnect();

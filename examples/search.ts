/** Search as you type, with one query at a time on the database: each new input cancels the last query, or its wait. */
import { Redis } from 'ioredis';
import { LockCoordinator, withLock } from 'redisync';
import { firstValueFrom, from, lastValueFrom, map, type Observable, switchMap, tap, timer, zipWith } from 'rxjs';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis);
locks.events$.subscribe(({ type }) => console.log(`  ${type}`));

const query = (text: string): Observable<string> =>
  timer(200).pipe(
    map(() => `results for "${text}"`),
    tap({ subscribe: () => console.log(`asks for "${text}"`), unsubscribe: () => console.log(`drops "${text}"`) }),
  );

await firstValueFrom(locks.inspect('example:search')); // opens the connection before the first key is hit
const typed$ = timer(0, 60).pipe(
  zipWith(from(['l', 'lo', 'loc', 'lock'])),
  map(([, text]) => text),
);

const results$ = typed$.pipe(switchMap((text) => query(text).pipe(withLock(locks.semaphore('example:search', 1)))));
console.log(await lastValueFrom(results$));
const { holders, waiting } = await firstValueFrom(locks.inspect('example:search'));
console.log(`left behind: ${holders.length + waiting.length}`);
await locks.close();
redis.disconnect();

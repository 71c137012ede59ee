/** At most three calls to somebody's API at a time, counted over all processes; an expensive call counts for two. */
import { Redis } from 'ioredis';
import { LockCoordinator, withLock } from 'redisync';
import { defer, finalize, from, lastValueFrom, map, merge, mergeMap, type Observable, tap, timer } from 'rxjs';

const LIMIT = 3;
const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const processes = [new LockCoordinator(redis), new LockCoordinator(redis)];

let inUse = 0;
let most = 0;
const call = (path: string, cost: number): Observable<string> =>
  defer(() => {
    inUse += cost;
    most = Math.max(most, inUse);
    return timer(20).pipe(
      map(() => `GET ${path}`),
      finalize(() => {
        inUse -= cost;
      }),
    );
  });

const paths = ['/users', '/orders', '/report', '/items', '/report', '/prices'];
const calls = (locks: LockCoordinator): Observable<string> =>
  from(paths).pipe(
    mergeMap((path) => {
      const permits = path === '/report' ? 2 : 1;
      return call(path, permits).pipe(withLock(locks.semaphore('example:api', LIMIT, { permits })));
    }),
  );

await lastValueFrom(merge(...processes.map(calls)).pipe(tap(console.log)));
console.log(`most permits in use at once: ${most} of ${LIMIT}`);
await Promise.all(processes.map((locks) => locks.close()));
redis.disconnect();

/** One lease for many subscribers in a process: it is acquired for the first, and released a moment after the last. */
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type Lease, LockCoordinator, whileHeld } from 'redisync';
import { lastValueFrom, map, type Observable, ReplaySubject, share, timer } from 'rxjs';

const LINGER = 200;
const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis);
locks.events$.subscribe(({ type }) => console.log(type));

const lease$ = locks
  .mutex('example:feed')
  .pipe(share({ connector: () => new ReplaySubject<Lease>(1), resetOnRefCountZero: () => timer(LINGER) }));

/** Works under the shared lease, and unsubscribes when it is done. rxjs counts the subscribers; the last one to leave ends the lease. */
const work = (name: string): Observable<string> =>
  lease$.pipe(whileHeld((lease) => timer(20).pipe(map(() => `${name}: ${lease.held}`))));
const run = async (...names: string[]): Promise<void> => {
  for (const line of await Promise.all(names.map((name) => lastValueFrom(work(name))))) console.log(line);
};

await run('ann', 'ben', 'cem'); // one acquisition for all three
await run('dot'); // within the linger: the same lease
await pause(2 * LINGER);
await run('eve'); // after it: another
await locks.close();
redis.disconnect();

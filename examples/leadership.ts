/** One leader among any number of processes; when it goes, the next takes over. Start it twice, end the first. */
import { Redis } from 'ioredis';
import { LockCoordinator } from 'redisync';
import { concat, finalize, fromEvent, interval, map, of, switchMap, takeUntil } from 'rxjs';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis);

/** What only the leader does. Send the fence with every write, so that a former leader is refused. */
const schedule = (fence: number) => interval(200).pipe(map((n) => `task ${n} with fence ${fence}`));

locks
  .leadership('example:scheduler', { ttl: 1_000 })
  .pipe(
    switchMap((lease) => (lease ? concat(of('leading'), schedule(lease.fence)) : of('following'))),
    takeUntil(fromEvent(process, 'SIGTERM')), // unsubscribing resigns, so the next leader need not wait for the ttl
    finalize(async () => {
      await locks.close();
      redis.disconnect();
    }),
  )
  .subscribe(console.log);

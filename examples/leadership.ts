/** One leader among any number of processes; when it goes, the next takes over. Start it twice, end the first. */
import { Redis } from 'ioredis';
import { LockCoordinator } from 'redisync';
import { concat, finalize, fromEvent, interval, map, of, switchMap, takeUntil } from 'rxjs';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis);

/** What only the leader does. Its token goes with every write, so that a leader of yesterday is refused. */
const schedule = (fence: number) => interval(200).pipe(map((n) => `task ${n} under token ${fence}`));

locks
  .leadership('example:scheduler', { ttl: 1_000 })
  .pipe(
    switchMap((lease) => (lease ? concat(of('leading'), schedule(lease.fence)) : of('following'))),
    takeUntil(fromEvent(process, 'SIGTERM')), // resigns: the next leader need not wait for the ttl
    finalize(async () => {
      await locks.close();
      redis.disconnect();
    }),
  )
  .subscribe(console.log);

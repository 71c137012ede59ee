/** A schedule that every machine has, and a job that one of them does at each tick. Start it twice. */
import { Redis } from 'ioredis';
import { LockCoordinator, whileHeld } from 'redisync';
import { catchError, defaultIfEmpty, exhaustMap, lastValueFrom, map, of, take, tap, timer } from 'rxjs';

const PERIOD = 500;
const LAST = 'example:nightly:last';
const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis);

/** Ticks are numbered by the wall clock, so that all machines mean the same ones. */
const tick$ = timer(PERIOD - (Date.now() % PERIOD), PERIOD).pipe(map(() => Math.round(Date.now() / PERIOD)));

/** The lock keeps others out while the job runs. That it has run is for the data to remember: a slow clock comes later. */
const job = async (tick: number): Promise<string> => {
  if (Number(await redis.get(LAST)) >= tick) return 'done already';
  await redis.set(LAST, tick, 'EX', 3_600);
  return 'done here';
};

const nightly$ = tick$.pipe(
  take(4),
  exhaustMap((tick) =>
    locks
      .mutex('example:nightly')
      .try()
      .pipe(
        whileHeld(() => job(tick)),
        defaultIfEmpty('busy elsewhere'),
        catchError((error) => of(`not done: ${error.message}`)), // one bad tick does not end the schedule
        map((outcome) => `tick ${tick}: ${outcome}`),
      ),
  ),
  tap(console.log),
);

await lastValueFrom(nightly$);
await locks.close();
redis.disconnect();

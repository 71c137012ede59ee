/**
 * A schedule that every machine has, and a job that only one of them runs at each tick. That holds for short jobs too, and
 * for clocks that differ by up to `minHold`. Start it twice.
 */
import { Redis } from 'ioredis';
import { LockCoordinator, whileHeld } from 'redisync';
import { catchError, defaultIfEmpty, exhaustMap, lastValueFrom, map, of, take, tap, timer } from 'rxjs';

const PERIOD = 500;

/** ms for which a tick's lock stays taken, even if its job ends sooner: longer than any machine can be late. */
const SKEW = 10_000;

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis);

/** Ticks are numbered by the wall clock, so that they have the same numbers on all machines. */
const tick$ = timer(PERIOD - (Date.now() % PERIOD), PERIOD).pipe(map(() => Math.round(Date.now() / PERIOD)));

const job = async (tick: number): Promise<string> => `tick ${tick}: done here`;

const nightly$ = tick$.pipe(
  take(4),
  exhaustMap((tick) =>
    locks
      .mutex(`example:nightly:${tick}`, { minHold: SKEW })
      .try()
      .pipe(
        whileHeld(() => job(tick)),
        defaultIfEmpty(`tick ${tick}: done elsewhere`),
        catchError((error) => of(`tick ${tick}: not done: ${error.message}`)), // one bad tick does not end the schedule
      ),
  ),
  tap(console.log),
);

await lastValueFrom(nightly$);
await locks.close();
redis.disconnect();

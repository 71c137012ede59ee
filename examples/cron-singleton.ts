/**
 * A schedule that every machine has, and a job that one of them does at each tick: however short it is, and however far
 * apart their clocks are, up to `minHold`. Start it twice.
 */
import { Redis } from 'ioredis';
import { LockCoordinator, whileHeld } from 'redisync';
import { catchError, defaultIfEmpty, exhaustMap, lastValueFrom, map, of, take, tap, timer } from 'rxjs';

const PERIOD = 500;

/** ms for which a tick's lock stays taken when its job is done: no machine comes later than that. */
const SKEW = 10_000;

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis);

/** Ticks are numbered by the wall clock, so that all machines mean the same ones. */
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

/** A pool of equal things, of which each job takes the first that is free. */
import { Redis } from 'ioredis';
import { anyOf, LockCoordinator, whileHeld } from 'redisync';
import { from, ignoreElements, lastValueFrom, mergeMap, startWith, tap, timer } from 'rxjs';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis);
const printers = ['example:printer:1', 'example:printer:2'].map((name) => locks.mutex(name));

const job$ = from(['letter', 'poster', 'form', 'map', 'ticket']).pipe(
  mergeMap((job) =>
    anyOf(printers).pipe(
      whileHeld(({ name }) => timer(20).pipe(ignoreElements(), startWith(`${job} on ${name.slice(-1)}`))),
    ),
  ),
  tap(console.log),
);

await lastValueFrom(job$);
await locks.close();
redis.disconnect();

/** What the locks do, to a logger: every event as a line, and now and then how long waits took. */
import { Redis } from 'ioredis';
import { bufferTime, filter, lastValueFrom, map, merge, mergeMap, range, tap, timer } from 'rxjs';
import { LockCoordinator, type LockEvent, withLock } from '../src/index.ts';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis, { identity: 'worker 1' });

/** An error's own fields are not JSON; its message has neither password nor arguments in it. */
const plain = (event: LockEvent): object => ('error' in event ? { ...event, error: event.error.message } : event);
const level = ({ type }: LockEvent): string =>
  type === 'lost' ? 'error' : type === 'renewalFailed' || type === 'attemptFailed' ? 'warn' : 'info';

const line$ = locks.events$.pipe(map((event) => JSON.stringify({ level: level(event), ...plain(event) })));
const wait$ = locks.events$.pipe(
  filter((event) => event.type === 'acquired'),
  bufferTime(1_000),
  filter((events) => events.length > 0),
  map(
    (events) => `longest of ${events.length} waits: ${Math.max(...events.map(({ waited }) => waited)).toFixed(1)} ms`,
  ),
);
const logged = lastValueFrom(merge(line$, wait$).pipe(tap(console.log)));

await lastValueFrom(range(0, 3).pipe(mergeMap(() => timer(10).pipe(withLock(locks.mutex('example:log'))))));
await locks.close(); // ends events$, and so the log
await logged;
redis.disconnect();

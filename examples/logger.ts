/** Logs what the locks do with pino: a line for every event, and from time to time how long waits took. */
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { LockCoordinator, type LockEvent, withLock } from 'redisync';
import { bufferTime, filter, lastValueFrom, merge, mergeMap, range, tap, timer } from 'rxjs';

const log = pino();
const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis, { identity: 'worker 1' });

/** An error's own fields are not JSON; its message has neither password nor arguments in it. */
const plain = (event: LockEvent): object => ('error' in event ? { ...event, error: event.error.message } : event);
const levelOf = ({ type }: LockEvent): 'error' | 'warn' | 'info' =>
  type === 'lost' ? 'error' : type === 'renewalFailed' || type === 'attemptFailed' ? 'warn' : 'info';

const event$ = locks.events$.pipe(tap((event) => log[levelOf(event)](plain(event), event.type)));
const wait$ = locks.events$.pipe(
  filter((event) => event.type === 'acquired'),
  bufferTime(1_000),
  filter((events) => events.length > 0),
  tap((events) => {
    log.info({ waits: events.length, longest: Math.max(...events.map(({ waited }) => waited)) }, 'waits');
  }),
);
const logged = lastValueFrom(merge(event$, wait$));

await lastValueFrom(range(0, 3).pipe(mergeMap(() => timer(10).pipe(withLock(locks.mutex('example:log'))))));
await locks.close(); // ends events$, and so the log
await logged;
redis.disconnect();

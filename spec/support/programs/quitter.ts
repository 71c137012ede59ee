/** A client process that uses a coordinator in every way, closes it, and then has to end by itself. ARGV: url. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { firstValueFrom, NEVER } from 'rxjs';
import { LockCoordinator, whileHeld } from '../../../src/index.ts';

const [url = ''] = process.argv.slice(2);
const redis = new Redis(url);
const [a, b] = [new LockCoordinator(redis), new LockCoordinator(redis)];
const ignore = { error: () => undefined };

const held = await a.mutex('quit').acquire();
a.mutex('quit').subscribe(ignore);
b.mutex('quit', { maxHold: 60_000 })
  .pipe(whileHeld(() => NEVER))
  .subscribe(ignore);
b.semaphore('quit-too', 2)
  .acquire({ timeout: 60_000, signal: new AbortController().signal })
  .catch(() => undefined);
b.leadership('quit').subscribe(ignore);
a.watch('quit', { every: 60_000 }).subscribe(ignore);
a.events$.subscribe();
await firstValueFrom(b.inspect('quit'));
await Promise.all([a.close(), b.close()]);
redis.disconnect();
/** ioredis has a timer of 0 ms of its own, which a busy machine runs late. */
let timers: string[] = [];
for (let looks = 0; looks < 100; looks += 1) {
  await sleep(50);
  timers = process.getActiveResourcesInfo().filter((what) => what === 'Timeout');
  if (timers.length === 0) break;
}
process.send?.(['closed', held.held, timers]);
process.disconnect?.();

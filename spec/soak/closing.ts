/** A process that uses a coordinator in every way, closes it, and reports what is still active. ARGV: URL, file. */
import { writeFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { allOf, LockCoordinator } from '../../src/index.ts';

const [url = '', file = ''] = process.argv.slice(2);
await turn(); // by which node has closed the file of this program
const before = process.getActiveResourcesInfo();
const redis = new Redis(url, { disconnectTimeout: 0 });
const [a, b] = [new LockCoordinator(redis), new LockCoordinator(redis)];
const ignore = { error: () => undefined };

await a.mutex('held').acquire();
for (let i = 0; i < 10; i += 1) {
  b.mutex('held').subscribe(ignore);
  b.semaphore('permits', 2).subscribe(ignore);
  a.readWriteLock('catalog').write.subscribe(ignore);
}
allOf(a.mutex('held'), a.mutex('free')).subscribe(ignore);
b.leadership('leader').subscribe(ignore);
a.watch('held').subscribe(ignore);
a.events$.subscribe();
await b
  .mutex('held')
  .acquire({ timeout: 50 })
  .catch(() => undefined);
const busy = process.getActiveResourcesInfo();
await Promise.all([a.close(), b.close()]);
redis.disconnect();
while (redis.status !== 'end') await turn();
writeFileSync(file, JSON.stringify({ before, busy, after: process.getActiveResourcesInfo() }));

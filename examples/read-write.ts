/** A catalog with many readers and an occasional writer, who checks the new version while readers may read again. */
import { Redis } from 'ioredis';
import { type Lease, LockCoordinator, whileHeld } from 'redisync';
import { from, lastValueFrom, merge, type Observable, tap } from 'rxjs';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis);
const { read, write } = locks.readWriteLock('example:catalog');

let version = 1;
async function* publish(lease: Lease): AsyncGenerator<string> {
  version += 1;
  yield `the writer made version ${version}, alone`;
  await lease.downgrade(); // without a gap: no other writer can write in between
  yield `the writer looks it over, as a reader: ${lease.mode}`;
  yield `version ${version} is good`;
}
const reader = (name: string): Observable<string> =>
  read.pipe(whileHeld(() => from([`${name} reads version ${version}`])));
const rewrite = write.pipe(
  whileHeld(() => {
    version += 1;
    return [`another writer made version ${version}`];
  }),
);

const first = await write.acquire();
const waiting = [write.pipe(whileHeld(publish)), reader('ann'), reader('ben'), rewrite, reader('cem')];
const done = lastValueFrom(merge(...waiting).pipe(tap(console.log)));
await first.release(); // the others follow in the order of the queue, readers together
await done;
await locks.close();
redis.disconnect();

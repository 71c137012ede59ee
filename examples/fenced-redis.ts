/** A fenced write to Redis: a script compares the fence with the highest that it has seen, and writes, in one step, so a late write is refused. */
import { Redis } from 'ioredis';
import { LockCoordinator, whileHeld } from 'redisync';
import { lastValueFrom } from 'rxjs';

const [redis = new Redis(), ...more] = (process.env.REDIS_URL ?? 'redis://127.0.0.1:6379')
  .split(',')
  .map((url) => new Redis(url));
const locks = new LockCoordinator(more.length > 0 ? [redis, ...more] : redis, { ttl: 5_000 }); // one Redis, or a quorum
const DOCUMENT = 'example:fenced';

/** KEYS 1 the document, a hash  ARGV 1 what to write  2 the fence. Returns 0 if a higher fence has written. */
const WRITE = `
if tonumber(ARGV[2]) < tonumber(redis.call('HGET', KEYS[1], 'fence') or 0) then return 0 end
redis.call('HSET', KEYS[1], 'text', ARGV[1], 'fence', ARGV[2])
return 1`;

const write = async (text: string, fence: number): Promise<void> => {
  if ((await redis.eval(WRITE, 1, DOCUMENT, text, `${fence}`)) === 0) throw new Error(`fence ${fence} is too low`);
};

await redis.del(DOCUMENT);

/** Writes without checking the lease again, as a process does that is paused right before it writes. */
const paused = await locks.mutex('example:document').acquire();
await lastValueFrom(locks.forceRelease('example:document')); // ends the lease, as its ttl would after a pause

await lastValueFrom(locks.mutex('example:document').pipe(whileHeld(({ fence }) => write('by the next', fence))));
const late = await write('by the paused one', paused.fence).catch((error: Error) => error.message);
console.log(`late: ${String(late).replace(/\d+/, 'N')}`);
console.log(`written ${await redis.hget(DOCUMENT, 'text')}`);
await locks.close();
for (const each of [redis, ...more]) each.disconnect();

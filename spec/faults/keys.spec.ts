/** The key of a lock that somebody deletes, renames or overwrites: the holder learns of it, and nothing is made again or written over. */
import { assert } from 'chai';
import { firstValueFrom } from 'rxjs';
import { acquired, loss, now } from './recorder.ts';
import { at, type Site, TTL } from './site.ts';

/** Lost by what is done to the key, at the next renewal: by itself it would lapse after a minute, and a busy machine does not stop for so long. */
const LASTING = { ttl: 60 * TTL };
const HANG = 30_000;

describe('the key of a lock', function () {
  this.timeout(300_000);

  const GONE: Record<string, (site: Site) => Promise<unknown>> = {
    deleted: (site) => site.redis.del('key'),
    renamed: (site) => site.redis.multi().rename('key', 'elsewhere').pexpire('elsewhere', TTL).exec(), // it would outlive the spec
  };
  for (const [how, take] of Object.entries(GONE)) {
    it(
      `that is ${how} is a loss at the next renewal, and is not created again`,
      at(async (site) => {
        const lease = await acquired(site.client(LASTING).mutex('key'));
        const lost = loss(lease);
        const since = now();
        await take(site);
        const { reason, when } = await lost;
        assert.equal(reason, 'taken');
        assert.isBelow(when - since, HANG);
        assert.isFalse(await lease.release());
        assert.equal(await site.redis.exists('key'), 0);
        assert.isAbove(Number((await acquired(site.client().mutex('key'))).fence), Number(lease.fence));
      }),
    );
  }

  const FOREIGN: Record<string, (site: Site) => Promise<unknown>> = {
    'a string without an expiry': (site) => site.redis.set('key', 'for ever'),
    'a list': (site) => site.redis.multi().del('key').rpush('key', 'x').exec(),
  };
  for (const [what, put] of Object.entries(FOREIGN)) {
    it(
      `that becomes ${what} is a loss to its holder, a LockCorruptedError to waiters, and stays as it was`,
      at(async (site) => {
        const client = site.client(LASTING);
        const lease = await acquired(client.mutex('key'));
        const lost = loss(lease);
        const waits = acquired(site.client().mutex('key')).catch((reason) => reason);
        await site.waiting('key', 1);
        const since = now();
        await put(site);
        const before = await site.redis.dump('key');
        const { reason, when } = await lost;
        assert.equal(reason, 'taken');
        assert.isBelow(when - since, HANG);
        assert.include(await waits, { code: 'LOCK_CORRUPTED', lock: 'key' });
        for (const lock$ of [
          client.mutex('key'),
          client.tryMutex('key'),
          client.semaphore('key', 2),
          client.read('key'),
        ]) {
          const error = await firstValueFrom(lock$).catch((refusal) => refusal);
          assert.include(error, { code: 'LOCK_CORRUPTED', lock: 'key' });
        }
        assert.isFalse(await lease.release());
        assert.equal(await site.redis.dump('key'), before);
        await site.redis.del('key');
      }),
    );
  }
});

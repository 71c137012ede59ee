/** A right that is taken away while locks are held and waited for: nothing is told that is not written, and nothing is left that does not lapse. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { asyncScheduler, firstValueFrom, type Observable } from 'rxjs';
import { clockKey, keysOf } from '../../src/store/keys.ts';
import { RedisStore } from '../../src/store/redis.ts';
import type { Grant, Request } from '../../src/store/store.ts';
import { openRedisStore } from '../contract/redis-store.ts';
import { type Server, startServer } from '../support/server.ts';

const RIGHTS = [
  ...['time', 'get', 'set', 'del', 'pttl', 'pexpire', 'zadd', 'zrem', 'zcard', 'zcount', 'zrange', 'zrangebyscore'],
  ...['zrank', 'zscore', 'hget', 'hmget', 'hset', 'hsetnx', 'hdel', 'publish', 'pubsub', 'eval', 'evalsha'],
];
const KINDS: Readonly<Record<string, Pick<Request, 'mode' | 'permits' | 'limit'>>> = {
  mutex: { mode: 'exclusive', permits: 1, limit: 0 },
  semaphore: { mode: 'shared', permits: 2, limit: 3 },
  'read lock': { mode: 'shared', permits: 1, limit: 0 },
};
const WITHIN = 2_000;
const TIMES = { ttl: 60_000, waiterTtl: 60_000 };

describe('a right that is taken away', function () {
  this.timeout(300_000);
  let server: Server;
  let admin: Redis;
  let store: RedisStore;
  let other: RedisStore;
  let eyes: RedisStore;
  let name: string;
  const told: Grant[] = [];
  let count = 0;

  before(async () => {
    server = await startServer();
    admin = new Redis(server.url);
    await admin.acl('SETUSER', 'user', 'on', '>pass', '~*', '&*', '+@all');
    const user = (): Redis =>
      new Redis({ port: server.port, username: 'user', password: 'pass', lazyConnect: true, disableClientInfo: true });
    eyes = new RedisStore(admin, asyncScheduler);
    [store, other] = [await openRedisStore(user()), await openRedisStore(user())];
    for (const each of [store, other]) each.grants$.subscribe((grant) => void (grant && told.push(grant)));
  });
  after(async () => {
    store.close();
    other.close();
    eyes.close();
    admin.disconnect();
    await server.stop();
  });
  beforeEach(() => {
    count += 1;
    name = `right ${count}`;
    told.length = 0;
  });

  const attempt = (verb: Observable<unknown>): Promise<unknown> => firstValueFrom(verb).catch((error: Error) => error);
  const acquire = (by: RedisStore, owner: string, kind: keyof typeof KINDS, more = {}): Promise<unknown> =>
    attempt(
      by.acquire(
        { ...TIMES, name, owner, mode: 'shared', permits: 1, limit: 0, ...KINDS[kind], ...more },
        true,
        WITHIN,
      ),
    );
  const holders = async (): Promise<string[]> => {
    const seen = await firstValueFrom(eyes.inspect(name, WITHIN));
    return seen.holders.map(({ owner }) => owner);
  };
  const without = async (right: string, deed: () => Promise<unknown>): Promise<unknown> => {
    await admin.acl('SETUSER', 'user', `-${right}`);
    const outcome = await deed();
    await admin.acl('SETUSER', 'user', '+@all');
    await new Promise((resolve) => setTimeout(resolve, 2)); // a message that was sent is here by now
    return outcome;
  };
  const lapses = async (where: string): Promise<void> => {
    for (const key of [clockKey(''), ...keysOf('', name)])
      assert.notEqual(await admin.pttl(key), -1, `${key}, ${where}`);
  };
  const toldIsWritten = async (where: string): Promise<void> => {
    const now = await holders();
    for (const { owner } of told) assert.include(now, owner, where);
  };
  /** The name works as ever once the right is back: its holders leave, and somebody new gets it. */
  const works = async (where: string): Promise<void> => {
    for (const owner of ['a', 'b', 'c']) {
      const left = await attempt(store.release({ name, owner }, WITHIN));
      assert.notInstanceOf(left, Error, `${owner} leaves, ${where}: ${left}`);
    }
    const answer = await acquire(store, 'd', 'mutex');
    assert.include(answer as object, { granted: true }, `${where}: ${JSON.stringify(answer)}`);
    await attempt(store.release({ name, owner: 'd' }, WITHIN));
    assert.equal(await admin.exists(...keysOf('', name).slice(0, 2)), 0, where);
    await lapses(where); // a spec without a claim
  };

  for (const kind of Object.keys(KINDS)) {
    for (const right of RIGHTS) {
      it(`to ${right}, while a ${kind} is given up to who waits, tells of nothing that is not written`, async () => {
        await acquire(store, 'a', kind);
        await acquire(other, 'b', 'mutex');
        const outcome = await without(right, () => attempt(store.release({ name, owner: 'a' }, WITHIN)));
        const where = `${right}, ${kind}: ${outcome instanceof Error ? outcome.message : JSON.stringify(outcome)}`;
        await toldIsWritten(where);
        await lapses(where);
        await works(where);
      });

      it(`to ${right}, while a ${kind} is asked for, leaves nothing that does not lapse`, async () => {
        const where = `${right}, ${kind}`;
        await without(right, () => acquire(store, 'a', kind));
        await lapses(`${where}, asked for`);
        await acquire(store, 'a', kind);
        await without(right, () => acquire(other, 'b', kind === 'semaphore' ? kind : 'mutex'));
        await lapses(`${where}, waited for`);
        await toldIsWritten(where);
        await works(where);
      });
    }
  }
});

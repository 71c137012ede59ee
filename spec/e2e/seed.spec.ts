/** Everything that the Go redisync does, row by row, on a real Redis; and sharing names with a client that locks as it does. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { defer, firstValueFrom, lastValueFrom, mergeMap, NEVER, range, timer, toArray } from 'rxjs';
import { constantBackoff, LockCoordinator, type LockLostError, withLock } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';

/** What a client does that knows nothing of us: SET NX PX, and compare-and-delete. It never tells anybody. */
class PlainClient {
  private readonly redis: Redis;
  private readonly token: string;

  constructor(redis: Redis, token: string) {
    this.redis = redis;
    this.token = token;
  }

  async tryLock(name: string, ttl: number): Promise<boolean> {
    return (await this.redis.set(name, this.token, 'PX', ttl, 'NX')) === 'OK';
  }

  async unlock(name: string): Promise<boolean> {
    const script = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0";
    return (await this.redis.eval(script, 1, name, this.token)) === 1;
  }
}

describe('the Go redisync, row by row', () => {
  let server: Server;
  let redis: Redis;
  let locks: LockCoordinator;
  let plain: PlainClient;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
    locks = new LockCoordinator(redis, { ttl: 5_000, backoff: constantBackoff(20) });
    plain = new PlainClient(redis, 'their-token');
  });

  after(async () => {
    await locks.close();
    redis.disconnect();
    await server.stop();
  });

  const attempt = (name: string): Promise<string> =>
    firstValueFrom(locks.mutex(name).try(), { defaultValue: undefined }).then((lease) => (lease ? 'held' : 'busy'));

  it('NewMutex: the lock named N is the STRING N with its owner, which ends in a uuid v4, fence and ttl, and an expiry', async () => {
    const lease = await locks.mutex('wire', { ttl: 3_000 }).acquire();
    assert.equal(await redis.get('wire'), `${lease.owner} ${lease.fence} 3000`);
    assert.match(lease.owner, /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(await redis.type('wire'), 'string');
    const ttl = await redis.pttl('wire');
    assert.isTrue(ttl > 2_000 && ttl <= 3_000, `${ttl}`);
    await lease.release();
  });

  it('Lock: subscribing waits until the lock is free', async () => {
    const first = await locks.mutex('wait').acquire();
    const second = locks.mutex('wait').acquire();
    await eventually('it waits', async () => (await firstValueFrom(locks.inspect('wait'))).waiting.length === 1);
    await first.release();
    assert.isTrue(await (await second).release());
  });

  it('TryLock: try() is one attempt, which emits a lease or completes empty', async () => {
    const lease = await locks.mutex('try').acquire();
    assert.equal(await attempt('try'), 'busy');
    assert.equal(await attempt('try'), 'busy');
    await lease.release();
    assert.equal(await attempt('try'), 'held');
    await eventually('it is released', async () => !(await redis.exists('try')));
  });

  it('TryLock again with the same uuid: no second grant, and the ttl starts afresh', async () => {
    const mine = locks.mutex('again', { owner: 'me', renewEvery: 4_000 });
    const first = await mine.acquire();
    await redis.pexpire('again', 1_000);
    const second = await mine.acquire({ timeout: 0 });
    assert.equal(second.fence, first.fence);
    assert.isAbove(await redis.pttl('again'), 1_000);
    assert.lengthOf((await firstValueFrom(locks.inspect('again'))).holders, 1);
    assert.isTrue(await second.release());
    assert.isFalse(first.held, 'releasing either releases it');
    assert.equal(await redis.exists('again'), 0);
  });

  it('Unlock: release() deletes what is ours, and says so', async () => {
    const lease = await locks.mutex('unlock').acquire();
    assert.isTrue(await lease.release());
    assert.equal(await redis.exists('unlock'), 0);
  });

  it('Unlock: release() leaves what is not ours any more, and says so', async () => {
    const lease = await locks.mutex('stolen').acquire();
    await redis.set('stolen', 'another', 'PX', 5_000);
    assert.isFalse(await lease.release());
    assert.equal(await redis.get('stolen'), 'another');
  });

  it('“take care to finish before the TTL”: it is renewed by itself, and a loss cancels the work', async () => {
    const ended: string[] = [];
    const work = defer(() => NEVER);
    const subscription = work.pipe(withLock(locks.mutex('care', { ttl: 3_000, renewEvery: 100 }))).subscribe({
      error: ({ reason }: LockLostError) => ended.push(reason),
    });
    await eventually('it is held', async () => (await redis.exists('care')) === 1);
    await sleep(3_500);
    assert.equal(await redis.exists('care'), 1, 'after its ttl');
    assert.deepEqual(ended, []);
    await redis.del('care');
    await eventually('it is lost', () => ended.length === 1);
    assert.deepEqual(ended, ['taken']);
    subscription.unsubscribe();
  });

  it('“a TTL of 0.5 s leaves a key for ever”: a duration that is no integer of ms is refused, and no key is left', async () => {
    assert.throws(() => locks.mutex('half', { ttl: 0.5 }), RangeError);
    assert.throws(() => locks.mutex('half', { ttl: 500.5 }), RangeError);
    assert.equal(await redis.exists('half'), 0);
  });

  describe('beside a client that locks with SET NX PX', () => {
    it('neither gets what the other holds', async () => {
      const lease = await locks.mutex('both').acquire();
      assert.isFalse(await plain.tryLock('both', 5_000));
      await lease.release();
      assert.isTrue(await plain.tryLock('both', 5_000));
      assert.equal(await attempt('both'), 'busy');
      assert.isTrue(await plain.unlock('both'));
      assert.equal(await attempt('both'), 'held');
    });

    it('neither releases what the other holds', async () => {
      await plain.tryLock('theirs', 5_000);
      const waiting = locks.mutex('theirs').subscribe();
      await eventually('we wait', async () => (await firstValueFrom(locks.inspect('theirs'))).waiting.length === 1);
      waiting.unsubscribe();
      await eventually('we left', async () => (await firstValueFrom(locks.inspect('theirs'))).waiting.length === 0);
      assert.equal(await redis.get('theirs'), 'their-token');
      const lease = await locks.mutex('ours').acquire();
      assert.isFalse(await plain.unlock('ours'));
      assert.isTrue((await redis.get('ours'))?.startsWith(`${lease.owner} `));
      await lease.release();
    });

    it('we get it soon after its release, which nobody announces, by back-off', async () => {
      await plain.tryLock('unannounced', 180_000);
      const waiting = locks.mutex('unannounced', { waiterTtl: 180_000 }).acquire();
      await eventually(
        'we wait',
        async () => (await firstValueFrom(locks.inspect('unannounced'))).waiting.length === 1,
      );
      await plain.unlock('unannounced');
      const since = performance.now();
      const lease = await waiting;
      assert.isBelow(performance.now() - since, 60_000); // that would have been a heartbeat; the back-off is 20 ms at first
      await lease.release();
    });

    it('we get it right after its expiry if it never releases, long before a slow back-off', async () => {
      const slow = locks.mutex('expired', { backoff: constantBackoff(60_000), waiterTtl: 180_000 });
      const since = performance.now();
      await plain.tryLock('expired', 300);
      const lease = await slow.acquire();
      assert.isAtLeast(performance.now() - since, 290);
      assert.isBelow(performance.now() - since, 60_000);
      await lease.release();
    });

    it('a register that both read, think about and write back loses nothing', async () => {
      const turn = async (): Promise<void> => {
        const value = Number(await redis.get('register'));
        await sleep(1);
        await redis.set('register', value + 1);
      };
      const theirs = async (token: string): Promise<void> => {
        const client = new PlainClient(redis, token);
        for (let turns = 0; turns < 40; ) {
          if (await client.tryLock('shared', 5_000)) {
            await turn();
            await client.unlock('shared');
            turns += 1;
          }
          await sleep(2);
        }
      };
      const ours = range(0, 80).pipe(
        mergeMap(() => defer(turn).pipe(withLock(locks.mutex('shared', { backoff: constantBackoff(3) }))), 4),
        toArray(),
      );
      await Promise.all([theirs('one'), theirs('two'), lastValueFrom(ours)]);
      assert.equal(await redis.get('register'), '160');
    });

    it('the same register without locks loses updates, or the spec above would prove nothing', async () => {
      const turn = async (): Promise<void> => {
        const value = Number(await redis.get('unlocked'));
        await sleep(1);
        await redis.set('unlocked', value + 1);
      };
      await lastValueFrom(
        range(0, 80).pipe(
          mergeMap(() => defer(turn), 4),
          toArray(),
        ),
      );
      assert.isBelow(Number(await redis.get('unlocked')), 80);
    });
  });

  it('leaves nothing in Redis but the clock', async () => {
    await lastValueFrom(timer(0));
    const keys = (await redis.keys('*')).filter((key) => !/register|unlocked|stolen|theirs/.test(key));
    assert.deepEqual(
      keys.filter((key) => !key.endsWith('~redisync:clock')),
      [],
    );
    for (const key of keys) assert.isAbove(await redis.pttl(key), 0, key);
  });
});

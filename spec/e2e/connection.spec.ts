/** The connections of a coordinator on a real Redis: how many, whose rights, and what happens while they come and go. */
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { assert } from 'chai';
import { Command, Redis } from 'ioredis';
import { firstValueFrom, lastValueFrom, map, mergeMap, NEVER, range, Subscription, timer } from 'rxjs';
import {
  allOf,
  constantBackoff,
  type Lease,
  LockCoordinator,
  type LockEvent,
  RedisRefusedError,
  RedisUnreachableError,
  whileHeld,
} from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { holderAt } from '../support/holder-at.ts';
import { lived } from '../support/lateness.ts';
import { TcpProxy } from '../support/proxy.ts';
import { freePort, type Server, startServer } from '../support/server.ts';

describe('the connections of a coordinator', () => {
  let server: Server;
  let redis: Redis;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
    await redis.ping();
  });

  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  const clients = async (): Promise<string[]> =>
    String(await redis.client('LIST'))
      .trim()
      .split('\n');
  const queued = async (locks: LockCoordinator, name: string): Promise<number> =>
    (await firstValueFrom(locks.inspect(name))).waiting.length;

  it('are none before its first use, one until something waits, two from then on, and none after close()', async () => {
    const own = (await clients()).length;
    const locks = new LockCoordinator(redis);
    locks.mutex('count');
    await sleep(50);
    assert.lengthOf(await clients(), own);
    const lease = await locks.mutex('count').acquire();
    assert.lengthOf(await clients(), own + 1);
    assert.isEmpty(await lastValueFrom(locks.mutex('count').try(), { defaultValue: [] as never }));
    await Promise.all(Array.from({ length: 50 }, (_, i) => locks.mutex(`other-${i}`).acquire()));
    assert.lengthOf(await clients(), own + 1, 'a try that was denied waits for nothing');
    const waiting = locks.mutex('count').subscribe();
    await eventually('the subscriber is there', async () => (await clients()).length === own + 2);
    waiting.unsubscribe();
    await lease.release();
    await Promise.all(
      Array.from({ length: 50 }, () =>
        locks
          .mutex('count')
          .acquire()
          .then((one) => one.release()),
      ),
    );
    assert.lengthOf(await clients(), own + 2);
    await locks.close();
    await eventually('only the caller’s is left', async () => (await clients()).length === own);
    assert.equal(await redis.ping(), 'PONG', 'the caller’s own stays open');
  });

  it('honour the caller’s keyPrefix for keys, channels and what is told', async () => {
    const asBytes = Buffer.from('my app:') as never; // which ioredis takes, too
    const prefixed = redis.duplicate({ keyPrefix: asBytes });
    const [a, b] = [new LockCoordinator(prefixed), new LockCoordinator(prefixed)];
    const told: string[] = [];
    a.events$.subscribe(({ name }: LockEvent) => told.push(name));
    const lease = await a.mutex('prefixed').acquire();
    assert.equal(await holderAt(redis, 'my app:prefixed'), lease.owner);
    const waiting = b.mutex('prefixed').acquire();
    await eventually('b is heard', async () => ((await redis.pubsub('CHANNELS', 'my?app:*')) as string[]).length === 1);
    const { holders } = await firstValueFrom(a.inspect('prefixed'));
    assert.equal(holders[0]?.owner, lease.owner);
    assert.deepEqual(await firstValueFrom(a.list()), 'prefixed');
    await lease.release();
    await (await waiting).release();
    for (const key of await redis.keys('*prefixed*')) assert.match(key, /^\{?my app:/);
    assert.deepEqual([...new Set(told)], ['prefixed']);
    await Promise.all([a.close(), b.close()]);
    prefixed.disconnect();
  });

  it('read numbers as numbers, although the caller’s connection has stringNumbers', async () => {
    const spelled = new Redis(server.url, { stringNumbers: true });
    const locks = new LockCoordinator(spelled);
    try {
      const lease = await locks.mutex('spelled').acquire({ timeout: 60_000 });
      assert.isTrue(Number.isSafeInteger(lease.fence));
      const next = locks.mutex('spelled').acquire({ timeout: 60_000 });
      await eventually('it waits', async () => (await queued(locks, 'spelled')) === 1);
      assert.isTrue(await lease.release());
      assert.isTrue(await (await next).release());
    } finally {
      await locks.close();
      spelled.disconnect();
    }
  });

  it('serve locks, although the caller’s connection is a monitor', async () => {
    const watched = new Redis(server.url);
    const monitor = await watched.monitor();
    const locks = new LockCoordinator(monitor);
    try {
      assert.isTrue(await (await locks.mutex('monitored').acquire({ timeout: 60_000 })).release());
    } finally {
      await locks.close();
      for (const redis of [monitor, watched]) redis.disconnect();
    }
  });

  it('survive SCRIPT FLUSH again and again, and no error reaches anybody', async () => {
    const [a, b] = [new LockCoordinator(redis), new LockCoordinator(redis)];
    let flushing = true;
    const flush = (async () => {
      for (; flushing; await sleep(2)) await redis.script('FLUSH');
    })();
    const failures: LockEvent[] = [];
    const failed = (event: LockEvent) => /Failed|lost/.test(event.type) && failures.push(event);
    a.events$.subscribe(failed);
    b.events$.subscribe(failed);
    const turns$ = range(0, 300).pipe(
      mergeMap(
        (i) =>
          (i % 2 ? a : b).mutex(`flush-${i % 5}`, { ttl: 2_000 }).pipe(whileHeld(() => sleep(i % 37 === 0 ? 800 : 3))),
        20,
      ),
    );
    await lastValueFrom(turns$, { defaultValue: undefined });
    flushing = false;
    await flush;
    assert.deepEqual(failures, []);
    await Promise.all([a.close(), b.close()]);
  });

  it('lose nothing and grant nothing twice while they are killed again and again', async () => {
    const [a, b] = [new LockCoordinator(redis), new LockCoordinator(redis)];
    let killing = true;
    const kill = (async () => {
      for (; killing; await sleep(100)) await redis.call('CLIENT', 'KILL', 'TYPE', 'normal');
    })();
    let register = 0;
    let overlaps = 0;
    const turn = async (lease: Lease): Promise<void> => {
      const value = register;
      await sleep(1);
      if (lease.held && register !== value) overlaps += 1;
      register = value + 1;
    };
    const turns$ = range(0, 100).pipe(
      mergeMap((i) => (i % 2 ? a : b).mutex('killed', { backoff: constantBackoff(5) }).pipe(whileHeld(turn)), 20),
    );
    await lastValueFrom(turns$, { defaultValue: undefined });
    killing = false;
    await kill;
    assert.deepEqual({ register, overlaps }, { register: 100, overlaps: 0 });
    await Promise.all([a.close(), b.close()]);
  });

  it('tell waiters of their grants that joined the queue before the channel was subscribed to', async () => {
    const lasting = { ttl: 180_000, waiterTtl: 180_000 };
    const [a, b] = [new LockCoordinator(redis, lasting), new LockCoordinator(redis, lasting)];
    const lease = await a.mutex('unheard').acquire();
    const waiting = b.mutex('unheard').acquire();
    await eventually('b waits', async () => (await queued(a, 'unheard')) === 1);
    await eventually('b is heard', async () => ((await redis.pubsub('CHANNELS', 'redisync:*')) as string[]).length > 0);
    await eventually('b has asked again', async () => {
      const key = (await redis.keys('*unheard*specs'))[0] ?? '';
      return Object.values(await redis.hgetall(key)).some((spec) => spec.includes('redisync:'));
    });
    const since = performance.now();
    await lease.release();
    await (await waiting).release();
    assert.isBelow(performance.now() - since, 60_000, 'without a message it asks at its heartbeat');
    await Promise.all([a.close(), b.close()]);
  });

  it('keep the order of what one owner asks in one tick: a release, then a request again', async () => {
    const locks = new LockCoordinator(redis);
    for (let round = 0; round < 20; round += 1) {
      if (round % 2) await redis.script('FLUSH'); // the release's script is then sent twice, and the request's once
      const lease = await locks.mutex('tick', { owner: 'me' }).acquire();
      const others = [locks.mutex('tick-0').subscribe(), locks.mutex('tick-1').subscribe()];
      const released = lease.release();
      const again = locks.mutex('tick', { owner: 'me' }).acquire();
      assert.isTrue(await released);
      const next = await again;
      assert.isTrue(next.held);
      assert.equal(await holderAt(redis, 'tick'), 'me', 'a lease that is held has its key');
      await next.release();
      for (const other of others) other.unsubscribe();
    }
    await locks.close();
  });
});

describe('a coordinator without a server', () => {
  const down = async (options = {}): Promise<{ port: number; redis: Redis; locks: LockCoordinator }> => {
    const port = await freePort();
    const redis = new Redis({ port, host: '127.0.0.1', lazyConnect: true });
    redis.on('error', () => undefined);
    return { port, redis, locks: new LockCoordinator(redis, { commandTimeout: 200, ...options }) };
  };

  it('errors after commandTimeout where there is one attempt: silence is never “free”', async () => {
    const { redis, locks } = await down();
    const since = lived();
    for (const call$ of [locks.mutex('a').try(), locks.inspect('a'), locks.list(), locks.forceRelease('a')]) {
      const error = await lastValueFrom(call$ as never, { defaultValue: 'nothing' }).catch((reason) => reason);
      assert.instanceOf(error, RedisUnreachableError);
      assert.match(
        error.message,
        /^There was no connection to Redis within 200 ms( \(lock "a"\))?: connect ECONNREFUSED/,
      );
    }
    assert.isBelow(lived() - since, 4 * 200 + 100);
    await locks.close();
    redis.disconnect();
  });

  it('grants all that wait as soon as there is one, in their order of arrival, whatever their back-off', async () => {
    const server = await startServer();
    const proxy = await TcpProxy.to(server.port);
    for (const name of ['one', 'two', 'three']) {
      proxy.down();
      proxy.delay = 75; // with the scripts to load, a first answer takes half the time that there is
      const redis = new Redis({ port: proxy.port, lazyConnect: true });
      redis.on('error', () => undefined);
      const locks = new LockCoordinator(redis, { commandTimeout: 1_000 });
      const order: number[] = [];
      const failures: LockEvent[] = [];
      locks.events$.subscribe((event) => event.type === 'attemptFailed' && failures.push(event));
      const turns$ = range(0, 30).pipe(
        mergeMap((i) =>
          locks.mutex(name, { backoff: constantBackoff(i % 2 ? 60_000 : 10) }).pipe(
            whileHeld(() => {
              order.push(i);
              proxy.delay = 0;
              return [i];
            }),
          ),
        ),
      );
      const served = lastValueFrom(turns$);
      await eventually('all have failed once', () => failures.length >= 30);
      proxy.up();
      await served;
      assert.deepEqual(
        order,
        Array.from({ length: 30 }, (_, i) => i),
      );
      await locks.close();
      redis.disconnect();
    }
    await proxy.stop();
    await server.stop();
  });

  it('goes on waiting through a restart of the server that has forgotten all', async () => {
    const { port, redis, locks } = await down({ ttl: 500 });
    const other = new LockCoordinator(redis);
    let server = await startServer([], port);
    const holder = await other.mutex('restart').acquire();
    const waiting = locks.mutex('restart').acquire();
    await eventually('it waits', async () => (await firstValueFrom(other.inspect('restart'))).waiting.length === 1);
    await server.stop();
    server = await startServer([], port);
    const lease = await waiting;
    assert.isAbove(lease.fence, holder.fence, 'the fence rises though the server remembers none');
    await Promise.all([locks.close(), other.close()]);
    redis.disconnect();
    await server.stop();
  });
});

describe('an answer that a transformer of the application has changed', () => {
  it('is no answer: the attempt fails, and nothing is left', async () => {
    const server = await startServer();
    const redis = new Redis(server.port);
    const locks = new LockCoordinator(redis);
    try {
      await (await locks.mutex('a').acquire()).release();
      Command.setReplyTransformer('evalsha', () => null);
      const error = await firstValueFrom(locks.mutex('a').try()).catch((reason) => reason);
      assert.instanceOf(error, RedisUnreachableError);
      assert.match(error.message, /A command to Redis failed/); // at once, not when its time is over
    } finally {
      Reflect.deleteProperty(Reflect.get(Command, '_transformer').reply, 'evalsha');
      await locks.close();
      assert.equal(await redis.exists('a'), 0);
      redis.disconnect();
      await server.stop();
    }
  });
});

describe('a password', () => {
  const SECRET = 'correct-horse-battery';
  const WRONG = 'hunter2-hunter2';
  let server: Server;
  let admin: Redis;

  before(async () => {
    server = await startServer();
    admin = new Redis(server.url);
    await admin.config('SET', 'requirepass', SECRET);
    await admin.acl('SETUSER', 'weak', 'on', `>${SECRET}`, '~*', '&*', '+@all', '-@scripting');
  });

  after(async () => {
    admin.disconnect();
    await server.stop();
  });

  /** All that can be seen of a value, its hidden parts too. */
  const seen = (value: unknown): string => inspect(value, { depth: 20, showHidden: true }) + JSON.stringify(value);

  it('is in no log of a coordinator, a lock or a lease', async () => {
    const redis = new Redis(server.url.replace('//', `//:${SECRET}@`), { lazyConnect: true });
    await using locks = new LockCoordinator(redis);
    const lock = locks.mutex('logged');
    const lease = await lock.acquire();
    assert.notInclude([locks, lock, lock.pipe(whileHeld(() => [])), lease].map(seen).join(), SECRET);
    assert.deepInclude(JSON.parse(JSON.stringify(lease)), { name: 'logged', owner: lease.owner, held: true });
    const both = await allOf(locks.mutex('both'), locks.mutex('logged', { owner: lease.owner })).acquire();
    const during = await lastValueFrom(
      locks.mutex('work').pipe(whileHeld((held) => timer(1).pipe(map(() => seen(held))))),
    );
    assert.notInclude([both, lease].map(seen).join() + during, SECRET);
  });

  it('is in no log of a subscription that holds or waits', async () => {
    const redis = new Redis(server.url.replace('//', `//:${SECRET}@`), { lazyConnect: true });
    await using locks = new LockCoordinator(redis);
    const lock = locks.mutex('subscribed');
    const held = await new Promise<Subscription>((resolve) => {
      const subscription = new Subscription();
      subscription.add(lock.subscribe(() => resolve(subscription)));
    });
    const waiting = lock.pipe(whileHeld(() => NEVER)).subscribe();
    const shown = [held, waiting].map((one) => inspect(one, { depth: 10 })).join();
    waiting.unsubscribe();
    held.unsubscribe();
    assert.isFalse(shown.includes(SECRET)); // not assert.notInclude, which would print all of it
  });

  const refused = async (credentials: string): Promise<{ error: RedisRefusedError; ms: number }> => {
    const redis = new Redis(server.url.replace('//', `//${credentials}`), { lazyConnect: true });
    redis.on('error', () => undefined);
    const locks = new LockCoordinator(redis, { commandTimeout: 60_000, ttl: 180_000 });
    const told: unknown[] = [];
    locks.events$.subscribe((event) => told.push(event));
    const since = performance.now();
    const errors = await Promise.all([
      firstValueFrom(locks.mutex('a').try()).catch((reason) => reason),
      locks
        .mutex('a')
        .acquire()
        .catch((reason) => reason),
      firstValueFrom(locks.inspect('a')).catch((reason) => reason),
    ]);
    const ms = performance.now() - since;
    await locks.close();
    redis.disconnect();
    for (const error of errors) {
      assert.instanceOf(error, RedisRefusedError);
      assert.isFalse(error.transient);
    }
    for (const text of [seen(errors), seen(told), errors.map(({ stack }) => stack).join()]) {
      assert.notInclude(text, SECRET);
      assert.notInclude(text, WRONG);
    }
    return { error: errors[0], ms };
  };

  it('that is wrong is refused at once, with an error of its own, also while waiting, and is not shown', async () => {
    const { error, ms } = await refused(`:${WRONG}@`);
    assert.match(error.message, /WRONGPASS/);
    assert.isBelow(ms, 30_000);
  });

  it('of a user that does not exist likewise', async () => {
    const { error, ms } = await refused(`nobody:${WRONG}@`);
    assert.match(error.message, /WRONGPASS/);
    assert.isBelow(ms, 30_000);
  });

  it('that is missing likewise', async () => {
    const { error, ms } = await refused('');
    assert.match(error.message, /NOAUTH/);
    assert.isBelow(ms, 30_000);
  });

  it('of a user without the rights likewise', async () => {
    const { error, ms } = await refused(`weak:${SECRET}@`);
    assert.match(error.message, /NOPERM/);
    assert.isBelow(ms, 30_000);
  });

  it('that is right is used by both connections, and is not shown when they fail', async () => {
    const redis = new Redis(server.url.replace('//', `//:${SECRET}@`));
    const locks = new LockCoordinator(redis, { ttl: 3_000, commandTimeout: 100, backoff: constantBackoff(20) });
    const told: unknown[] = [];
    locks.events$.subscribe((event) => told.push(event));
    const lease = await locks.mutex('right').acquire();
    const waiting = locks.mutex('right').acquire();
    waiting.catch(() => undefined);
    await eventually('it waits', async () => (await firstValueFrom(locks.inspect('right'))).waiting.length === 1);
    server.process?.kill('SIGSTOP');
    await eventually('it is lost', () => !lease.held);
    server.process?.kill('SIGCONT');
    const next = await waiting;
    told.push(next);
    await locks.close();
    redis.disconnect();
    assert.include(inspect(told), 'renewalFailed');
    assert.notInclude(inspect(told, { depth: 3, showHidden: true }), SECRET);
  });
});

/** What a text on a channel says, whoever published it. */
import { assert } from 'chai';
import fc from 'fast-check';
import { Cluster, Redis } from 'ioredis';
import { createClient } from 'redis';
import { asyncScheduler, firstValueFrom } from 'rxjs';
import { LockCoordinator } from '../../src/index.ts';
import { ShardListener } from '../../src/store/shard-listener.ts';
import { messageIn, Subscriber } from '../../src/store/subscriber.ts';
import { startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { TcpProxy } from '../support/proxy.ts';
import { startServer } from '../support/server.ts';

describe('the channel of a coordinator', () => {
  it('is not that of another, also before it is heard: the scripts tell by it whose waiters are whose', () => {
    const dialling = { commandTimeout: 2_000, scheduler: asyncScheduler };
    const client = new Redis({ lazyConnect: true });
    const cluster = new Cluster([], { lazyConnect: true });
    const channels = [
      new Subscriber(client, '', dialling).channel(),
      new Subscriber(client, '', dialling).channel(),
      new ShardListener(() => cluster, '', dialling).channel('a'),
      new ShardListener(() => cluster, '', dialling).channel('a'),
    ];
    assert.lengthOf(new Set(channels), 4);
    for (const channel of channels) assert.match(channel, /^-\S+$/);
  });
});

describe('a text on the channel of a coordinator', () => {
  it('is a message when it is what the scripts publish', () => {
    assert.deepEqual(messageIn('["a","me","1764000000000000"]'), ['a', 'me', '1764000000000000']);
    assert.deepEqual(messageIn('["","",\t"7"]'), ['', '', '7']);
    assert.deepEqual(messageIn('["a","me",""]'), ['a', 'me', '']);
  });

  it('is none, and no error, when it is anything else', () => {
    const others = [
      ...['', 'hello', '{', '[', 'undefined', 'null', 'true', '7', '"a"', '{}', '[]', '[null]', '\0', '\ud800'],
      ...['["a"]', '["a","me"]', '["a","me","7","more"]', '[["a"],"me","7"]', '["a",1,"7"]', '["a","me",7]'],
      ...['["a","me","-7"]', '["a","me","1e9"]', '["a","me","0x7"]', '["a","me"," 7"]'],
      ...['["a","me","9007199254740993"]', '["a","me","7.5"]', '{"0":"a","1":"me","2":"7","length":3}'],
      `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    ];
    for (const text of others) assert.isUndefined(messageIn(text), text.slice(0, 80));
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => messageIn(text) === undefined));
  });
});

/** Asks for one lock after another, so that the second request is on its way when the channel comes to be heard. */
const crossing = async (
  others: LockCoordinator,
  locks: LockCoordinator,
  proxies: readonly TcpProxy[],
  names: readonly [string, string],
  isHeard: () => Promise<boolean>,
): Promise<void> => {
  const [first, second] = names;
  const leases = await Promise.all(names.map((name) => others.mutex(name).acquire()));
  await firstValueFrom(locks.inspect(first)); // the connection for commands is there
  const opening = proxies.map((proxy) => proxy.hold((bytes) => /subscribe/i.test(bytes.toString())));
  const waiting = [locks.mutex(first).acquire({ timeout: 15_000 })];
  const subscribing = await Promise.race(opening);
  const requests = proxies.map((proxy) => proxy.hold((bytes) => bytes.toString().includes(second)));
  waiting.push(locks.mutex(second).acquire({ timeout: 15_000 }));
  const request = await Promise.race(requests);
  subscribing.deliver();
  await eventually('the channel is heard', isHeard);
  await new Promise((resolve) => setTimeout(resolve, 100)); // and the answer to that has come
  request.deliver();
  await eventually('both wait', async () => {
    const looks = await Promise.all(names.map((name) => firstValueFrom(others.inspect(name))));
    return looks.every(({ waiting }) => waiting.length === 1);
  });
  await new Promise((resolve) => setTimeout(resolve, 200)); // it asks again meanwhile
  for (const lease of leases) await lease.release();
  for (const lease of await Promise.all(waiting)) assert.isTrue(lease.held);
};

const SLOW = { ttl: 600_000, waiterTtl: 600_000 }; // nobody asks again by himself

describe('a first wait', function () {
  this.timeout(300_000);

  it('is heard, also where its request was on its way when the channel came to be heard', async () => {
    const server = await startServer();
    const proxy = await TcpProxy.to(server.port);
    const [admin, redis] = [new Redis(server.port), new Redis({ port: proxy.port, lazyConnect: true })];
    const [others, locks] = [
      new LockCoordinator(admin, SLOW),
      new LockCoordinator(redis, { ...SLOW, commandTimeout: 10_000 }),
    ];
    try {
      await crossing(
        others,
        locks,
        [proxy],
        ['one', 'two'],
        async () => ((await admin.pubsub('CHANNELS')) as string[]).length > 0,
      );
    } finally {
      await Promise.all([others.close(), locks.close()]);
      for (const client of [admin, redis]) client.disconnect();
      await proxy.stop();
      await server.stop();
    }
  });

  it('is heard likewise in a Cluster, where another waits for a name of the same slot', async () => {
    const shards = await startCluster();
    const proxies = await Promise.all(shards.servers.map(({ port }) => TcpProxy.to(port)));
    const natMap = Object.fromEntries(
      shards.servers.map(({ port }, i) => [`127.0.0.1:${port}`, { host: '127.0.0.1', port: proxies[i]?.port ?? 0 }]),
    );
    const start = (server: { port: number } | undefined) => [{ host: '127.0.0.1', port: server?.port ?? 0 }];
    const admin = new Cluster(start(shards.servers[0]), { lazyConnect: true });
    const cluster = new Cluster(start(proxies[0]), { lazyConnect: true, natMap });
    const [others, locks] = [
      new LockCoordinator(admin, SLOW),
      new LockCoordinator(cluster, { ...SLOW, commandTimeout: 10_000 }),
    ];
    try {
      const heard = async (): Promise<boolean> => {
        const channels = await Promise.all(shards.nodes.map((node) => node.call('PUBSUB', 'SHARDCHANNELS')));
        return channels.flat().length > 0;
      };
      await crossing(others, locks, proxies, ['{slot} one', '{slot} two'], heard);
    } finally {
      await Promise.all([others.close(), locks.close()]);
      for (const client of [admin, cluster]) client.disconnect();
      await Promise.all(proxies.map((proxy) => proxy.stop()));
      await shards.stop();
    }
  });
});

describe('a connection that is listened on, and has gone deaf', function () {
  this.timeout(300_000);

  const clients = {
    ioredis: (port: number) => new Redis({ port, lazyConnect: true }),
    'node-redis': (port: number) => createClient({ url: `redis://127.0.0.1:${port}` }),
  };

  for (const [library, open] of Object.entries(clients)) {
    it(`is made anew once a waiter has asked again, by ${library}`, async () => {
      const server = await startServer();
      const proxy = await TcpProxy.to(server.port);
      const admin = new Redis(server.port);
      const others = new LockCoordinator(admin, SLOW);
      const locks = new LockCoordinator(open(proxy.port), { ...SLOW, waiterTtl: 4_500 }); // asks every 1.5 s
      const listening = async (): Promise<string[]> =>
        String(await admin.client('LIST', 'TYPE', 'PUBSUB')).match(/^id=\d+/gm) ?? [];
      try {
        const lease = await others.mutex('a').acquire();
        const waiting = locks.mutex('a').acquire({ timeout: 20_000 });
        await eventually('the channel is heard', async () => (await listening()).length === 1);
        const [deaf] = await listening();
        proxy.muteLast();
        await eventually('another is listened on', async () => (await listening()).some((id) => id !== deaf));
        await lease.release();
        await (await waiting).release();
      } finally {
        await Promise.all([others.close(), locks.close()]);
        admin.disconnect();
        await proxy.stop();
        await server.stop();
      }
    });
  }
});

/** Every command ends by its deadline, with nobody to answer it. */
import { assert } from 'chai';
import { Cluster, Redis } from 'ioredis';
import { createClient } from 'redis';
import { asyncScheduler, catchError, firstValueFrom, type Observable, timeout } from 'rxjs';
import { RedisUnreachableError } from '../../src/errors.ts';
import { type CoordinatorOptions, LockCoordinator } from '../../src/index.ts';
import type { Source } from '../../src/store/given.ts';
import { RedisStore } from '../../src/store/redis.ts';
import { spread, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { TcpProxy } from '../support/proxy.ts';
import { MASTER, startSentinels, type Watched } from '../support/sentinel.ts';
import { freePort, type Server, startServer } from '../support/server.ts';

describe('a command without an answer', () => {
  it('ends by its deadline, also if it was sent when another ended', async () => {
    const redis = new Redis({ port: await freePort(), lazyConnect: true });
    const store = new RedisStore(redis, asyncScheduler);
    const ends: unknown[] = [];
    const look = (): Observable<unknown> => store.inspect('a', 30);
    const noted = (error: unknown): Observable<unknown> => {
      ends.push(error);
      if (ends.length === 3) throw error;
      return look().pipe(catchError(noted));
    };
    await new Promise((resolve) => {
      look().pipe(catchError(noted), timeout(10_000)).subscribe({ error: resolve });
    });
    store.close();
    redis.disconnect();
    assert.lengthOf(ends, 3);
    for (const error of ends) assert.instanceOf(error, RedisUnreachableError);
  });

  it('shows that a connection is half-open, although another command has more time', async () => {
    const server = await startServer();
    const proxy = await TcpProxy.to(server.port);
    const redis = new Redis({ port: proxy.port, lazyConnect: true });
    const locks = new LockCoordinator(redis, { ttl: 2_000, renewEvery: 300, commandTimeout: 300 });
    try {
      const lease = await locks.mutex('goes on').acquire();
      proxy.mute();
      const patient = locks.mutex('patient', { commandTimeout: 20_000 }).acquire();
      assert.isTrue((await patient).held);
      assert.isTrue(lease.held);
    } finally {
      await locks.close();
      redis.disconnect();
      await proxy.stop();
      await server.stop();
    }
  });

  it('shows that a connection is half-open, although an earlier command was answered meanwhile', async () => {
    const server = await startServer();
    const proxy = await TcpProxy.to(server.port);
    const redis = new Redis({ port: proxy.port, lazyConnect: true });
    const admin = new Redis(server.port);
    const ids = async (): Promise<string[]> => String(await admin.client('LIST')).match(/^id=\d+/gm) ?? [];
    const store = new RedisStore(redis, asyncScheduler);
    const look = (name: string) => firstValueFrom(store.inspect(name, 1_500));
    try {
      await look('warm');
      const before = await ids();
      const answering = proxy.hold(() => true, 'reply');
      const first = look('first');
      const answer = await answering;
      const sending = proxy.hold(() => true);
      const second = look('second').catch((error: unknown) => error);
      const lost = await sending;
      answer.deliver();
      await first;
      lost.drop();
      assert.instanceOf(await second, RedisUnreachableError);
      const made = async () => (await ids()).some((id) => !before.includes(id));
      await eventually('there is another connection', made);
      await look('third');
    } finally {
      store.close();
      for (const client of [admin, redis]) client.disconnect();
      await proxy.stop();
      await server.stop();
    }
  });

  it('that has less time than others does not cost them their connection', async () => {
    const server = await startServer();
    const redis = new Redis(server.port);
    const locks = new LockCoordinator(redis);
    try {
      const others = await locks.mutex('other').acquire();
      const short = await locks.mutex('short', { ttl: 50 }).acquire();
      server.process?.kill('SIGSTOP');
      const single = firstValueFrom(locks.mutex('single').try());
      const releasing = others.release();
      await new Promise((resolve) => short.signal.addEventListener('abort', resolve));
      await new Promise((resolve) => setTimeout(resolve, 100)); // its release has no answer either
      server.process?.kill('SIGCONT');
      assert.equal((await single).name, 'single');
      assert.isTrue(await releasing);
    } finally {
      server.process?.kill('SIGCONT');
      await locks.close();
      redis.disconnect();
      await server.stop();
    }
  });
});

/** A path on which connections are made, and nothing is heard of any of them. */
interface Path {
  readonly server: Server;
  readonly proxy: TcpProxy;
}

const silentPath = async (): Promise<Path> => {
  const server = await startServer();
  const proxy = await TcpProxy.to(server.port);
  proxy.silent = true;
  return { server, proxy };
};

const patient = { connectTimeout: 60_000, retryStrategy: () => 60_000 };

const SOURCES: Readonly<Record<string, (ports: readonly number[]) => Source | readonly Source[]>> = {
  'a client of ioredis': ([port = 0]) => new Redis({ port, lazyConnect: true, ...patient }),
  'a client of node-redis': ([port = 0]) =>
    createClient({ socket: { host: '127.0.0.1', port, connectTimeout: 60_000, reconnectStrategy: () => 60_000 } }),
  'a quorum': (ports) => ports.map((port) => new Redis({ port, lazyConnect: true, ...patient })),
};

describe('a connection that is accepted and never answered', () => {
  for (const [kind, sourceOf] of Object.entries(SOURCES)) {
    it(`is opened anew, whatever the caller's own settings are: ${kind}`, async () => {
      const paths = await Promise.all([1, 2, 3].map(silentPath));
      const locks = new LockCoordinator(sourceOf(paths.map(({ proxy }) => proxy.port)) as Source, {
        commandTimeout: 300,
        delayedRestart: kind === 'a quorum' ? 0 : undefined,
      });
      try {
        const error = await firstValueFrom(locks.mutex('a').try()).catch((reason) => reason);
        assert.instanceOf(error, RedisUnreachableError);
        for (const { proxy } of paths) proxy.silent = false;
        assert.isTrue((await locks.mutex('a').acquire({ timeout: 10_000 })).held);
      } finally {
        await locks.close();
        await Promise.all(paths.map(({ proxy }) => proxy.stop()));
        await Promise.all(paths.map(({ server }) => server.stop()));
      }
    });
  }

  for (const kind of ['a client of ioredis', 'a client of node-redis']) {
    it(`for messages is opened anew: ${kind}`, async () => {
      const { server, proxy } = await silentPath();
      proxy.silent = false;
      const redis = new Redis(server.port);
      const others = new LockCoordinator(redis);
      const locks = new LockCoordinator(SOURCES[kind]?.([proxy.port]) as Source, {
        commandTimeout: 300,
        waiterTtl: 600_000,
        ttl: 600_000,
      });
      try {
        const lease = await others.mutex('heard').acquire();
        const answered = (): Promise<boolean> =>
          firstValueFrom(locks.inspect('heard')).then(
            () => true,
            () => false,
          );
        await eventually('the connection for commands is there', answered);
        const held = proxy.hold((bytes) => /hello|auth|info|setinfo/i.test(bytes.toString()));
        const next = locks.mutex('heard').acquire({ timeout: 15_000 });
        await held; // and is not let go
        await eventually('it is heard', async () => ((await redis.pubsub('CHANNELS')) as string[]).length === 1);
        await lease.release();
        assert.isTrue((await next).held);
      } finally {
        await Promise.all([locks.close(), others.close()]);
        redis.disconnect();
        await proxy.stop();
        await server.stop();
      }
    });
  }
});

describe('a Cluster', () => {
  it('is entered by another node if one does not answer, whatever the caller’s own timeouts are', async () => {
    const shards = await startCluster();
    const { proxy, server } = await silentPath();
    const [, second] = shards.servers;
    const nodes = [proxy.port, second?.port].map((port) => ({ host: '127.0.0.1', port: port ?? 0 }));
    try {
      for (let round = 0; round < 5; round += 1) {
        // they are asked in any order
        const cluster = new Cluster(nodes, { lazyConnect: true, slotsRefreshTimeout: 60_000 });
        const locks = new LockCoordinator(cluster);
        assert.isTrue((await locks.mutex('entered').acquire({ timeout: 10_000 })).held);
        await locks.close();
      }
    } finally {
      await proxy.stop();
      await server.stop();
      await shards.stop();
    }
  });

  it('grants again when a node answers again that was silent while its connection opened', async () => {
    const shards = await startCluster();
    const proxies = await Promise.all(shards.servers.map(({ port }) => TcpProxy.to(port)));
    const natMap = Object.fromEntries(
      shards.servers.map(({ port }, i) => [`127.0.0.1:${port}`, { host: '127.0.0.1', port: proxies[i]?.port ?? 0 }]),
    );
    const cluster = new Cluster([{ host: '127.0.0.1', port: proxies[0]?.port ?? 0 }], { lazyConnect: true, natMap });
    const locks = new LockCoordinator(cluster, { commandTimeout: 500 });
    const [other = '', name = ''] = spread('silent', 3);
    try {
      await locks.mutex(other).acquire(); // however long the Cluster takes to open
      for (const proxy of proxies.slice(1)) proxy.silent = true;
      assert.instanceOf(await firstValueFrom(locks.mutex(name).try()).catch((e) => e), RedisUnreachableError);
      for (const proxy of proxies) proxy.silent = false;
      assert.isTrue((await locks.mutex(name).acquire({ timeout: 15_000 })).held);
    } finally {
      await locks.close();
      await Promise.all(proxies.map((proxy) => proxy.stop()));
      await shards.stop();
    }
  });
});

describe('a Sentinel that does not answer', function () {
  this.timeout(300_000);
  let watched: Watched;

  before(async () => {
    watched = await startSentinels();
  });

  after(async () => {
    await watched.stop();
  });

  const coordinator = (options: CoordinatorOptions = {}): LockCoordinator => {
    const { sentinels } = watched;
    return new LockCoordinator(
      new Redis({ sentinels, name: MASTER, lazyConnect: true, sentinelRetryStrategy: () => null }),
      options,
    );
  };

  it('is passed over for the next, within the time of one command', async () => {
    watched.watchers[0]?.process?.kill('SIGSTOP');
    const locks = coordinator();
    try {
      assert.equal((await firstValueFrom(locks.mutex('first').try())).name, 'first');
    } finally {
      watched.watchers[0]?.process?.kill('SIGCONT');
      await locks.close();
    }
  });

  it('costs no lease if its connection breaks meanwhile', async () => {
    const locks = coordinator({ ttl: 4_000 });
    const node = watched.nodes[0];
    try {
      const lease = await locks.mutex('kept').acquire();
      watched.watchers[0]?.process?.kill('SIGSTOP');
      await node?.call('CLIENT', 'KILL', 'TYPE', 'normal');
      await new Promise((resolve) => setTimeout(resolve, 6_000)); // one and a half of its lives
      assert.isTrue(lease.held);
      assert.isTrue(await lease.release());
    } finally {
      watched.watchers[0]?.process?.kill('SIGCONT');
      await locks.close();
    }
  });
});

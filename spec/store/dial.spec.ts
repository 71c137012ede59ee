/** Connections of our own are as the caller's are now: in its database, with its password of today, to where it is; but for its limits. */
import { assert } from 'chai';
import { Cluster, Redis } from 'ioredis';
import { createClient } from 'redis';
import { firstValueFrom } from 'rxjs';
import { LockCoordinator, RedisRefusedError } from '../../src/index.ts';
import type { Source } from '../../src/store/given.ts';
import { spread, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';

/** A client of the caller's that is connected, in each of the two libraries. */
interface Caller {
  readonly source: Source;
  select(database: number): Promise<unknown>;
  setPassword(password: string): void;
  end(): void;
}

interface Settings {
  readonly password?: string;
  readonly database?: number;
}

const ofIoredis = async (port: number, { password, database }: Settings = {}): Promise<Caller> => {
  const redis = new Redis({
    port,
    ...(password && { password }),
    ...(database && { db: database }),
    retryStrategy: () => 20,
    commandTimeout: 100,
    socketTimeout: 100,
    connectTimeout: 100,
  });
  redis.on('error', () => undefined);
  await eventually('it is connected', () => redis.status === 'ready');
  return {
    source: redis,
    select: (database) => redis.select(database),
    setPassword: (value) => {
      redis.options.password = value;
    },
    end: () => redis.disconnect(),
  };
};

const ofNodeRedis = async (port: number, { password, database }: Settings = {}): Promise<Caller> => {
  const client = createClient({
    socket: { host: '127.0.0.1', port, reconnectStrategy: 20, connectTimeout: 100, socketTimeout: 400 },
    ...(password && { password }),
    ...(database && { database }),
    commandsQueueMaxLength: 10,
    commandOptions: { timeout: 100 },
  });
  client.on('error', () => undefined);
  const connecting = client.connect();
  if (!database || database < 16) await connecting;
  else connecting.catch(() => undefined);
  return {
    source: client,
    select: (database) => client.select(database),
    setPassword: (value) => {
      if (client.options) client.options.password = value;
    },
    end: () => client.destroy(),
  };
};

for (const [library, callerOf] of Object.entries({ ioredis: ofIoredis, 'node-redis': ofNodeRedis })) {
  describe(`a coordinator on a client of ${library}`, () => {
    let server: Server;
    let admin: Redis;

    before(async () => {
      server = await startServer();
      admin = new Redis(server.url);
      admin.on('error', () => undefined);
    });

    after(async () => {
      admin.disconnect();
      await server.stop();
    });

    it('locks in the database that the client has selected', async () => {
      const caller = await callerOf(server.port);
      await caller.select(2);
      const locks = new LockCoordinator(caller.source);
      const other = new Redis(server.port, { db: 2 });
      try {
        const lease = await locks.mutex('selected').acquire();
        assert.isNotNull(await other.get('selected'));
        assert.isNull(await admin.get('selected'));
        await caller.select(3); // the locks stay where they are
        await admin.call('CLIENT', 'KILL', 'TYPE', 'normal');
        assert.isTrue((await locks.mutex('later').acquire()).held);
        assert.isNotNull(await other.get('later'));
        assert.isTrue(lease.held);
      } finally {
        await locks.close();
        other.disconnect();
        caller.end();
      }
    });

    it('refuses to lock where its database does not exist, and takes no other', async () => {
      const caller = await callerOf(server.port, { database: 99 });
      const locks = new LockCoordinator(caller.source, { commandTimeout: 5_000 });
      try {
        const asked = [firstValueFrom(locks.mutex('nowhere').try()), locks.mutex('nowhere').acquire()];
        for (const one of asked) {
          const error = await one.catch((reason: unknown) => reason);
          assert.instanceOf(error, RedisRefusedError);
          assert.match(String(error), /DB index is out of range/);
          assert.isFalse(error.transient);
        }
        assert.equal(await admin.exists('nowhere'), 0);
      } finally {
        await locks.close();
        caller.end();
      }
    });

    it('is bound by no limit that is meant for the client’s own traffic', async () => {
      const caller = await callerOf(server.port);
      const locks = new LockCoordinator(caller.source);
      try {
        await firstValueFrom(locks.inspect('0'));
        await admin.call('CLIENT', 'PAUSE', 600, 'ALL');
        const leases = await Promise.all(
          Array.from({ length: 200 }, (_, i) => firstValueFrom(locks.mutex(`limit ${i}`).try())),
        );
        assert.lengthOf(leases, 200);
        await new Promise((resolve) => setTimeout(resolve, 600)); // longer than the client lets a socket be idle
        assert.isTrue((await locks.mutex('idle').acquire()).held);
      } finally {
        await locks.close();
        caller.end();
      }
    });

    it('logs in with the password that the client has by now', async () => {
      await admin.config('SET', 'requirepass', 'first');
      const caller = await callerOf(server.port, { password: 'first' });
      const locks = new LockCoordinator(caller.source, { ttl: 2_000, waiterTtl: 600_000 });
      try {
        const lease = await locks.mutex('rotated').acquire();
        const waiting = locks.mutex('rotated').acquire();
        await eventually('it waits', async () => (await firstValueFrom(locks.inspect('rotated'))).waiting.length === 1);
        await admin.config('SET', 'requirepass', 'second');
        caller.setPassword('second');
        await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
        await new Promise((resolve) => setTimeout(resolve, 3_000)); // one and a half of its lives
        assert.isTrue(lease.held);
        await lease.release();
        assert.isTrue((await waiting).held);
      } finally {
        await admin.config('SET', 'requirepass', '');
        await locks.close();
        caller.end();
      }
    });
  });
}

describe('a coordinator on a Cluster', function () {
  this.timeout(300_000);

  it('is refused within the time of a command where the server is none of a Cluster', async () => {
    const server = await startServer();
    const cluster = new Cluster([{ host: '127.0.0.1', port: server.port }], { lazyConnect: true });
    const locks = new LockCoordinator(cluster, { commandTimeout: 60_000, ttl: 180_000 });
    try {
      const since = performance.now();
      const error = await locks
        .mutex('none')
        .acquire()
        .catch((reason: unknown) => reason);
      assert.instanceOf(error, RedisRefusedError);
      assert.match(String(error), /cluster support disabled/);
      assert.isFalse(error.transient);
      assert.isBelow(performance.now() - since, 30_000);
    } finally {
      await locks.close();
      cluster.disconnect();
      await server.stop();
    }
  });

  it('goes where the caller’s Cluster is, also when the node that it started from has gone', async () => {
    const shards = await startCluster();
    const port = shards.servers[0]?.port ?? 0;
    const [, name = ''] = spread('gone', 3);
    const cluster = new Cluster([{ host: '127.0.0.1', port }]);
    cluster.on('error', () => undefined);
    const early = new LockCoordinator(cluster);
    const late = new LockCoordinator(cluster);
    try {
      await eventually('it is connected', () => cluster.status === 'ready');
      await (await early.mutex(name).acquire()).release();
      shards.servers[0]?.process?.kill('SIGKILL');
      await shards.succeed(0);
      await eventually('another takes its place', async () => {
        const nodes = String(await shards.nodes[1]?.cluster('NODES'));
        return nodes.split('\n').filter((line) => /master/.test(line) && !/\bfail\b/.test(line)).length === 3;
      });
      assert.equal(await cluster.exists(name), 0, 'the caller’s Cluster works');
      assert.isTrue((await late.mutex(name).acquire({ timeout: 10_000 })).held, 'one that opens now');
      for (const node of shards.nodes.slice(1))
        await node.call('CLIENT', 'KILL', 'TYPE', 'normal').catch(() => undefined);
      assert.isTrue((await early.mutex(`${name} {${name}}`).acquire({ timeout: 10_000 })).held, 'one that was open');
    } finally {
      await Promise.all([early.close(), late.close()]);
      cluster.disconnect();
      await shards.stop();
    }
  });
});

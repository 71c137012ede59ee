/** A Cluster of three masters and three replicas: names spread over it, and whatever is told stays on the shard. */
import { expect } from 'chai';
import fc from 'fast-check';
import { Cluster, Redis } from 'ioredis';
import { filter, firstValueFrom, take, toArray } from 'rxjs';
import { allOf, LockCoordinator, type Options } from '../../src/index.ts';
import { slotOf } from '../../src/store/slot.ts';
import { type Shards, spread, startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { clusterRights, rights } from '../support/rights.ts';
import { startServer } from '../support/server.ts';

const TTL = 2_000;
/** So long that neither a lapse nor a heartbeat comes before the deadline of a message: a third of it. */
const LASTING = { ttl: 180_000, waiterTtl: 180_000 };
/** ms, which only a waiter that was not told takes. */
const UNTOLD = LASTING.waiterTtl / 3;

describe('a server of a Cluster that is asked as a single Redis', function () {
  this.timeout(300_000);

  it('grants and renews locks of several slots at once, one command each', async () => {
    const server = await startServer(['--cluster-enabled', 'yes']);
    const redis = new Redis(server.port);
    const locks = new LockCoordinator(redis, { ttl: 3_000, renewEvery: 200 });
    try {
      await redis.cluster('ADDSLOTSRANGE', 0, 16_383);
      await eventually('it has all slots', async () => /cluster_state:ok/.test(String(await redis.cluster('INFO'))));
      const renewed = firstValueFrom(
        locks.events$.pipe(
          filter(({ type }) => type === 'renewed'),
          take(9),
          toArray(),
        ),
      );
      const leases = await Promise.all(['a', 'b', 'c'].map((name) => locks.mutex(name).acquire({ timeout: 60_000 })));
      await renewed;
      expect(leases.map((lease) => lease.held)).to.deep.equal([true, true, true]);
      expect(await Promise.all(leases.map((lease) => lease.release()))).to.deep.equal([true, true, true]);
    } finally {
      await locks.close();
      redis.disconnect();
      await server.stop();
    }
  });
});

describe('a Cluster', function () {
  this.timeout(300_000);
  let shards: Shards;
  const open: LockCoordinator[] = [];

  const coordinator = (options: Options = {}, keyPrefix = '', redisOptions = {}): LockCoordinator => {
    const addresses = shards.servers.map(({ port }) => ({ host: '127.0.0.1', port }));
    const cluster = new Cluster(addresses, { lazyConnect: true, keyPrefix, redisOptions });
    const locks = new LockCoordinator(cluster, { ttl: TTL, ...options });
    open.push(locks);
    return locks;
  };
  before(async () => {
    shards = await startCluster();
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map((locks) => locks.close()));
  });

  after(() => shards.stop());

  it('runs its scripts on every node from cold, many at once', async () => {
    await Promise.all(shards.nodes.slice(0, 3).map((node) => node.script('FLUSH')));
    const locks = coordinator();
    const leases = await Promise.all(
      [...spread('cold'), ...spread('cool')].map((name) => locks.mutex(name).acquire({ timeout: 60_000 })),
    );
    expect(leases.map((lease) => lease.held)).to.deep.equal(Array(6).fill(true));
    expect(await Promise.all(leases.map((lease) => lease.release()))).to.deep.equal(Array(6).fill(true));
  });

  it('takes any name: what it keeps beside the lock is in the slot of the lock', async () => {
    const locks = coordinator();
    const text = fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1 }),
      fc.string({ unit: fc.constantFrom(...'{}a') }),
    );
    await fc.assert(
      fc.asyncProperty(
        text.filter((name) => name.length > 0 && name.isWellFormed()),
        async (name) => {
          const lease = await locks.mutex(name).acquire({ timeout: 60_000 });
          expect(await lease.release()).to.equal(true);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('hands over on every shard without asking again, by a message that stays on the shard', async () => {
    const [a, b] = [coordinator(LASTING), coordinator(LASTING)];
    const names = spread('hand');
    const leases = await Promise.all(names.map((name) => a.mutex(name).acquire()));
    const waiting = names.map((name) => b.mutex(name).acquire());
    await eventually('each shard has one channel', async () => {
      const channels = await Promise.all(shards.nodes.slice(0, 3).map((node) => node.call('PUBSUB', 'SHARDCHANNELS')));
      return channels.every((list) => (list as string[]).length === 1);
    });
    for (const name of names) {
      await eventually('its waiter is registered with its channel', async () => (await channelsOf(name)).length === 1);
    }
    for (const node of shards.nodes.slice(0, 3)) {
      const [channel = ''] = (await node.call('PUBSUB', 'SHARDCHANNELS')) as string[];
      for (const noise of ['', 'null', '{}', '[1,2,3]']) await node.spublish(channel, noise);
    }
    for (const [i, lease] of leases.entries()) {
      const began = performance.now();
      await lease.release();
      const next = await waiting[i];
      expect(performance.now() - began).to.be.below(UNTOLD);
      expect(next?.fence).to.be.above(Number(lease.fence));
    }
    await Promise.all((await Promise.all(waiting)).map((lease) => lease.release()));
  });

  /** The channels that the waiters of a name are to be told on. */
  const channelsOf = async (name: string): Promise<string[]> => {
    const master = shards.nodes[Math.floor((slotOf(name) * 3) / 16_384)];
    const specs = (await master?.hvals(`{${name}}~redisync:specs`)) ?? [];
    return specs.map((spec) => spec.split(' ')[5] ?? '').filter((channel) => !channel.startsWith('-'));
  };

  it('passes a waiter over whose coordinator has gone', async () => {
    const [a, b, c] = [coordinator(LASTING), coordinator(LASTING), coordinator(LASTING)];
    const [name = ''] = spread('gone');
    const lease = await a.mutex(name).acquire();
    const left = b.mutex(name).subscribe({ error: () => undefined });
    await eventually('the first waits', async () => (await channelsOf(name)).length === 1);
    const master = shards.nodes[Math.floor((slotOf(name) * 3) / 16_384)];
    const [listener = ''] = await listenersOn(master); // the only one as yet: no order of theirs tells one from another
    const next = c.mutex(name).acquire();
    await eventually('the second waits', async () => (await channelsOf(name)).length === 2);
    expect(await listenersOn(master)).to.have.length(2);
    await master?.client('KILL', 'ID', listener);
    const began = performance.now();
    await lease.release();
    await (await next).release();
    expect(performance.now() - began).to.be.below(UNTOLD);
    left.unsubscribe();
  });

  /** The connections of this node that listen to a channel of a slot. */
  const listenersOn = async (master: Redis | undefined): Promise<string[]> => {
    const lines = String(await master?.client('LIST')).split('\n');
    return lines.filter((line) => line.includes(' ssub=1 ')).map((line) => /id=(\d+)/.exec(line)?.[1] ?? '');
  };

  /** A user of this name and password, on every node. */
  const user = (name: string, ...rules: readonly string[]): Promise<unknown> =>
    Promise.all(shards.nodes.map((node) => node.acl('SETUSER', name, 'reset', 'on', `>${name}`, ...rules)));

  it('needs no more rights than the docs list', async () => {
    await user('locks', ...rights(), ...clusterRights());
    const access = { username: 'locks', password: 'locks', disableClientInfo: true };
    const [a, b] = [coordinator({}, 'app:', access), coordinator({}, 'app:', access)];
    for (const name of spread('right')) {
      const lease = await a.mutex(name).acquire({ timeout: 60_000 });
      const next = b.mutex(name).acquire();
      await eventually('it waits', async () => (await channelsOf(`app:${name}`)).length === 1);
      await lease.release();
      await (await next).release();
    }
    expect(await firstValueFrom(a.list().pipe(toArray()))).to.deep.equal([]);
    expect(
      await firstValueFrom(
        a.diagnose().pipe(
          filter(({ code }) => code === 'ACL'),
          toArray(),
        ),
      ),
    ).to.deep.equal([]);
    expect(await Promise.all(shards.nodes.map((node) => node.acl('LOG')))).to.deep.equal(shards.nodes.map(() => []));
  });

  it('hands over by ordinary messages where sharded ones are refused', async () => {
    await user('classic', '~*', '&*', '+@all', '-ssubscribe');
    const access = { username: 'classic', password: 'classic' };
    const [a, b] = [coordinator(LASTING), coordinator(LASTING, '', access)];
    const names = spread('classic');
    const leases = await Promise.all(names.map((name) => a.mutex(name).acquire()));
    const waiting = names.map((name) => b.mutex(name).acquire());
    for (const name of names) {
      await eventually('it waits', async () => (await channelsOf(name)).some((channel) => channel.startsWith('c')));
    }
    const began = performance.now();
    for (const [i, lease] of leases.entries()) {
      await lease.release();
      await (await waiting[i])?.release();
    }
    expect(performance.now() - began).to.be.below(UNTOLD);
  });

  it('grants only what a replica of the shard has, where that is asked for', async () => {
    const locks = coordinator({ replicas: { count: 1, timeout: 200 } });
    const names = spread('copied');
    const leases = await Promise.all(names.map((name) => locks.mutex(name).acquire({ timeout: 60_000 })));
    for (const [i, lease] of leases.entries()) {
      const replica = shards.nodes[3 + i];
      await replica?.readonly();
      expect(await replica?.get(lease.name)).to.equal(`${lease.owner} ${lease.fence} ${TTL}`);
    }
    shards.servers[3]?.process?.kill('SIGSTOP');
    const [name = ''] = spread('uncopied');
    const failure = await firstValueFrom(locks.mutex(name).try()).catch((error: unknown) => error);
    shards.servers[3]?.process?.kill('SIGCONT');
    expect(failure).to.include({ code: 'NOT_REPLICATED' });
    await Promise.all(leases.map((lease) => lease.release()));
  });

  it('lists the names of all shards, takes locks of several at once, and keeps the prefix of the connection', async () => {
    const locks = coordinator({}, 'app:');
    const names = spread('many');
    const leases = await allOf(...names.map((name) => locks.mutex(name))).acquire();
    expect(await firstValueFrom(locks.list('many*').pipe(toArray()))).to.have.members(names);
    expect(await firstValueFrom(coordinator().list('app:many*').pipe(toArray()))).to.have.members(
      names.map((name) => `app:${name}`),
    );
    await Promise.all(leases.map((lease) => lease.release()));
    expect(await firstValueFrom(locks.list().pipe(toArray()))).to.deep.equal([]);
  });
});

/** A quorum of five real servers: what a majority grants is held, and a minority can neither grant nor keep anything. */
import { expect } from 'chai';
import { Cluster, Redis } from 'ioredis';
import { filter, firstValueFrom, toArray } from 'rxjs';
import { type CoordinatorOptions, constantBackoff, LockCoordinator, LockCorruptedError } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { ioredisRights, rights } from '../support/rights.ts';
import { freePort, type Server, startServer } from '../support/server.ts';

const TTL = 5_000; // a node has a twentieth of it to answer

describe('a quorum of five', () => {
  let servers: Server[];
  let redis: Redis[];
  const open: LockCoordinator[] = [];

  const coordinator = (options: CoordinatorOptions = {}): LockCoordinator => {
    const locks = new LockCoordinator(redis, { ttl: TTL, delayedRestart: 0, ...options });
    open.push(locks);
    return locks;
  };
  const stop = (...nodes: number[]): void => {
    for (const node of nodes) servers[node]?.process?.kill('SIGSTOP');
  };
  const resume = (...nodes: number[]): void => {
    for (const node of nodes) servers[node]?.process?.kill('SIGCONT');
  };
  /** Whom each node names as the holder. */
  const holdersOf = (name: string, of = redis): Promise<(string | undefined)[]> =>
    Promise.all(of.map(async (node) => (await node.get(name))?.split(' ')[0]));
  /** Opens all connections and learns the clocks, so that what is measured then is not the start. */
  const warm = async (locks: LockCoordinator, name: string): Promise<void> => {
    const lease = await locks.mutex(name).acquire();
    await eventually('all nodes have it', async () => (await holdersOf(name)).every((owner) => owner === lease.owner));
    await lease.release(); // by a majority
    await eventually('none has it', async () => (await holdersOf(name)).every((owner) => owner === undefined));
  };

  before(async () => {
    servers = await Promise.all(Array.from({ length: 5 }, () => startServer()));
    redis = servers.map(({ port }) => new Redis(port));
    for (const client of redis) client.on('error', () => undefined);
  });

  afterEach(async () => {
    resume(0, 1, 2, 3, 4);
    await Promise.all(open.splice(0).map((locks) => locks.close()));
  });

  after(async () => {
    for (const client of redis) client.disconnect();
    await Promise.all(servers.map((server) => server.stop()));
  });

  it('holds on every node, excludes others, has a fence that rises, and leaves no node with a holder', async () => {
    const [a, b] = [coordinator(), coordinator()];
    await warm(b, 'plain');
    const lease = await a.mutex('plain').acquire();
    await eventually('all nodes have it', async () =>
      (await holdersOf('plain')).every((owner) => owner === lease.owner),
    );
    expect(await firstValueFrom(b.mutex('plain').try(), { defaultValue: 'busy' })).to.equal('busy');
    expect(await holdersOf('plain')).to.deep.equal(Array(5).fill(lease.owner));
    expect(await lease.release()).to.equal(true);
    await eventually('no node has it', async () => (await holdersOf('plain')).every((owner) => owner === undefined));
    const next = await b.mutex('plain').acquire();
    expect(next.fence).to.be.above(lease.fence);
    await next.release();
  });

  it('gives no lower fence to whoever goes on with a lease in another process', async () => {
    const [a, b] = [coordinator(), coordinator()];
    for (let round = 0; round < 20; round += 1) {
      const lease = await a.mutex('baton').acquire();
      const { owner, fence } = await lease.detach();
      const next = await b.mutex('baton', { owner }).acquire();
      expect(next.owner).to.equal(owner);
      expect(next.fence).to.be.at.least(fence);
      expect(await next.release()).to.equal(true);
    }
  });

  it('grants within its bound while a node is stopped, and the slow node does not spend the validity', async () => {
    const ttl = 600_000; // of which a node may take a twentieth
    const locks = coordinator({ ttl, commandTimeout: ttl / 20 });
    await warm(locks, 'slow');
    stop(4);
    const began = performance.now();
    const lease = await locks.mutex('slow').acquire();
    expect(performance.now() - began).to.be.below(ttl / 20);
    expect(lease.remaining() + (performance.now() - began)).to.be.above(ttl * 0.9);
    await lease.release();
  });

  it('leaves nothing on a node that did not answer', async () => {
    const locks = coordinator();
    await warm(locks, 'late');
    stop(4);
    const lease = await locks.mutex('late').acquire();
    expect(await lease.release()).to.equal(true);
    resume(4);
    await locks.close();
    expect(await redis[4]?.get('late')).to.equal(null);
  });

  const heard = async (channel: string, listeners = 1): Promise<boolean> => {
    const all = await Promise.all(redis.map((node) => node.pubsub('CHANNELS', channel)));
    return all.every((channels) => (channels as string[]).length === listeners);
  };

  it('is granted soon after the message of a release, long before the back-off would ask, also with two nodes down', async () => {
    const backoff = constantBackoff(30_000);
    const long = { ttl: 60_000, waiterTtl: 60_000, backoff };
    const [a, b] = [coordinator(long), coordinator(long)];
    for (const down of [[], [3, 4]]) {
      const lease = await a.mutex('word').acquire();
      const waiting = b.mutex('word').acquire({ timeout: 20_000 });
      await eventually('the release would be heard', () => heard('redisync:free:word'));
      stop(...down);
      await lease.release();
      await (await waiting).release();
      resume(...down);
    }
    await eventually('nobody listens any more', () => heard('redisync:free:*', 0));
  });

  it('forgets a waiter that ended with a final error: the message of a release wakes the next one, and then nobody listens', async () => {
    const terms = { ttl: 60_000, waiterTtl: 60_000, backoff: constantBackoff(30_000) }; // nothing but a word wakes in time
    const [a, b] = [coordinator(terms), coordinator(terms)];
    await Promise.all(redis.map((node) => node.set('final', 'no lock')));
    const end: unknown = await b
      .mutex('final')
      .acquire()
      .catch((error: unknown) => error);
    expect(end).to.be.instanceOf(LockCorruptedError);
    await Promise.all(redis.map((node) => node.del('final')));
    const lease = await a.mutex('final').acquire();
    const denied = firstValueFrom(b.events$.pipe(filter(({ type }) => type === 'waiting')));
    const waiting = b.mutex('final').acquire({ timeout: 20_000 });
    await denied;
    await eventually('the release would be heard', () => heard('redisync:free:final'));
    await lease.release();
    await (await waiting).release();
    await eventually('nobody listens any more', () => heard('redisync:free:*', 0));
  });

  it('publishes nothing about a minority grant, so attempts at a held lock cause no others', async () => {
    const [a, b, c] = [coordinator(), coordinator({ backoff: constantBackoff(30_000) }), coordinator()];
    await redis[4]?.set('quiet', 'somebody', 'PX', 60_000);
    const lease = await a.mutex('quiet', { renewEvery: TTL - 100, ttl: TTL }).acquire();
    await redis[4]?.del('quiet');
    await eventually('the fifth node is free, and the lease is on the others', async () => {
      const owners = await holdersOf('quiet');
      return owners[4] === undefined && owners.slice(0, 4).every((owner) => owner === lease.owner);
    });
    const waiting = b.mutex('quiet').acquire();
    await eventually('it waits', () => heard('redisync:free:quiet'));
    const published = async (): Promise<number> =>
      Number(/cmdstat_publish:calls=(\d+)/.exec((await redis[4]?.info('commandstats')) ?? '')?.[1] ?? 0);
    const before = await published();
    expect(await firstValueFrom(c.mutex('quiet').try(), { defaultValue: 'busy' })).to.equal('busy');
    expect(await published()).to.equal(before);
    await lease.release();
    await (await waiting).release();
  });

  it('needs no more rights than the docs list', async () => {
    for (const node of redis) {
      await node.acl('SETUSER', 'locks', 'reset', 'on', '>pass', ...rights(), ...(await ioredisRights(node)));
      await node.acl('LOG', 'RESET');
    }
    const access = { username: 'locks', password: 'pass', keyPrefix: 'app:', lazyConnect: true };
    const of = servers.map(({ port }) => new Redis({ ...access, port }));
    const [a, b] = [0, 1].map(() => new LockCoordinator(of, { ttl: TTL, delayedRestart: 1 }));
    if (!a || !b) throw new Error('there are two');
    open.push(a, b);
    const lease = await a.mutex('right').acquire({ timeout: 60_000 });
    const waiting = b.mutex('right').acquire();
    await eventually('it waits', () => heard('app:redisync:free:right'));
    await lease.release();
    await (await waiting).release();
    const writer = await a.readWriteLock('book').write.acquire();
    await writer.downgrade();
    await writer.release();
    expect(await firstValueFrom(a.list().pipe(toArray()))).to.deep.equal([]);
    expect(await Promise.all(redis.map((node) => node.acl('LOG')))).to.deep.equal(redis.map(() => []));
  });

  it('releases what a minority granted before it answers, and between the attempts of a wait', async () => {
    const locks = coordinator({ backoff: constantBackoff(200) });
    const others = redis.slice(0, 3);
    await Promise.all(others.map((node) => node.set('minority', 'other', 'PX', TTL)));
    expect(await firstValueFrom(locks.mutex('minority').try(), { defaultValue: 'busy' })).to.equal('busy');
    expect(await holdersOf('minority')).to.deep.equal(['other', 'other', 'other', undefined, undefined]);
    const waiting = locks.mutex('minority').acquire();
    await firstValueFrom(locks.events$.pipe(filter(({ type }) => type === 'waiting')));
    expect(await holdersOf('minority')).to.deep.equal(['other', 'other', 'other', undefined, undefined]);
    await Promise.all(others.map((node) => node.del('minority')));
    await (await waiting).release();
  });

  it('settles a tie of an even number of nodes', async () => {
    const even = redis.slice(0, 4);
    const options = { ttl: TTL, delayedRestart: 0, backoff: constantBackoff(1) } as const;
    const [a, b] = [new LockCoordinator(even, options), new LockCoordinator([...even].reverse(), options)];
    open.push(a, b);
    for (let round = 0; round < 20; round += 1) {
      const both = [a, b].map(async (locks) => {
        const lease = await locks.mutex(`tie ${round}`).acquire();
        await lease.release();
      });
      await Promise.all(both);
    }
  });

  it('is shown by inspect, list and forceRelease as a majority of nodes knows it', async () => {
    const locks = coordinator();
    await redis[0]?.set('view:minority', 'somebody', 'PX', TTL);
    const lease = await locks.mutex('view:held').acquire();
    expect((await firstValueFrom(locks.inspect('view:minority'))).holders).to.deep.equal([]);
    const { holders, waiting, fence } = await firstValueFrom(locks.inspect('view:held'));
    expect(holders.map(({ owner, mode }) => [owner, mode])).to.deep.equal([[lease.owner, 'exclusive']]);
    expect([waiting, fence]).to.deep.equal([[], lease.fence]);
    expect(await firstValueFrom(locks.list('view:*').pipe(toArray()))).to.deep.equal(['view:held']);
    expect(await firstValueFrom(locks.forceRelease('view:held'))).to.equal(true);
    expect(await lease.release()).to.equal(false);
    expect(await firstValueFrom(locks.forceRelease('view:held'))).to.equal(false);
  });

  it('lets readers in together and keeps a writer out', async () => {
    const [a, b] = [coordinator(), coordinator()];
    const first = await a.readWriteLock('book').read.acquire();
    const second = await b.readWriteLock('book').read.acquire({ timeout: 60_000 });
    const { write } = b.readWriteLock('book');
    expect(await firstValueFrom(write.try(), { defaultValue: 'busy' })).to.equal('busy');
    await Promise.all([first.release(), second.release()]);
    const writer = await write.acquire({ timeout: 60_000 });
    expect(await firstValueFrom(a.readWriteLock('book').read.try(), { defaultValue: 'busy' })).to.equal('busy');
    await writer.downgrade();
    const reader = await a.readWriteLock('book').read.acquire({ timeout: 60_000 });
    expect([writer.mode, writer.held, reader.held]).to.deep.equal(['shared', true, true]);
    await Promise.all([writer.release(), reader.release()]);
  });

  it('refuses what makes no quorum', async () => {
    const of =
      (nodes: readonly Redis[], options: CoordinatorOptions = {}) =>
      () =>
        new LockCoordinator(nodes, options);
    expect(of(redis, { quorum: 2 })).to.throw(RangeError, 'quorum must be from 3 to 5, got 2');
    expect(of(redis, { quorum: 6 })).to.throw(RangeError, 'quorum must be from 3 to 5, got 6');
    expect(of(redis.slice(0, 2))).to.throw(RangeError, 'at least 3 nodes, got 2');
    const alias = new Redis({ port: Number(servers[0]?.port), db: 1, lazyConnect: true });
    expect(of([...redis, alias])).to.throw(RangeError, 'independent of each other');
    const cluster = new Cluster([await freePort()], { lazyConnect: true });
    const mixed = [...redis, cluster] as unknown as Redis[]; // what a caller without types can pass
    expect(of(mixed)).to.throw(TypeError, 'redis[5] must be a single Redis');
    expect(() => coordinator().semaphore('s', 2)).to.throw(TypeError, 'A quorum cannot count permits');
  });
});

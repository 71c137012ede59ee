/** Ours and the clients that docs/migration.md names, as they are published, on one name at once: never two that hold. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { Redisson } from 'node-redisson';
import { Semaphore } from 'redis-semaphore';
import Redlock from 'redlock';
import { firstValueFrom } from 'rxjs';
import { type AllOf, allOf, constantBackoff, type Lock, LockCoordinator, LockCorruptedError } from '../../src/index.ts';
import { type Life, longestOverlap } from '../faults/history.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';
import { PEERS, type Peer, type Release } from './peers.ts';

const TTL = 10_000;
/** How often the lock must change hands between theirs and ours before they stop. */
const CHANGES = 20;
/** Of each sort, all at once. */
const CONTENDERS = 3;

/** What two sorts of clients do to one register, turn by turn: read, think, write back. */
class Contest {
  readonly lives: Life[] = [];
  private changes = 0;
  private last: string | undefined;
  private readonly redis: Redis;
  private readonly register: string;

  constructor(redis: Redis, register: string) {
    this.redis = redis;
    this.register = register;
  }

  /** Takes turns until the lock has changed hands often enough. */
  async enter(sort: string, acquire: () => Promise<Release>): Promise<void> {
    while (this.changes < CHANGES) {
      const asked = performance.now();
      const release = await acquire();
      const granted = performance.now();
      const value = Number(await this.redis.get(this.register));
      await sleep(1);
      await this.redis.set(this.register, value + 1);
      if (this.last !== sort) this.changes += 1;
      this.last = sort;
      const about = { name: this.register, owner: sort, mode: 'exclusive', permits: 1, limit: 0, fence: 0 } as const;
      this.lives.push({ ...about, asked, granted, ended: performance.now() });
      await release();
      await sleep(Math.random() * 10); // now and then nobody of ours waits: theirs have no place in the queue
    }
  }

  async count(): Promise<number> {
    return Number(await this.redis.get(this.register));
  }
}

describe('beside the clients that docs/migration.md names', function () {
  this.timeout(300_000);
  let servers: [Server, Server, Server];
  let redis: Redis;
  let clients: Redis[];
  let locks: LockCoordinator;
  let quorum: LockCoordinator;

  before(async () => {
    servers = await Promise.all([startServer(), startServer(), startServer()]);
    redis = new Redis(servers[0].url);
    clients = [redis, new Redis(servers[1].url), new Redis(servers[2].url)];
    const options = { ttl: TTL, backoff: constantBackoff(5) };
    locks = new LockCoordinator(redis, options);
    quorum = new LockCoordinator(clients, { ...options, delayedRestart: 0 }); // they were all started right now
  });

  after(async () => {
    await Promise.all([locks.close(), quorum.close()]);
    for (const client of clients) client.disconnect();
    await Promise.all(servers.map((server) => server.stop()));
  });

  const contest = async (about: string, acquire: () => Promise<Release>, lock: Lock | AllOf): Promise<Contest> => {
    const all = new Contest(redis, `register of ${about}`);
    const contenders = Array.from({ length: CONTENDERS }, () => [
      all.enter('theirs', acquire),
      all.enter('ours', async () => {
        const leases = [await lock.acquire()].flat();
        return () => Promise.all(leases.map((lease) => lease.release()));
      }),
    ]);
    await Promise.all(contenders.flat());
    return all;
  };

  const exclusive = async (...args: Parameters<typeof contest>): Promise<void> => {
    const all = await contest(...args);
    expect(longestOverlap(all.lives)).to.equal(0);
    expect(await all.count()).to.equal(all.lives.length);
  };

  const attempt = (peer: Peer, name: string, on = [redis]): Promise<Release | undefined> =>
    peer.acquire(on, name, TTL, false).catch(() => undefined);

  /** By single attempts: what redlock 5 got from a minority it gives back after its last one only. */
  const insist = async (peer: Peer, name: string): Promise<Release> => {
    for (;;) {
      const release = await attempt(peer, name, clients);
      if (release) return release;
      await sleep(Math.random() * 10);
    }
  };

  for (const peer of PEERS) {
    describe(peer.name, () => {
      it('is kept out by what we hold, and let in by our release', async () => {
        const lease = await locks.mutex(peer.nameHere('out')).acquire();
        expect(await attempt(peer, 'out')).to.equal(undefined);
        expect(await lease.release()).to.equal(true);
        const release = await attempt(peer, 'out');
        expect(release).not.to.equal(undefined);
        await release?.();
      });

      it('keeps us out while it holds, and lets us in by its release', async () => {
        const release = await peer.acquire([redis], 'in', TTL, true);
        const lock = locks.mutex(peer.nameHere('in'));
        expect(await firstValueFrom(lock.try(), { defaultValue: 'busy' })).to.equal('busy');
        const waiting = lock.acquire();
        await eventually('we wait', async () => {
          return (await firstValueFrom(locks.inspect(lock.name))).waiting.length === 1;
        });
        await release();
        expect(await (await waiting).release()).to.equal(true);
      });

      it('never holds while we do, nor we while it does, with several of each at it', async () => {
        const lock = locks.mutex(peer.nameHere('shared'));
        await exclusive(peer.name, () => peer.acquire([redis], 'shared', TTL, true), lock);
      });

      if (peer.quorum) {
        it('never holds while we do on a quorum of three servers that both use', async () => {
          const lock = quorum.mutex(peer.nameHere('quorum'));
          await exclusive(`${peer.name} on a quorum`, () => insist(peer, 'quorum'), lock);
        });
      }
    });
  }

  it('whoever renews keeps the others out for longer than a ttl, they us and we them', async () => {
    const ttl = 3_000; // longer than any stall of a busy machine
    const theirs = PEERS.filter(({ renews }) => renews);
    const releases = await Promise.all(theirs.map((peer) => peer.acquire([redis], 'theirs', ttl, true)));
    const leases = await Promise.all(
      PEERS.map((peer) => locks.mutex(peer.nameHere(`ours beside ${peer.name}`), { ttl, renewEvery: 200 }).acquire()),
    );
    for (const until = performance.now() + 1.3 * ttl; performance.now() < until; await sleep(20)) {
      for (const peer of PEERS) expect(await attempt(peer, `ours beside ${peer.name}`)).to.equal(undefined);
      for (const peer of theirs) {
        const tried = locks.mutex(peer.nameHere('theirs')).try();
        expect(await firstValueFrom(tried, { defaultValue: 'busy' })).to.equal('busy');
      }
    }
    expect(await Promise.all(leases.map((lease) => lease.release()))).to.deep.equal(PEERS.map(() => true));
    await Promise.all(releases.map((release) => release()));
  });

  it('a client without a place in our queue gets in when none of ours waits, and not before', async () => {
    const [peer] = PEERS;
    const lock = locks.mutex(peer.nameHere('queued'));
    const first = await lock.acquire();
    const second = lock.acquire();
    await eventually('we wait', async () => {
      return (await firstValueFrom(locks.inspect(lock.name))).waiting.length === 1;
    });
    await first.release();
    expect(await attempt(peer, 'queued')).to.equal(undefined);
    await (await second).release();
    const release = await attempt(peer, 'queued');
    expect(release).not.to.equal(undefined);
    await release?.();
  });

  it('redlock’s lock on two names and our allOf of them are never held at once', async () => {
    const redlock = new Redlock([redis], { retryCount: -1, retryDelay: 5, retryJitter: 2 });
    redlock.on('error', () => undefined);
    const theirs = async (): Promise<Release> => {
      const lock = await redlock.acquire(['two:b', 'two:a'], TTL);
      return () => lock.release();
    };
    await exclusive('two names', theirs, allOf(locks.mutex('two:a'), locks.mutex('two:b')));
  });

  it('under names that differ both hold at once, or none of this would prove anything', async () => {
    const [peer] = PEERS;
    const theirs = (): Promise<Release> => attempt(peer, 'here').then((release) => release ?? theirs());
    const all = await contest('names that differ', theirs, locks.mutex('there'));
    expect(longestOverlap(all.lives)).to.be.above(0);
    expect(await all.count()).to.be.below(all.lives.length);
  });

  const refusal = (lock: Lock): Promise<unknown> => lock.acquire({ timeout: 5_000 }).catch((error: unknown) => error);

  it('redis-semaphore’s Semaphore is no lock of ours: its key is left alone', async () => {
    const theirs = new Semaphore(redis, 'permits', 2, { lockTimeout: TTL });
    await theirs.acquire();
    expect(await refusal(locks.semaphore('semaphore:permits', 2))).to.be.instanceOf(LockCorruptedError);
    expect(await redis.zcard('semaphore:permits')).to.equal(1);
    await theirs.release();
  });

  it('node-redisson’s lock is none of ours: its key is left alone', async () => {
    const redisson = new Redisson({ redis: { options: { host: '127.0.0.1', port: servers[0].port } } });
    const theirs = redisson.getLock('hash');
    await theirs.lock();
    expect(await refusal(locks.mutex('hash'))).to.be.instanceOf(LockCorruptedError);
    expect(await redis.type('hash')).to.equal('hash');
    await theirs.unlock();
    await redisson.quit();
  });
});

/** A master that Sentinels replace, planned or dead, under load: who loses is told, who waits goes on waiting, tokens rise. */
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { filter, firstValueFrom } from 'rxjs';
import { LockCoordinator, type Options } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { MASTER, startSentinels, type Watched } from '../support/sentinel.ts';

const TTL = 2_000;
const RENEWAL = 600;
const TIMEOUT = 500;

describe('a master behind Sentinels', function () {
  this.timeout(60_000);
  let watched: Watched;
  const open: LockCoordinator[] = [];

  const coordinator = (options: Options = {}): LockCoordinator => {
    const redis = new Redis({ sentinels: watched.sentinels, name: MASTER, lazyConnect: true });
    const locks = new LockCoordinator(redis, { ttl: TTL, renewEvery: RENEWAL, commandTimeout: TIMEOUT, ...options });
    open.push(locks);
    return locks;
  };

  before(async () => {
    watched = await startSentinels();
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map((locks) => locks.close()));
  });

  after(() => watched.stop());

  /** Everyone takes the lock, again and again; what is held in two places at once is measured. */
  const load = (name: string, crowd: readonly LockCoordinator[]) => {
    const held: { fence: number; from: number; to: number }[] = [];
    const losses: unknown[] = [];
    let stopped = false;
    const done = crowd.map(async (locks) => {
      while (!stopped) {
        const lease = await locks.mutex(name).acquire();
        const from = performance.now();
        await new Promise((resolve) => setTimeout(resolve, 5));
        const to = lease.held ? performance.now() : from;
        held.push({ fence: Number(lease.fence), from, to });
        if (!(await lease.release())) losses.push(lease.signal.reason);
      }
    });
    return {
      held,
      losses,
      stop: async () => {
        stopped = true;
        await Promise.all(done);
      },
    };
  };

  it('is changed twice by plan under load: holders overlap by a renewal and a timeout at most, and tokens tell them apart', async () => {
    const work = load('planned', [coordinator(), coordinator(), coordinator()]);
    for (let i = 0; i < 2; i += 1) {
      const before = work.held.length;
      await eventually('the load runs', () => work.held.length > before + 20);
      await watched.failover();
    }
    const before = work.held.length;
    await eventually('the load runs on', () => work.held.length > before + 20);
    await work.stop();
    const inOrder = [...work.held].sort((a, b) => a.fence - b.fence);
    const overlaps = inOrder.map(({ from }, i) => Math.max(0, (inOrder[i - 1]?.to ?? 0) - from));
    expect(Math.max(...overlaps)).to.be.below(RENEWAL + TIMEOUT);
    const master = watched.nodes[await watched.master()];
    await eventually('nothing is left', async () => (await master?.exists('planned')) === 0, TTL + 1_000);
  });

  it('dies, cut off from its replicas: the holder learns of it within a renewal and a timeout, the next token is higher', async () => {
    const [locks, other] = [coordinator(), coordinator()];
    const old = await watched.master();
    await locks.mutex('warm').acquire();
    await Promise.all(
      watched.nodes.filter((_, i) => i !== old).map((node) => node.config('SET', 'masterauth', 'none')),
    );
    await watched.nodes[old]?.client('KILL', 'TYPE', 'REPLICA'); // they do not come back with a password that is refused
    const lease = await locks.mutex('cut').acquire();
    const waiter = other.mutex('cut').acquire();
    await firstValueFrom(other.watch('cut').pipe(filter(({ waiting }) => waiting.length === 1)));
    const lost = new Promise<number>((resolve) => {
      lease.signal.addEventListener('abort', () => resolve(performance.now()));
    });
    const copies = await Promise.all(watched.nodes.map((node) => node.get('cut')));
    expect(copies.filter((owner) => owner !== null)).to.have.length(1);
    watched.servers[old]?.process?.kill('SIGKILL');
    const next = await waiter;
    const granted = performance.now();
    expect((await lost) - granted).to.be.below(RENEWAL + TIMEOUT);
    expect(lease.signal.reason).to.include({ code: 'LOCK_LOST' });
    expect(next.fence).to.be.above(Number(lease.fence));
    await next.release();
  });
});

/** A master that Sentinels replace, planned or dead, under load: who loses is told, who waits goes on waiting, tokens rise. */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { filter, firstValueFrom } from 'rxjs';
import { LockCoordinator, LockLostError, type Options } from '../../src/index.ts';
import { type Life, violations } from '../faults/history.ts';
import { acquired, Recorder, Register } from '../faults/recorder.ts';
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

  it('is changed by plan: who held the lock goes over with everybody else, though the old master goes on for a while', async () => {
    const locks = coordinator();
    const lease = await locks.mutex('moved').acquire();
    const old = await watched.master();
    await watched.failover();
    let granted = Number.POSITIVE_INFINITY;
    const next = coordinator()
      .mutex('moved')
      .acquire()
      .finally(() => {
        granted = performance.now();
      });
    const end = new Promise<number>((resolve) => {
      lease.signal.addEventListener('abort', () => resolve(performance.now()));
    });
    await new Promise((resolve) => setTimeout(resolve, 2 * TTL)); // longer than what was replicated of it lasts
    expect(await watched.nodes[old]?.info('replication'), 'the old master').to.include('role:master');
    if (lease.held) await lease.release();
    const { fence } = await next;
    expect((await end) - granted).to.be.below(RENEWAL + TIMEOUT);
    expect(fence).to.be.above(Number(lease.fence));
  });

  it('is changed by plan twenty times under load: no two hold for longer than a renewal and a timeout, no update is lost', async function () {
    this.timeout(120_000);
    await watched.hurry();
    const lives = new Map<string, Life>();
    const register = new Register();
    const failures: unknown[] = [];
    let stopped = false;
    let clients = 0;
    /** Takes the lock again and again, for a moment or across renewals. */
    const client = async (name: string, ms: number, leaving: () => boolean): Promise<void> => {
      const locks = coordinator({ waiterTtl: 1_000 }); // so long does a new master keep places that are no longer wanted
      clients += 1;
      const recorder = new Recorder(locks, `client${clients}`, (life) => {
        lives.set(life.owner, { ...life, passable: true }); // a new master may not know of a place in the queue
      });
      while (!stopped && !leaving()) {
        try {
          const lease = await acquired(recorder.mutex(name));
          if (name === 'short') await register.turn(lease, () => sleep(ms));
          else await sleep(ms);
          await lease.release();
        } catch (error) {
          if (!(error instanceof LockLostError)) failures.push(error);
        }
      }
      await locks.close();
    };
    const running = ['short', 'short', 'short'].map((name) => client(name, 25, () => false));
    running.push(...['long', 'long'].map((name) => client(name, 1_500, () => false)));
    for (let round = 0; round < 20; round += 1) {
      const before = register.turns.length;
      await eventually('the load runs', () => register.turns.length > before + 20);
      await watched.failover();
      for (const name of ['short', 'long']) {
        const till = performance.now() + 2_000;
        running.push(client(name, name === 'short' ? 25 : 1_500, () => performance.now() > till)); // knows only the new master
      }
    }
    const before = register.turns.length;
    await eventually('the load runs on', () => register.turns.length > before + 20);
    stopped = true;
    await Promise.all(running);
    expect(failures).to.deep.equal([]);
    const history = { lives: [...lives.values()], turns: register.turns, value: register.value };
    expect(violations(history, { overlap: RENEWAL + TIMEOUT })).to.deep.equal([]);
    const master = watched.nodes[await watched.master()];
    const left = async (): Promise<string[]> =>
      ((await master?.keys('*')) ?? []).filter((key) => /short|long/.test(key) && !key.endsWith('~redisync:last'));
    await eventually('nothing is left', async () => (await left()).length === 0, TTL + 1_000);
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

/** A master with a replica that can be stopped: with `replicas`, a lease counts only once the replica has it. */
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { firstValueFrom } from 'rxjs';
import { LockCoordinator, type Options } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { holderAt } from '../support/holder-at.ts';
import { type Server, startServer } from '../support/server.ts';

const REPLICAS = { count: 1, timeout: 100 };

describe('a lease that a replica must have', () => {
  let master: Server;
  let replica: Server;
  let redis: Redis;
  let copy: Redis;
  const open: LockCoordinator[] = [];

  const coordinator = (options: Options = {}): LockCoordinator => {
    const locks = new LockCoordinator(redis, { ttl: 2_000, replicas: REPLICAS, ...options });
    open.push(locks);
    return locks;
  };
  const stop = (): boolean | undefined => replica.process?.kill('SIGSTOP');
  const resume = (): boolean | undefined => replica.process?.kill('SIGCONT');
  const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => undefined,
      (error: unknown) => error,
    );

  before(async () => {
    master = await startServer(['--repl-diskless-sync-delay', '0']);
    replica = await startServer(['--replicaof', '127.0.0.1', `${master.port}`]);
    redis = new Redis(master.port);
    copy = new Redis(replica.port);
    await eventually('the replica follows', async () =>
      (await copy.info('replication')).includes('master_link_status:up'),
    );
  });

  afterEach(async () => {
    resume();
    await Promise.all(open.splice(0).map((locks) => locks.close()));
  });

  after(async () => {
    redis.disconnect();
    copy.disconnect();
    await Promise.all([master.stop(), replica.stop()]);
  });

  it('is on the replica when it is emitted, and when it was renewed', async () => {
    const lease = await coordinator().mutex('both').acquire();
    expect(await holderAt(copy, 'both')).to.equal(lease.owner);
    await lease.renew(10_000);
    expect(await copy.pttl('both')).to.be.above(5_000);
    expect(await lease.release()).to.equal(true);
  });

  it('is not emitted after a hand-over until the replica has it', async () => {
    const [first, second] = [new LockCoordinator(redis, { ttl: 2_000 }), coordinator()];
    open.push(first);
    const lease = await first.mutex('handed').acquire();
    let emitted = false;
    const next = second
      .mutex('handed')
      .acquire()
      .then((handed) => {
        emitted = true;
        return handed;
      });
    await eventually('it waits', async () =>
      (await redis.hvals('{handed}~redisync:specs')).some((s) => s.includes(' p')),
    );
    stop();
    await lease.release();
    const failed = firstValueFrom(second.events$);
    await failed;
    expect(emitted).to.equal(false);
    resume();
    const { owner } = await next;
    expect(await holderAt(copy, 'handed')).to.equal(owner);
  });

  it('does not end, as it was not confirmed, what its owner has got in another process since it lapsed', async () => {
    const first = coordinator({ ttl: 300, replicas: { count: 1, timeout: 1_500 } });
    await (await first.mutex('warm').acquire()).release();
    stop();
    const failed = failureOf(firstValueFrom(first.mutex('again', { owner: 'me' }).try()));
    await eventually('it is granted', async () => (await redis.exists('again')) === 1);
    await eventually('it has lapsed', async () => (await redis.exists('again')) === 0);
    const second = new LockCoordinator(redis, { ttl: 10_000 });
    open.push(second);
    const lease = await second.mutex('again', { owner: 'me' }).acquire();
    expect(await failed).to.include({ code: 'NOT_REPLICATED' });
    expect(await redis.get('again')).to.include(`me ${lease.fence} `);
  });

  it('is not taken for confirmed by another connection than the one that wrote', async () => {
    const locks = coordinator({ ttl: 180_000, replicas: { count: 1, timeout: 60_000 }, commandTimeout: 60_000 });
    await (await locks.mutex('warm').acquire()).release();
    stop();
    const attempt = failureOf(firstValueFrom(locks.mutex('cut').try()));
    let waiting: string | undefined;
    await eventually('it waits for the replica', async () => {
      const list = String(await redis.client('LIST'));
      waiting = /id=(\d+) .*cmd=wait/.exec(list.split('\n').find((line) => line.includes('cmd=wait')) ?? '')?.[1];
      return waiting !== undefined;
    });
    const killed = performance.now();
    await redis.client('KILL', 'ID', waiting ?? '');
    resume();
    expect(await attempt).to.include({ code: 'REDIS_UNREACHABLE' });
    expect(performance.now() - killed).to.be.below(30_000);
    await locks.close();
    expect(await redis.exists('cut')).to.equal(0);
  });

  it('refuses terms that could not be kept', () => {
    const of = (replicas: Options['replicas']) => () => coordinator({ ...(replicas && { replicas }) });
    expect(of({ count: 0, timeout: 100 })).to.throw(RangeError, 'replicas.count must be from 1');
    expect(of({ count: 1, timeout: 0 })).to.throw(RangeError, 'replicas.timeout (ms) must be from 1 to 2000');
    expect(of({ count: 1, timeout: 3_000 })).to.throw(RangeError, 'replicas.timeout (ms) must be from 1 to 2000');
  });
});

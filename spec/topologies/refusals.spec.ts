/** A master that refuses to write, because it lost its replicas or its role: a definite failure, and over when the master is back. */
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { filter, firstValueFrom } from 'rxjs';
import { LockCoordinator, RedisRefusedError } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';

describe('a master that refuses to write', () => {
  let master: Server;
  let replica: Server;
  let redis: Redis;
  const open: LockCoordinator[] = [];

  const coordinator = (): LockCoordinator => {
    const locks = new LockCoordinator(redis, { ttl: 2_000, renewEvery: 300, commandTimeout: 500 });
    open.push(locks);
    return locks;
  };
  const failureOf = (promise: Promise<unknown>): Promise<Error | undefined> =>
    promise.then(
      () => undefined,
      (error: Error) => error,
    );

  before(async () => {
    master = await startServer(['--repl-diskless-sync-delay', '0']);
    replica = await startServer(['--replicaof', '127.0.0.1', `${master.port}`]);
    redis = new Redis(master.port);
    await eventually('the replica follows', async () => (await redis.info('replication')).includes('state=online'));
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map((locks) => locks.close()));
  });

  after(async () => {
    redis.disconnect();
    await Promise.all([master.stop(), replica.stop()]);
  });

  it('for want of replicas grants nothing, loses a lease by its deadline, and takes the next when they are back', async () => {
    await redis.config('SET', 'min-replicas-to-write', 1, 'min-replicas-max-lag', 1);
    const locks = coordinator();
    const lease = await locks.mutex('min').acquire({ timeout: 5_000 });
    const renewals = firstValueFrom(locks.events$.pipe(filter(({ type }) => type === 'renewalFailed')));
    const lost = new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
    replica.process?.kill('SIGSTOP');
    const event = await renewals;
    expect(event.type === 'renewalFailed' && event.error.message).to.contain('NOREPLICAS');
    const error = await failureOf(firstValueFrom(coordinator().mutex('other').try()));
    expect(error).to.be.instanceOf(RedisRefusedError).and.include({ transient: true });
    await lost;
    expect(lease.signal.reason).to.include({ code: 'LOCK_LOST', reason: 'unreachable' });
    expect(await lease.release()).to.equal(false);
    const waiting = locks.mutex('min').acquire();
    replica.process?.kill('SIGCONT');
    expect((await waiting).fence).to.be.above(Number(lease.fence));
    await redis.config('SET', 'min-replicas-to-write', 0);
  });

  it('for being a replica now fails at once, on the same lease too, and is used again when it is master', async () => {
    const locks = coordinator();
    const lease = await locks.mutex('role').acquire({ timeout: 5_000 });
    await redis.replicaof('127.0.0.1', 1);
    const error = await failureOf(lease.renew());
    expect(error?.message).to.match(/READONLY|connection/i);
    const attempt = await failureOf(firstValueFrom(coordinator().mutex('role too').try()));
    expect(attempt)
      .to.have.property('code')
      .that.matches(/^REDIS_(?:REFUSED|UNREACHABLE)$/);
    await redis.replicaof('NO', 'ONE');
    await eventually('it is renewed again', async () => (await failureOf(lease.renew())) === undefined, 1_500);
    expect(await lease.release()).to.equal(true);
  });
});

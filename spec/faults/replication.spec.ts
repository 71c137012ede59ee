/** A master that refuses to write, because it lost its replica or its role, and one whose replica does not confirm. */
import { assert } from 'chai';
import { firstValueFrom } from 'rxjs';
import { NotReplicatedError } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { holderAt } from '../support/holder-at.ts';
import { lived, STEP } from '../support/lateness.ts';
import { on, replicated, TIMEOUT, TTL } from './grounds.ts';
import { acquired, loss } from './recorder.ts';
import { SLACK } from './site.ts';

/** Its connection may take long to open. */
const PATIENT = { ttl: 30_000, commandTimeout: 30_000 };

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error) => error,
  );

describe('a master that refuses to write', function () {
  this.timeout(300_000);

  it(
    'for want of replicas grants nothing, loses a lease by its deadline, and grants again when they are back',
    on(replicated, async (site, { replica }) => {
      await site.redis.config('SET', 'min-replicas-to-write', 1);
      await site.redis.config('SET', 'min-replicas-max-lag', 1);
      const client = site.client();
      const lease = await acquired(client.mutex('min'));
      const lost = loss(lease);
      replica.process?.kill('SIGSTOP');
      await eventually('a renewal is refused', () => site.failures.length > 0);
      const refused = lived();
      const [event] = site.failures;
      assert.match(event?.type === 'renewalFailed' ? event.error.message : '', /NOREPLICAS/);
      const error = await failureOf(firstValueFrom(site.client(PATIENT).tryMutex('other')));
      assert.include(error, { code: 'REDIS_REFUSED', transient: true });
      const { reason, at } = await lost;
      assert.equal(reason, 'unreachable');
      assert.isAtMost(at - refused, TTL + STEP);
      assert.isFalse(await lease.release());
      const waiting = acquired(client.mutex('min'));
      replica.process?.kill('SIGCONT');
      assert.isAbove(Number((await waiting).fence), Number(lease.fence));
    }),
  );

  it(
    'for want of replicas resolves a release to false within commandTimeout, and the lease lapses',
    on(replicated, async (site, { replica }) => {
      await site.redis.config('SET', 'min-replicas-to-write', 1);
      await site.redis.config('SET', 'min-replicas-max-lag', 1);
      const lease = await acquired(site.client({ renewEvery: 300 }).mutex('leaving'));
      replica.process?.kill('SIGSTOP');
      await eventually('a renewal is refused', () => site.failures.length > 0);
      const since = lived();
      assert.isFalse(await lease.release());
      assert.isAtMost(lived() - since, TIMEOUT + SLACK);
    }),
  );

  it(
    'because it is a replica now fails at once, also renewals, and is used again when it is the master',
    on(replicated, async (site) => {
      const lease = await acquired(site.client({ ttl: 10 * TTL }).mutex('role'));
      await site.redis.replicaof('127.0.0.1', 1);
      const error = await failureOf(lease.renew());
      assert.match(error.message, /READONLY|connection/i);
      const attempt = await failureOf(firstValueFrom(site.client().tryMutex('role too')));
      assert.match(attempt.code, /^REDIS_(?:REFUSED|UNREACHABLE)$/);
      await site.redis.replicaof('NO', 'ONE');
      await eventually('it is renewed again', async () => (await failureOf(lease.renew())) === undefined);
      assert.isTrue(await lease.release());
    }),
  );
});

describe('a replica that must have a lease, and is stopped', function () {
  this.timeout(300_000);
  const replicas = { count: 1, timeout: 100 };

  it(
    'makes a single attempt fail within commandTimeout, and what was written is released',
    on(replicated, async (site, { replica }) => {
      const client = site.client({ replicas });
      await (await acquired(client.mutex('warm'))).release();
      replica.process?.kill('SIGSTOP');
      const since = lived();
      const error = await failureOf(firstValueFrom(client.tryMutex('single')));
      assert.isAtMost(lived() - since, replicas.timeout + SLACK);
      assert.include(error, { code: 'NOT_REPLICATED' });
      assert.equal(
        error.message,
        'Only 0 of 1 replicas confirmed the lease on "single"; check the replicas, or lower replicas.count',
      );
      assert.equal(await site.redis.exists('single'), 0);
      const late = await failureOf(client.locks.mutex('single').acquire({ timeout: 2_000 }));
      assert.include(late, { code: 'LOCK_TIMEOUT' });
      await client.locks.close();
      assert.equal(await site.redis.exists('single'), 0);
    }),
  );

  it(
    'is waited for until it is back',
    on(replicated, async (site, { replica, nodes }) => {
      replica.process?.kill('SIGSTOP');
      const waiting = acquired(site.client({ replicas }).mutex('later'));
      await eventually('an attempt has failed', () => site.failures.length > 0);
      const [event] = site.failures;
      assert.instanceOf(event?.type === 'attemptFailed' && event.error, NotReplicatedError);
      replica.process?.kill('SIGCONT');
      const lease = await waiting;
      assert.equal(await holderAt(nodes[1], 'later'), lease.owner);
    }),
  );

  it(
    'loses a lease by its deadline, for its renewals are not confirmed',
    on(replicated, async (site, { replica }) => {
      const lease = await acquired(site.client({ replicas, ttl: TTL, renewEvery: 300 }).mutex('lost'));
      const lost = loss(lease);
      const since = lived();
      replica.process?.kill('SIGSTOP');
      const { reason, at } = await lost;
      assert.equal(reason, 'unreachable');
      assert.isAtMost(at - since, TTL + STEP);
      const event = site.failures.find(({ type }) => type === 'renewalFailed'); // to take it can have failed at first, too
      assert.instanceOf(event?.type === 'renewalFailed' && event.error, NotReplicatedError);
    }),
  );
});

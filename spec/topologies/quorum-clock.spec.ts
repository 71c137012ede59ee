/** A quorum, one of whose nodes has a clock that steps: alone it breaks nothing; by a shim, skipped where that cannot be compiled. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { LockCoordinator, LockTimeoutError } from '../../src/index.ts';
import { clockShim } from '../faults/shim.ts';
import { eventually } from '../support/eventually.ts';
import { TcpProxy } from '../support/proxy.ts';
import { type Server, startServer } from '../support/server.ts';

const TTL = 2_000;
const RENEWAL = 600;
const TIMEOUT = 500;
/** The longest back-off, which is when who waits looks again. */
const LOOK = 1_000;
/** How late a busy machine may be at anything. */
const SLACK = 750;

describe('a quorum of three, one of which has a clock that steps', function () {
  this.timeout(30_000);
  const shim = clockShim();
  if (typeof shim === 'string') {
    it.skip(`is not tried: ${shim}`);
    return;
  }
  let servers: Server[];
  let redis: Redis[];
  const stops: (() => unknown)[] = [];

  const coordinator = (nodes: readonly Redis[] = redis): LockCoordinator => {
    const options = { ttl: TTL, renewEvery: RENEWAL, commandTimeout: TIMEOUT, delayedRestart: 0 };
    const locks = new LockCoordinator(nodes, options);
    stops.push(() => locks.close());
    return locks;
  };
  /** Opens all connections and learns the clocks. */
  const warm = async (locks: LockCoordinator): Promise<void> => {
    await (await locks.mutex('warm').acquire()).release();
  };
  const holders = (name: string): Promise<(string | null)[]> => Promise.all(redis.map((node) => node.get(name)));

  beforeEach(async () => {
    shim.shift(0);
    servers = await Promise.all([shim.start(), startServer(), startServer()]);
    redis = servers.map(({ port }) => new Redis(port));
    for (const client of redis) client.on('error', () => undefined);
  });

  afterEach(async () => {
    for (const { process } of servers) process?.kill('SIGCONT');
    await Promise.all(stops.splice(0).map((stop) => stop()));
    for (const client of redis) client.disconnect();
    await Promise.all(servers.map((server) => server.stop()));
  });

  after(shim.remove);

  it('a minute ahead lets nobody else in while the others remember the lease, which is renewed and released', async () => {
    const [a, b] = [coordinator(), coordinator()];
    await Promise.all([warm(a), warm(b)]);
    const lease = await a.mutex('ahead').acquire();
    shim.shift(60);
    await eventually('the node has forgotten it', async () => (await holders('ahead'))[0] === null);
    const refused = await b
      .mutex('ahead')
      .acquire({ timeout: TTL })
      .catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(LockTimeoutError);
    expect([lease.held, await lease.release()]).to.deep.equal([true, true]);
    const next = await b.mutex('ahead').acquire({ timeout: TIMEOUT });
    await eventually('all three grant again', async () =>
      (await holders('ahead')).every((owner) => owner === next.owner),
    );
  });

  it('a minute ahead, and a node without the lease, let two hold for a renewal and a timeout at most', async () => {
    const [a, b] = [coordinator(), coordinator()];
    await Promise.all([warm(a), warm(b)]);
    servers[2]?.process?.kill('SIGSTOP');
    const lease = await a.mutex('split').acquire();
    await sleep(150); // what was sent to the stopped node is too late now
    servers[2]?.process?.kill('SIGCONT');
    const lost = new Promise<number>((resolve) => {
      lease.signal.addEventListener('abort', () => resolve(performance.now()));
    });
    shim.shift(60);
    const next = await b.mutex('split').acquire();
    const granted = performance.now();
    const overlap = (await lost) - granted;
    expect(overlap).to.be.below(RENEWAL + TIMEOUT);
    expect(lease.signal.reason).to.include({ code: 'LOCK_LOST' });
    await sleep(RENEWAL + TIMEOUT);
    expect(next.held).to.equal(true);
  });

  it('an hour back keeps no lock of a dead holder for longer than its ttl and a back-off', async () => {
    const proxies = await Promise.all(servers.map(({ port }) => TcpProxy.to(port)));
    const doomed = coordinator(proxies.map(({ url }) => new Redis(url, { lazyConnect: true })));
    const others = coordinator();
    await Promise.all([warm(doomed), warm(others)]);
    const lease = await doomed.mutex('back').acquire();
    await eventually('all nodes have it', async () => (await holders('back')).every((owner) => owner === lease.owner));
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    shim.shift(-3_600);
    const since = performance.now();
    const next = await others.mutex('back').acquire();
    expect(performance.now() - since).to.be.below(TTL + LOOK + SLACK);
    expect(next.held).to.equal(true);
    await eventually('the node brings what is left near', async () => Number(await redis[0]?.pttl('back')) <= TTL);
  });
});

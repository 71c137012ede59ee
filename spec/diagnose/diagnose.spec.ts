/** What `diagnose()` finds on servers that are set wrong, and that it finds nothing on one that is set right. */
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { Cluster, Redis } from 'ioredis';
import { lastValueFrom, toArray } from 'rxjs';
import { type Finding, LockCoordinator, type Options } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { TcpProxy } from '../support/proxy.ts';
import { freePort, type Server, startServer } from '../support/server.ts';

describe('diagnose', () => {
  let server: Server;
  let redis: Redis;
  const stops: (() => unknown)[] = [];

  const findings = async (source: Redis | Cluster | Redis[], options: Options = {}) => {
    await using locks = new LockCoordinator(source, { commandTimeout: 5_000, ...options });
    return await lastValueFrom(locks.diagnose().pipe(toArray()));
  };
  const brief = (found: readonly Finding[]): string[] => found.map(({ severity, code }) => `${severity} ${code}`);
  const start = async (args: readonly string[] = []): Promise<Redis> => {
    const { port, stop } = await startServer(args);
    const client = new Redis(port);
    client.on('error', () => undefined);
    stops.push(stop, () => client.disconnect());
    return client;
  };

  before(async () => {
    server = await startServer();
    redis = new Redis(server.port);
  });

  afterEach(async () => {
    await redis.config('SET', 'maxmemory', 0, 'maxmemory-policy', 'noeviction');
    await Promise.all(stops.splice(0).map((stop) => stop()));
  });

  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  it('finds nothing on a server that is set right, and holds nothing afterwards', async () => {
    expect(await findings(redis)).to.deep.equal([]);
    expect(await redis.exists('redisync:diagnose')).to.equal(0);
  });

  it('ends with its coordinator at whatever step it is, and leaves no connection', async () => {
    const clients = async (): Promise<number> =>
      String(await redis.client('LIST'))
        .trim()
        .split('\n').length;
    for (let ms = 0; ms < 12; ms += 1) {
      const locks = new LockCoordinator(redis);
      const told: unknown[] = [];
      locks.diagnose().subscribe({ error: (error) => told.push(error.code), complete: () => told.push('complete') });
      await pause(ms);
      await locks.close();
      expect(told, `${ms} ms`).to.have.lengthOf(1);
    }
    await eventually('only the connection of this spec is left', async () => (await clients()) === 1);
  });

  it('finds a policy that can evict locks, and where', async () => {
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(brief(await findings(redis))).to.deep.equal(['warning EVICTION']);
    await redis.config('SET', 'maxmemory', '100mb');
    const [found] = await findings(redis);
    expect(found).to.include({ severity: 'error', code: 'EVICTION', node: `localhost:${server.port}` });
    expect(found?.seen).to.equal('maxmemory-policy allkeys-lru, maxmemory 100.00M');
  });

  it('finds a memory that is full', async () => {
    await redis.config('SET', 'maxmemory', 1);
    expect(brief(await findings(redis))).to.deep.equal(['error REFUSED']);
  });

  it('finds a server that is not there, or hangs, in time', async () => {
    const nobody = new Redis({ port: await freePort(), lazyConnect: true });
    const [found, ...rest] = await findings(nobody);
    expect(found).to.include({ severity: 'error', code: 'UNREACHABLE' });
    expect(found?.seen).to.contain('ECONNREFUSED');
    expect(rest).to.deep.equal([]);
    server.process?.kill('SIGSTOP');
    const hung = await findings(redis, { commandTimeout: 500 });
    server.process?.kill('SIGCONT');
    expect(brief(hung)).to.deep.equal(['error UNREACHABLE']);
  });

  it('finds replicas that are asked themselves, or are fewer than a lock needs, and a master that nothing stops', async () => {
    const replica = await start(['--replicaof', '127.0.0.1', `${server.port}`]);
    await eventually('it follows', async () => (await replica.info('replication')).includes('master_link_status:up'));
    expect(brief(await findings(replica))).to.deep.equal(['error REPLICA', 'error REFUSED']);
    await eventually('it is online', async () => (await redis.info('replication')).includes('state=online'));
    expect(brief(await findings(redis))).to.deep.equal(['info MIN_REPLICAS']);
    const replicas = { count: 2, timeout: 100 };
    const found = await findings(redis, { replicas });
    expect(found[0]).to.include({
      severity: 'error',
      code: 'REPLICA',
      seen: '1 replicas are connected, and replicas.count is 2',
    });
  });

  it('finds a clock that differs from ours', async () => {
    const { now } = Date;
    Date.now = () => now() + 5_000;
    const [found] = await findings(redis).finally(() => {
      Date.now = now;
    });
    expect(found).to.include({ severity: 'warning', code: 'CLOCK' });
    expect(found?.seen).to.match(/^the server's clock is (49|50)\d\d ms behind ours$/);
  });

  it('finds the rights that are missing', async () => {
    await redis.acl('SETUSER', 'weak', 'on', '>weak', '~*', '&*', '+@all', '-zadd');
    const weak = new Redis({ port: server.port, username: 'weak', password: 'weak', lazyConnect: true });
    const [found] = await findings(weak);
    expect(found).to.include({ severity: 'error', code: 'ACL' });
    expect(found?.seen).to.match(/can't run this command|no permissions to run/); // Redis, Valkey
    await redis.acl('SETUSER', 'deaf', 'on', '>deaf', '~*', 'resetchannels', '+@all');
    const deaf = new Redis({
      port: server.port,
      username: 'deaf',
      password: 'deaf',
      lazyConnect: true,
    });
    expect(brief(await findings(deaf))).to.deep.equal(['warning ACL']);
    const wrong = new Redis({ port: server.port, username: 'deaf', password: 'secret', lazyConnect: true });
    const refused = await findings(wrong);
    expect(refused[0]?.severity).to.equal('error');
    expect(JSON.stringify(refused)).not.to.contain('secret');
  });

  it('finds commands that the server renames, and does not call it out of reach', async () => {
    for (const command of ['PUBLISH', 'SUBSCRIBE']) {
      const [found, ...rest] = await findings(await start(['--rename-command', command, '']));
      expect(found, command).to.include({ severity: 'warning', code: 'ACL' });
      expect(found?.seen).to.match(new RegExp(`unknown command.*${command}`, 'i'));
      expect(rest).to.deep.equal([]);
    }
    const late = await findings(await start(['--rename-command', 'TIME', '']));
    expect(brief(late)).to.deep.equal(['warning ACL', 'error REFUSED']);
  });

  it('finds a database that is not there, or not for this user, and none that is', async () => {
    expect(await findings(new Redis({ port: server.port, db: 3, lazyConnect: true }))).to.deep.equal([]);
    const there = new Redis({ port: server.port, db: 99, lazyConnect: true });
    const [found, ...rest] = await findings(there);
    expect(found).to.include({
      severity: 'error',
      code: 'DATABASE',
      seen: 'asked for database 99: ERR DB index is out of range',
    });
    expect(rest).to.deep.equal([]);
    await redis.acl('SETUSER', 'bound', 'on', '>bound', '~*', '&*', '+@all', '-select');
    const bound = { port: server.port, username: 'bound', password: 'bound', db: 3, lazyConnect: true };
    expect(brief(await findings(new Redis(bound)))).to.include('error DATABASE');
  });

  it('finds nodes of a quorum that forget, and two that are one', async () => {
    const [a, b] = [await start(['--appendonly', 'yes']), await start()];
    const found = await findings([redis, a, b]);
    expect(brief(found)).to.deep.equal(['warning PERSISTENCE', 'warning PERSISTENCE']);
    const proxy = await TcpProxy.to(server.port);
    const alias = new Redis({ port: proxy.port, lazyConnect: true });
    expect(brief(await findings([redis, a, alias]))).to.include('error SAME_SERVER');
    await proxy.stop();
  });

  it('finds slots of a Cluster that nobody serves', async () => {
    const node = await start(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1']);
    await node.call('CLUSTER', 'ADDSLOTSRANGE', 0, 100);
    await eventually('it counts them', async () => String(await node.cluster('INFO')).includes('cluster_slots_ok:101'));
    const cluster = new Cluster([{ host: '127.0.0.1', port: Number(node.options.port) }], { lazyConnect: true });
    const found = await findings(cluster);

    expect(brief(found)).to.include('error COVERAGE');
    expect(found.find(({ code }) => code === 'COVERAGE')?.seen).to.equal(
      'cluster_state fail, 101 of 16384 slots served',
    );
  });
});

import { expect } from 'chai';
import { Redis } from 'ioredis';
import { startCluster } from '../support/cluster.ts';
import { type Server, startServer } from '../support/server.ts';
import { builtCommand, endAll, redisync } from './support/command.ts';

describe('redisync, beside a single Redis', () => {
  before(builtCommand);
  after(endAll);

  it('holds a lock on a quorum, whose servers have been up for a ttl and of which one server may be away, and says where too many are', async () => {
    const servers = await Promise.all([startServer(), startServer(), startServer()]);
    const [first, second, third] = servers as [Server, Server, Server];
    const quorum = ['--ttl', '5s', '--quorum', ...servers.flatMap(({ url }) => ['--redis', url])];
    await third.stop();
    const run = await redisync('', 'run', 'q', ...quorum, '--json', '--', 'sh', '-c', 'read line; exit 3');
    await run.told('started');
    for (const { url } of [first, second]) {
      const redis = new Redis(url);
      expect(await redis.exists('q')).to.equal(1);
      redis.disconnect();
    }
    run.type('\n');
    expect(await run.ended).to.equal(3);
    await second.stop();
    const away = await redisync('', 'run', 'q', ...quorum, '--', 'true');
    expect(await away.ended).to.equal(69);
    expect(away.err).to.match(/^redisync: cannot use Redis at redis:\/\/127.0.0.1:\d+: .*ECONNREFUSED/);
    await first.stop();
  });

  it('holds and lists locks on a Cluster, of whatever slot', async () => {
    const shards = await startCluster(2);
    try {
      const cluster = ['--cluster', '--redis', shards.servers[0]?.url ?? ''];
      const run = await redisync('', 'run', 'a', 'b', ...cluster, '--json', '--', 'sh', '-c', 'read line; exit 3');
      await run.told('started');
      const ls = await redisync('', 'ls', ...cluster);
      expect(await ls.ended).to.equal(0);
      const names = ls.out.split('\n').map((line) => line.split(' ')[0]);
      expect(names).to.deep.equal(['NAME', 'a', 'b', '']);
      run.type('\n');
      expect(await run.ended).to.equal(3);
    } finally {
      await shards.stop();
    }
  });

  it('counts a lock only once --replicas have it', async () => {
    const server = await startServer();
    try {
      const run = await redisync(server.url, 'run', 'r', '--replicas', '1', '--try', '--', 'echo', 'ran');
      expect([await run.ended, run.out]).to.deep.equal([69, '']);
      expect(run.err).to.equal(
        'redisync: Only 0 of 1 replicas confirmed the lease on "r"; check the replicas, or lower replicas.count\n',
      );
    } finally {
      await server.stop();
    }
  });

  it('has a doctor that exits with 1 on errors, and is content with a good server', async () => {
    const server = await startServer();
    const good = await redisync(server.url, 'doctor');
    expect([await good.ended, good.out]).to.deep.equal([0, 'nothing found: locks are as safe here as the docs say\n']);
    const bad = await redisync(server.url, 'doctor', '--replicas', '1');
    expect(await bad.ended).to.equal(1);
    expect(bad.out).to.match(/^error: 127\.0\.0\.1:\d+: .*\.\n/);
    await server.stop();
    const none = await redisync(server.url, 'doctor', '--json');
    expect(await none.ended).to.equal(1);
    expect(JSON.parse(none.out)).to.include({ severity: 'error', code: 'UNREACHABLE' });
  });

  it('has a doctor that says what to do where the server wants a password, or another one', async () => {
    const server = await startServer();
    const admin = new Redis(server.url);
    await admin.config('SET', 'requirepass', 'secret');
    for (const url of [server.url, server.url.replace('//', '//:wrong@')]) {
      const run = await redisync(url, 'doctor');
      expect(await run.ended).to.equal(1);
      expect(run.out).to.match(
        /(NOAUTH|WRONGPASS).*Set the right user and password where the client is made, as in its URL\.\n/,
      );
      expect(run.out).not.to.include('wrong@');
    }
    admin.disconnect();
    await server.stop();
  });
});

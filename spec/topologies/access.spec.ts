/** Rights, passwords, prefixes and TLS of the caller's connection: ours have the same, and need no more than the docs say. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { firstValueFrom, take, toArray } from 'rxjs';
import { LockCoordinator } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { rights } from '../support/rights.ts';
import { freePort, type Server, startServer } from '../support/server.ts';

interface Access {
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly keyPrefix?: string;
  readonly tls?: { readonly ca: Buffer };
}

/** Everything that a coordinator can do, with a hand-over between two connections. */
const exercise = async (options: Access): Promise<void> => {
  const [one, two] = [new Redis({ ...options, lazyConnect: true }), new Redis({ ...options, lazyConnect: true })];
  await using a = new LockCoordinator(one);
  await using b = new LockCoordinator(two);
  const lease = await a.mutex('job').acquire({ timeout: 60_000 });
  const waiting = b.mutex('job').acquire();
  await firstValueFrom(a.watch('job', { every: 20 }).pipe(take(1)));
  await eventually('the other waits', async () => (await firstValueFrom(a.inspect('job'))).waiting.length === 1);
  expect(await firstValueFrom(a.list().pipe(toArray()))).to.deep.equal(['job']);
  await lease.renew();
  expect(await lease.release()).to.equal(true);
  const next = await waiting;
  expect(next.fence).to.be.above(Number(lease.fence));
  expect(await firstValueFrom(b.forceRelease('job'))).to.equal(true);
  await next.release();
  const [x, y] = await Promise.all([a, b].map((locks) => locks.semaphore('{pool}', 2).acquire({ timeout: 60_000 })));
  const third = a.semaphore('{pool}', 2).acquire();
  await x?.renew();
  await x?.release();
  await (await third).release();
  await y?.release();
  const { read, write } = a.readWriteLock('b}ook');
  const writer = await write.acquire({ timeout: 60_000 });
  const reader = read.acquire();
  await writer.downgrade();
  await (await reader).release();
  await writer.release();
};

describe('access', () => {
  let server: Server;
  let redis: Redis;

  before(async () => {
    server = await startServer();
    redis = new Redis({ port: server.port });
    await redis.config('SET', 'requirepass', 'secret');
    await redis.auth('secret');
    redis.options.password = 'secret';
    redis.on('error', () => undefined);
  });

  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  it('needs no more rights than the docs list: nothing is refused to a user with exactly these', async () => {
    await redis.acl('SETUSER', 'locks', 'reset', 'on', '>pass', ...rights());
    await redis.acl('LOG', 'RESET');
    const options = {
      port: server.port,
      username: 'locks',
      password: 'pass',
      keyPrefix: 'app:',
      disableClientInfo: true,
    };
    await exercise(options);
    const client = new Redis({ ...options, lazyConnect: true });
    await using locks = new LockCoordinator(client);
    expect(await firstValueFrom(locks.diagnose().pipe(toArray()))).to.deep.equal([]);
    expect(await redis.acl('LOG')).to.deep.equal([]);
  });

  it('shows what there is to a user who may only read keys, and lets nothing be taken', async () => {
    const reading = '+@read +eval +evalsha +eval_ro +time +info'.split(' ');
    await redis.acl('SETUSER', 'eyes', 'reset', 'on', '>pass', '%R~*', ...reading);
    await using holder = new LockCoordinator(redis);
    await using eyes = new LockCoordinator(
      new Redis({ port: server.port, username: 'eyes', password: 'pass', lazyConnect: true }),
    );
    const lease = await holder.mutex('seen').acquire();
    expect(await firstValueFrom(eyes.inspect('seen'))).to.nested.include({ 'holders[0].owner': lease.owner });
    expect(await firstValueFrom(eyes.list().pipe(toArray()))).to.deep.equal(['seen']);
    const refusal = await firstValueFrom(eyes.mutex('other').try()).catch((reason: Error) => reason);
    expect(refusal).to.include({ code: 'REDIS_REFUSED', transient: false });
  });

  it('lists in the docs every command of the scripts, and the user may run no other on a key', async () => {
    const scripts = readFileSync(new URL('../../src/lua/scripts.ts', import.meta.url), 'utf8');
    const named = [...scripts.matchAll(/(?:p?call|write|writeAll)\('([A-Z]+)'/g)];
    const used = named.map(([, name = '']) => (name === 'PUBSUB' ? '+pubsub|numsub' : `+${name.toLowerCase()}`));
    expect(used).to.include.members(['+set', '+zadd', '+hset', '+zrem']);
    expect(rights()).to.include.members(used);
    const client = new Redis({ port: server.port, username: 'locks', password: 'pass', lazyConnect: true });
    await redis.acl('SETUSER', 'locks', 'reset', 'on', '>pass', ...rights());
    expect(await client.flushall().catch((error: Error) => error.message)).to.contain('NOPERM');
    expect(await client.set('other', '1').catch((error: Error) => error.message)).to.contain('NOPERM');
    client.disconnect();
  });

  it('keeps the password and the prefix of the connection, in every key and channel', async () => {
    await redis.flushall();
    const seen: string[] = [];
    const monitor = await redis.monitor();
    monitor.on('error', () => undefined);
    monitor.on('monitor', (_time: string, args: string[]) => seen.push(args.join(' ')));
    await exercise({ port: server.port, password: 'secret', keyPrefix: 'my app:' });
    const keys = await redis.keys('*');
    expect(keys).to.deep.equal(['my app:~redisync:clock']);
    const channels = seen.filter((line) => /^subscribe /i.test(line));
    expect(channels).not.to.deep.equal([]);
    for (const channel of channels) expect(channel).to.match(/^subscribe my_app:redisync:/);
    monitor.disconnect();
  });

  it('tells no password when it is refused', async () => {
    await using locks = new LockCoordinator(new Redis({ port: server.port, password: 'wr0ng', lazyConnect: true }));
    const error = await firstValueFrom(locks.mutex('x').try()).catch((reason: Error) => reason);
    expect(error).to.include({ code: 'REDIS_REFUSED', transient: false });
    expect(`${(error as Error).stack} ${JSON.stringify(error)}`).not.to.contain('wr0ng');
  });

  it('works over TLS', async function () {
    const directory = mkdtempSync(join(tmpdir(), 'redisync-tls-'));
    const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    let secured: Server | undefined;
    try {
      execFileSync(
        'openssl',
        ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-keyout', key, '-out', cert, ...subject],
        { stdio: 'ignore' },
      );
    } catch {
      console.log('      openssl is missing: no certificate to try TLS with');
      this.skip();
    }
    try {
      const port = await freePort();
      const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert];
      secured = await startServer(['--tls-port', `${port}`, '--tls-auth-clients', 'no', ...files]).catch(
        () => undefined,
      );
      if (!secured) {
        console.log('      this redis-server was built without TLS');
        this.skip();
      }
      await exercise({ port, tls: { ca: readFileSync(cert) } });
    } finally {
      await secured?.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

/** The rights that docs/security.md calls the least: they suffice, and none is of no use. */
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { firstValueFrom, lastValueFrom, map, merge, tap, timer, toArray } from 'rxjs';
import { allOf, LockCoordinator, withLock } from '../../src/index.ts';
import * as scripts from '../../src/lua/scripts.ts';
import { rightsWithoutPrefix } from '../support/rights.ts';
import { type Server, startServer } from '../support/server.ts';

const RULES = rightsWithoutPrefix();

describe('the least rights in docs/security.md', () => {
  let server: Server;
  let admin: Redis;
  let redis: Redis;

  before(async () => {
    server = await startServer();
    admin = new Redis(server.url);
    await admin.call('ACL', 'SETUSER', 'locks', 'on', '>secret', ...RULES);
    redis = new Redis(server.url, { username: 'locks', password: 'secret', disableClientInfo: true });
  });

  after(async () => {
    redis.disconnect();
    admin.disconnect();
    await server.stop();
  });

  it('suffice for every kind of lock, for waiting, renewing and asking', async () => {
    const options = { ttl: 10_000, renewEvery: 100, waiterTtl: 60_000, identity: 'least' };
    const [one, two] = [new LockCoordinator(redis, options), new LockCoordinator(redis, options)];
    const each = (locks: LockCoordinator) => {
      const { read, write } = locks.readWriteLock('app:lock:rw');
      const kinds = [
        allOf(locks.mutex('app:lock:a'), locks.mutex('app:lock:b')),
        locks.semaphore('app:lock:s', 1),
        read,
        write,
      ];
      return merge(...kinds.map((lock) => timer(200).pipe(withLock(lock))));
    };
    const told: string[] = [];
    for (const locks of [one, two]) locks.events$.pipe(tap(({ type }) => told.push(type))).subscribe();
    await lastValueFrom(merge(each(one), each(two)));
    const held = await one.mutex('app:lock:a').acquire();
    expect(await lastValueFrom(two.list('app:*').pipe(toArray()))).to.deep.equal(['app:lock:a']);
    expect((await firstValueFrom(two.inspect('app:lock:a'))).holders[0]?.owner).to.equal(held.owner);
    expect(await held.release()).to.equal(true);
    await Promise.all([one.close(), two.close()]);
    expect(told).to.include.members(['waiting', 'handedOver', 'renewed']);
    expect(told).not.to.include.members(['attemptFailed', 'renewalFailed', 'lost']);
    const denials = (await admin.call('ACL', 'LOG')) as unknown[];
    expect(denials).to.deep.equal([]);
  });

  it('name the commands of the scripts, and no others but those of the connection', () => {
    const calls = /(?:p?call|write|writeAll)\('([A-Z]+)'/g;
    const inScripts = Object.values(scripts).flatMap(({ text }) => [...text.matchAll(calls)]);
    const ofConnection = ['evalsha', 'eval', 'info', 'select', 'publish', 'subscribe', 'unsubscribe'];
    const used = new Set([...inScripts.map(([, command = '']) => command.toLowerCase()), ...ofConnection]);
    const named = RULES.filter((rule) => rule.startsWith('+'));
    expect(named.map((rule) => rule.slice(1).replace(/\|.*/, '')).sort()).to.deep.equal([...used].sort());
  });

  it('do not reach other names', async () => {
    const locks = new LockCoordinator(redis);
    const refused = await locks
      .mutex('other')
      .acquire()
      .catch((error: Error) => error);
    expect(refused).to.have.property('code', 'REDIS_REFUSED');
    await locks.close();
  });

  it('still make locks work, by heartbeat, without the right to subscribe', async () => {
    await admin.call('ACL', 'SETUSER', 'deaf', 'on', '>secret', ...RULES, '-subscribe');
    const deaf = new Redis(server.url, { username: 'deaf', password: 'secret' });
    const [one, two] = [new LockCoordinator(deaf, { waiterTtl: 300 }), new LockCoordinator(deaf, { waiterTtl: 300 })];
    const both = merge(
      ...[one, two].map((locks, i) =>
        timer(50).pipe(
          map(() => i),
          withLock(locks.mutex('app:lock:deaf')),
        ),
      ),
    );
    expect(await lastValueFrom(both.pipe(toArray()))).to.have.members([0, 1]);
    await Promise.all([one.close(), two.close()]);
    deaf.disconnect();
  });
});

/** A wait that goes on, but worse than it should, is told: once in a process's warnings, once a wait among the events. */
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { LockCoordinator, type LockEvent } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';

interface Warned extends Error {
  readonly code?: string;
}

describe('a wait that is hindered', () => {
  let server: Server;
  let warnings: Warned[];
  let events: LockEvent[];
  const warn = (warning: Warned): void => {
    if (warning.code === 'REDISYNC_HINDERED') warnings.push(warning);
  };
  before(async () => {
    server = await startServer();
  });
  after(() => server.stop());
  beforeEach(() => {
    [warnings, events] = [[], []];
    process.on('warning', warn);
  });
  afterEach(() => process.off('warning', warn));

  const over = (redis: Redis, options: object): LockCoordinator => {
    redis.on('error', () => undefined);
    return new LockCoordinator(redis, options);
  };
  const watched = (redis: Redis, options: object): LockCoordinator => {
    const locks = over(redis, options);
    locks.events$.subscribe((event) => events.push(event));
    return locks;
  };
  const hindered = (): LockEvent[] => events.filter(({ type }) => type === 'hindered');

  it('by a Redis that is out of reach for longer than the ttl', async () => {
    const locks = watched(new Redis({ port: 1, lazyConnect: true }), { ttl: 300, renewEvery: 100, commandTimeout: 50 });
    const waits = ['a', 'b'].map((name) => locks.mutex(name).subscribe({ error: () => undefined }));
    const begun = performance.now();
    await eventually('both waits are told', () => hindered().length === 2);
    expect(performance.now() - begun).to.be.above(300);
    await eventually('more attempts have failed', () => events.length > 30, 60_000);
    expect(hindered().map(({ name }) => name)).to.have.members(['a', 'b']);
    expect(warnings).to.have.lengthOf(1);
    expect(warnings[0]?.message).to.match(/waits? .*ECONNREFUSED/);
    for (const wait of waits) wait.unsubscribe();
    await locks.close();
  });

  it('is a warning also where nobody listens to the events', async () => {
    const locks = over(new Redis({ port: 1, lazyConnect: true }), { ttl: 300, renewEvery: 100, commandTimeout: 50 });
    const wait = locks.mutex('a').subscribe({ error: () => undefined });
    await eventually('the process is warned', () => warnings.length === 1);
    wait.unsubscribe();
    await locks.close();
  });

  it('by a lack of the right to subscribe, without which no hand-off is heard', async () => {
    const admin = new Redis(server.url);
    await admin.call('ACL', 'SETUSER', 'mute', 'on', '>secret', '~*', '&*', '+@all', '-subscribe', '-ssubscribe');
    const url = server.url.replace('//', '//mute:secret@');
    const locks = watched(new Redis(url, { lazyConnect: true }), { waiterTtl: 300 });
    const lease = await locks.mutex('c').acquire();
    const waiting = locks.mutex('c').subscribe({ error: () => undefined });
    await eventually('it is told', () => hindered().length === 1);
    expect(hindered()[0]).to.nested.include({ name: 'c', 'error.code': 'REDIS_REFUSED' });
    expect(warnings.map(({ message }) => message).join())
      .to.match(/NOPERM/)
      .and.not.include('secret');
    waiting.unsubscribe();
    await lease.release();
    await locks.close();
    admin.disconnect();
  });
});

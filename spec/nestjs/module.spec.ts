/** RedisyncModule in a real Nest: what it makes, what it hands out, and how it ends. */
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { CoordinatorClosedError, LockCoordinator } from '../../src/index.ts';
import { coordinatorToken, InjectCoordinator, RedisyncHealthIndicator, RedisyncModule } from '../../src/nestjs.ts';
import { memoryCoordinator } from '../../src/testing.ts';
import { type Server, startServer } from '../support/server.ts';
import { rejection } from './support.ts';

@Injectable()
class Invoices {
  readonly locks: LockCoordinator;

  constructor(@InjectCoordinator('billing') locks: LockCoordinator) {
    this.locks = locks;
  }
}

describe('RedisyncModule', () => {
  let server: Server;
  let redis: Redis;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
  });

  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  const start = async (imports: readonly object[], providers: (typeof Invoices)[] = []) => {
    class App {}
    Module({ imports: imports as never[], providers })(App);
    return NestFactory.createApplicationContext(App, { logger: false, abortOnError: false });
  };

  it('makes a coordinator on a URL, and closes it with the application', async () => {
    const app = await start([RedisyncModule.forRoot({ url: server.url, ttl: 5_000, drain: 0 })]);
    const locks = app.get(LockCoordinator);
    const lease = await locks.mutex('held').acquire();
    expect(lease.remaining()).to.be.within(1, 5_000);
    await app.close();
    expect(await redis.exists('held')).to.equal(0);
    expect(await rejection(locks.mutex('held').acquire())).to.be.instanceOf(CoordinatorClosedError);
  });

  it('closes what overrideProvider has put in the place of its coordinator, unless that is none', async () => {
    const memory = memoryCoordinator();
    const running = { locks: new LockCoordinator(redis), httpStatus: undefined, drain: 0 };
    await new RedisyncModule(running, memory).onApplicationShutdown();
    expect(await rejection(memory.mutex('a').acquire())).to.be.instanceOf(CoordinatorClosedError);
    await new RedisyncModule(running, { mutex: () => undefined }).onApplicationShutdown();
  });

  it('refuses at the start what would only fail at a request or at the shutdown', async () => {
    const startWith = (options: object): Promise<unknown> => {
      const given = { client: redis, ...options };
      return rejection(
        start([RedisyncModule.forRoot(given), RedisyncModule.forRootAsync({ useFactory: () => given })]),
      );
    };
    expect(String(await startWith({ drain: '5000' }))).to.match(/^TypeError: drain .ms. must be a number .*"5000"/);
    expect(String(await startWith({ drain: -1 }))).to.match(/^RangeError: drain .ms. must be from 0/);
    expect(String(await startWith({ httpStatus: 409 }))).to.match(/^TypeError: httpStatus must be a function .*409/);
    expect(String(await startWith({ url: undefined }))).to.match(/^TypeError: url must be .*, got undefined/);
    for (const url of ['', 'localhost:6379', 'http://:geheim@localhost', 'redis://'])
      expect(String(await startWith({ url })))
        .to.match(/^TypeError: url must be redis:\/\/HOST:PORT or rediss:/)
        .and.not.include('geheim');
  });

  it('leaves the client that it was given open', async () => {
    const app = await start([RedisyncModule.forRoot({ client: redis })]);
    await (await app.get(LockCoordinator).mutex('a').acquire()).release();
    await app.close();
    expect(await redis.ping()).to.equal('PONG');
  });

  it('hands out several coordinators by their names, and takes options from what it injects', async () => {
    const Settings = Module({ providers: [{ provide: 'URL', useValue: server.url }], exports: ['URL'] });
    class SettingsModule {}
    Settings(SettingsModule);
    const billing = RedisyncModule.forRootAsync({
      name: 'billing',
      imports: [SettingsModule],
      inject: ['URL'],
      useFactory: async (url: string) => ({ url, identity: 'billing', drain: 0 }),
    });
    const app = await start([RedisyncModule.forRoot({ client: redis }), billing], [Invoices]);
    const { locks } = app.get(Invoices);
    expect(locks)
      .to.equal(app.get(coordinatorToken('billing')))
      .and.not.to.equal(app.get(LockCoordinator));
    expect((await locks.mutex('a').acquire()).owner).to.match(/^billing:/);
    await app.close();
    expect(await redis.exists('a')).to.equal(0);
  });

  it('tells whether Redis answers, as health checks of Nest take it', async () => {
    const other = await startServer();
    const app = await start([RedisyncModule.forRoot({ url: other.url, commandTimeout: 3_000 })]);
    const health = app.get(RedisyncHealthIndicator);
    expect(await health.isHealthy()).to.deep.equal({ redisync: { status: 'up' } });
    await other.stop();
    const { locks } = await health.isHealthy('locks');
    expect(locks?.status).to.equal('down');
    await app.close();
  });
});

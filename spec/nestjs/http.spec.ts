/** `lockInterceptor` and what becomes of a lock's errors over HTTP, in a real Nest. */
import { Controller, Get, type INestApplication, Module, Param, UseInterceptors } from '@nestjs/common';
import { HttpAdapterHost, NestFactory } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { EMPTY, firstValueFrom, Subject } from 'rxjs';
import { LockCoordinator, LockTimeoutError } from '../../src/index.ts';
import { type HttpStatusOf, lockInterceptor, RedisyncExceptionFilter, RedisyncModule } from '../../src/nestjs.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';
import { rejection } from './support.ts';

const byOrder = lockInterceptor(
  (context) => `order:${context.switchToHttp().getRequest<{ params: { id: string } }>().params.id}`,
  { timeout: 0 },
);

const go = new Subject<string>();

@Controller()
class Orders {
  @Get('wait/:id')
  @UseInterceptors(byOrder)
  wait(): Promise<string> {
    return firstValueFrom(go);
  }

  @Get('brief/:id')
  @UseInterceptors(lockInterceptor('brief', { timeout: 300 }))
  brief(): string {
    return 'brief';
  }

  @Get('pay/:id')
  @UseInterceptors(byOrder)
  pay(@Param('id') id: string): string {
    return `paid ${id}`;
  }
}

describe('lockInterceptor', () => {
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

  const start = async (url: string, httpStatus?: HttpStatusOf): Promise<[app: INestApplication, at: string]> => {
    class App {}
    const redisync = RedisyncModule.forRoot({ url, ttl: 1_500, commandTimeout: 500, httpStatus });
    Module({ imports: [redisync], controllers: [Orders] })(App);
    const app = await NestFactory.create(App, { logger: false, forceCloseConnections: true });
    await app.listen(0, '127.0.0.1');
    return [app, await app.getUrl()];
  };

  const get = async (at: string, path: string): Promise<[status: number, body: string]> => {
    const response = await fetch(`${at}/${path}`);
    return [response.status, await response.text()];
  };

  it('holds the lock while the handler runs; answers 423 if it is busy, and 409 if it is lost', async () => {
    const [app, at] = await start(server.url);
    expect(await get(at, 'pay/1')).to.deep.equal([200, 'paid 1']);
    const waiting = get(at, 'wait/1');
    await eventually('it is held', async () => (await redis.exists('order:1')) === 1);
    expect(await get(at, 'pay/1')).to.deep.equal([423, '{"statusCode":423,"error":"LOCK_TIMEOUT"}']);
    expect(await get(at, 'pay/2')).to.deep.equal([200, 'paid 2']);
    go.next('done');
    expect(await waiting).to.deep.equal([200, 'done']);
    await eventually('it is released', async () => (await redis.exists('order:1')) === 0);

    const losing = get(at, 'wait/3');
    await eventually('it is held', async () => (await redis.exists('order:3')) === 1);
    await firstValueFrom(app.get(LockCoordinator).forceRelease('order:3'));
    expect(await losing).to.deep.equal([409, '{"statusCode":409,"error":"LOCK_LOST"}']);
    await app.close();
  });

  it('answers 503 where Redis is out of reach, also where the time to wait is over sooner', async () => {
    const other = await startServer();
    const [app, at] = await start(other.url);
    await other.stop();
    for (const path of ['pay/1', 'brief/1']) expect((await get(at, path))[0], path).to.equal(503);
    await app.close();
  });

  it('is answered by its code over microservices and WebSockets, as Nest answers its own errors, and thrown elsewhere', async () => {
    const filter = new RedisyncExceptionFilter(new HttpAdapterHost());
    const emitted: unknown[][] = [];
    const error = new LockTimeoutError('order:7', 5);
    const caught = (kind: string) => {
      const host = new ExecutionContextHost([{ emit: (...told: unknown[]) => emitted.push(told) }]);
      host.setType(kind);
      return filter.catch(error, host);
    };
    const told = { status: 'error', message: 'LOCK_TIMEOUT' };
    expect(await rejection(firstValueFrom(caught('rpc') ?? EMPTY))).to.deep.equal(told);
    expect(caught('ws')).to.equal(undefined);
    expect(emitted).to.deep.equal([['exception', told]]);
    expect(() => caught('graphql')).to.throw(LockTimeoutError);
  });

  it('answers as it is mapped', async () => {
    const [app, at] = await start(server.url, ({ code }) => (code === 'LOCK_TIMEOUT' ? 409 : undefined));
    await redis.set('order:4', 'another', 'PX', 60_000);
    expect((await get(at, 'pay/4'))[0]).to.equal(409);
    await redis.del('order:4');
    await app.close();
  });
});

/** Every command ends by its deadline, with nobody to answer it. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { asyncScheduler, catchError, firstValueFrom, type Observable, timeout } from 'rxjs';
import { RedisUnreachableError } from '../../src/errors.ts';
import { LockCoordinator } from '../../src/index.ts';
import { RedisStore } from '../../src/store/redis.ts';
import { TcpProxy } from '../support/proxy.ts';
import { freePort, startServer } from '../support/server.ts';

describe('a command without an answer', () => {
  it('ends by its deadline, also one that was asked at the end of another', async () => {
    const redis = new Redis({ port: await freePort(), lazyConnect: true });
    const store = new RedisStore(redis, asyncScheduler);
    const ends: unknown[] = [];
    const look = (): Observable<unknown> => store.inspect('a', 30);
    const noted = (error: unknown): Observable<unknown> => {
      ends.push(error);
      if (ends.length === 3) throw error;
      return look().pipe(catchError(noted));
    };
    await new Promise((resolve) => {
      look().pipe(catchError(noted), timeout(1_000)).subscribe({ error: resolve });
    });
    store.close();
    redis.disconnect();
    assert.lengthOf(ends, 3);
    for (const error of ends) assert.instanceOf(error, RedisUnreachableError);
  });

  it('shows that a connection is half-open, though another has more time', async () => {
    const server = await startServer();
    const proxy = await TcpProxy.to(server.port);
    const redis = new Redis({ port: proxy.port, lazyConnect: true });
    const locks = new LockCoordinator(redis, { ttl: 2_000, renewEvery: 300, commandTimeout: 300 });
    try {
      const lease = await locks.mutex('goes on').acquire();
      proxy.mute();
      const patient = locks.mutex('patient', { commandTimeout: 20_000 }).acquire();
      assert.isTrue((await patient).held);
      assert.isTrue(lease.held);
    } finally {
      await locks.close();
      redis.disconnect();
      await proxy.stop();
      await server.stop();
    }
  });

  it('that has less time than others leaves them their connection, and their answers', async () => {
    const server = await startServer();
    const redis = new Redis(server.port);
    const locks = new LockCoordinator(redis);
    try {
      const others = await locks.mutex('other').acquire();
      const short = await locks.mutex('short', { ttl: 50 }).acquire();
      server.process?.kill('SIGSTOP');
      const single = firstValueFrom(locks.mutex('single').try());
      const releasing = others.release();
      await new Promise((resolve) => short.signal.addEventListener('abort', resolve));
      await new Promise((resolve) => setTimeout(resolve, 100)); // its release has no answer either
      server.process?.kill('SIGCONT');
      assert.equal((await single).name, 'single');
      assert.isTrue(await releasing);
    } finally {
      server.process?.kill('SIGCONT');
      await locks.close();
      redis.disconnect();
      await server.stop();
    }
  });
});

/** Locks in a Koa service: a middleware that holds the order's lock while the next middleware runs. */
import { setTimeout as work } from 'node:timers/promises';
import { Redis } from 'ioredis';
import Koa, { type Context, type Middleware } from 'koa';
import { LockCoordinator, LockTimeoutError, RedisyncError } from 'redisync';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis, { ttl: 10_000 });

/** 409: another request is at it. 503: Redis is out of reach, or this process shuts down. */
const locked =
  (name: (context: Context) => string): Middleware =>
  async (context, next) => {
    try {
      await locks.mutex(name(context)).using(
        (lease) => {
          context.state.lease = lease;
          return next();
        },
        { timeout: 2_000 },
      );
    } catch (error) {
      if (!(error instanceof RedisyncError)) throw error;
      context.status = error instanceof LockTimeoutError ? 409 : 503;
      context.body = { error: error.code };
    }
  };

const app = new Koa();
app.use(locked(({ path }) => `example:koa:${path}`));
app.use(async (context) => {
  await work(100, undefined, { signal: context.state.lease.signal }); // charge the order
  context.body = { charged: context.path, fence: context.state.lease.fence };
});

const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () =>
  console.log(JSON.stringify(server.address())),
);

process.once('SIGTERM', async () => {
  server.close();
  await locks.close({ drain: 5_000 }); // requests that hold a lock may finish
  redis.disconnect();
});

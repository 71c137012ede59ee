/** Locks in an Express service: a handler that runs under the order's lock, and one error handler for all errors of locks. */
import { setTimeout as work } from 'node:timers/promises';
import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import { Redis } from 'ioredis';
import { type Lease, LockCoordinator, LockTimeoutError, RedisyncError } from 'redisync';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis, { ttl: 10_000 });

/** A client that disconnects leaves the queue, too. */
const locked =
  (
    name: (params: Record<string, unknown>) => string,
    handle: (lease: Lease, params: Record<string, unknown>) => Promise<object>,
  ): RequestHandler =>
  async (request, response) => {
    const left = new AbortController();
    response.on('close', () => left.abort());
    const answer = await locks
      .mutex(name(request.params))
      .using((lease) => handle(lease, request.params), { timeout: 2_000, signal: left.signal });
    response.json(answer);
  };

/** 409: another request is at it. 503: Redis is out of reach, or this process shuts down. */
const answering: ErrorRequestHandler = (error, _request, response, next) => {
  if (!(error instanceof RedisyncError) || response.headersSent) return next(error);
  response.status(error instanceof LockTimeoutError ? 409 : 503).json({ error: error.code });
};

const app = express();
app.post(
  '/orders/:id',
  locked(
    ({ id }) => `example:express:${id}`,
    async ({ signal, fence }, { id }) => {
      await work(100, undefined, { signal }); // charge the order
      return { charged: id, fence };
    },
  ),
);
app.use(answering);

const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () =>
  console.log(JSON.stringify(server.address())),
);

process.once('SIGTERM', async () => {
  server.close();
  await locks.close({ drain: 5_000 }); // requests that hold a lock may finish
  redis.disconnect();
});

/** Locks as a part of a Fastify service: one coordinator, `app.locks`, that is closed with it. Nest's provider is the same three lines. */
import { setTimeout as work } from 'node:timers/promises';
import Fastify, { type FastifyInstance } from 'fastify';
import { Redis } from 'ioredis';
import { type CoordinatorOptions, LockCoordinator, LockTimeoutError } from 'redisync';

declare module 'fastify' {
  interface FastifyInstance {
    readonly locks: LockCoordinator;
  }
}

/** The provider. In Nest: `{ provide: LockCoordinator, useFactory }`, and `close()` in `onApplicationShutdown`. */
const provideLocks = (app: FastifyInstance, redis: Redis, options?: CoordinatorOptions): void => {
  app.decorate('locks', new LockCoordinator(redis, options));
  app.addHook('onClose', () => app.locks.close()); // gives back what is held, so that other processes go on at once
};

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const app = Fastify();
provideLocks(app, redis, { ttl: 10_000, identity: `web ${process.pid}` });
app.setErrorHandler((error, _, reply) => reply.code(error instanceof LockTimeoutError ? 409 : 500).send(String(error)));
app.post<{ Params: { id: string } }>('/orders/:id', async ({ params }) => {
  await using lease = await app.locks.mutex(`example:order:${params.id}`).acquire({ timeout: 200 });
  await work(50, undefined, { signal: lease.signal }); // charge the order
  return { charged: params.id };
});

const post = async (id: string): Promise<number> =>
  (await app.inject({ method: 'POST', url: `/orders/${id}` })).statusCode;
console.log('side by side, and one after another:', await Promise.all(['1', '1', '2'].map(post)));
const elsewhere = await app.locks.mutex('example:order:3').acquire();
console.log('busy:', await post('3'));
await app.close();
console.log('given back:', !elsewhere.held);
redis.disconnect();

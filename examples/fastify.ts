/** Locks in a Fastify service: a plugin with one coordinator, `app.locks`, which closes with the service. */
import { setTimeout as work } from 'node:timers/promises';
import Fastify, { type FastifyInstance } from 'fastify';
import { Redis } from 'ioredis';
import { type CoordinatorOptions, LockCoordinator, LockTimeoutError, RedisyncError } from 'redisync';
import { firstValueFrom } from 'rxjs';

declare module 'fastify' {
  interface FastifyInstance {
    readonly locks: LockCoordinator;
  }
}

/** The plugin. When the service closes, requests that hold a lock are answered, and requests that wait for one get an error at once. */
const provideLocks = (app: FastifyInstance, redis: Redis, options?: CoordinatorOptions): void => {
  app.decorate('locks', new LockCoordinator(redis, options));
  app.addHook('preClose', () => app.locks.close({ drain: 10_000 }));
};

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const app = Fastify();
provideLocks(app, redis, { ttl: 10_000 });
app.setErrorHandler((error, _, reply) => {
  const failed = error instanceof RedisyncError ? 503 : 500; // Redis is out of reach, the lease was lost, we are stopping
  return reply
    .code(error instanceof LockTimeoutError ? 409 : failed)
    .send({ error: error instanceof RedisyncError ? error.code : 'FAILED' }); // its message names who holds
});
app.post<{ Params: { id: string } }>('/orders/:id', async ({ params }) => {
  await using lease = await app.locks.mutex(`example:order:${params.id}`).acquire({ timeout: 2_000 });
  await work(50, undefined, { signal: lease.signal }); // charge the order
  return { charged: params.id };
});

const post = async (id: string): Promise<number> =>
  (await app.inject({ method: 'POST', url: `/orders/${id}` })).statusCode;
console.log('side by side, and one after another:', await Promise.all(['1', '1', '2'].map(post)));
const elsewhere = await app.locks.mutex('example:order:3').acquire();
console.log('busy:', await post('3'));
await elsewhere.release();
const begun = post('4');
await firstValueFrom(app.locks.events$); // it has its lock
await app.close();
console.log('begun before it closes:', await begun);
redis.disconnect();

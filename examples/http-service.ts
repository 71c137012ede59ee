/** Locks in a web service: one coordinator for the process, a lock for each order; what is under way when it stops is answered. */
import { createServer } from 'node:http';
import { setTimeout as work } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { LockCoordinator, LockTimeoutError, RedisyncError } from 'redisync';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis, { ttl: 10_000 });

const server = createServer(async (request, response) => {
  const gone = new AbortController();
  response.on('close', () => gone.abort()); // a client that goes away leaves the queue, too
  try {
    await using lease = await locks.mutex(`example:${request.url}`).acquire({ timeout: 500, signal: gone.signal });
    await work(100, undefined, { signal: lease.signal }); // charge the order
    response.writeHead(200).end(`charged under token ${lease.fence}\n`);
  } catch (error) {
    const failed = error instanceof RedisyncError ? 503 : 500; // Redis is out of reach, the lease was lost, we are stopping
    response.writeHead(error instanceof LockTimeoutError ? 409 : failed).end();
  }
}).listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => console.log(JSON.stringify(server.address())));

process.once('SIGTERM', async () => {
  server.close();
  await locks.close({ drain: 10_000 }); // who holds a lock is served to the end, who waits for one is told at once
  redis.disconnect();
});

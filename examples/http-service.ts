/** Locks in a web service: one coordinator for the process, a lock for each order. When the service stops, requests that hold a lock are answered. */
import { createServer } from 'node:http';
import { setTimeout as work } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { LockCoordinator, LockTimeoutError, RedisyncError } from 'redisync';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis, { ttl: 10_000 });

const server = createServer(async (request, response) => {
  const left = new AbortController();
  response.on('close', () => left.abort()); // a client that disconnects leaves the queue, too
  try {
    await using lease = await locks.mutex(`example:${request.url}`).acquire({ timeout: 2_000, signal: left.signal });
    await work(100, undefined, { signal: lease.signal }); // charge the order
    response.writeHead(200).end(`charged with fence ${lease.fence}\n`);
  } catch (error) {
    const failed = error instanceof RedisyncError ? 503 : 500; // Redis is out of reach, the lease was lost, we are stopping
    response.writeHead(error instanceof LockTimeoutError ? 409 : failed).end();
  }
}).listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => console.log(JSON.stringify(server.address())));

process.once('SIGTERM', async () => {
  server.close();
  await locks.close({ drain: 10_000 }); // requests that hold a lock may finish; those that wait for one get an error at once
  redis.disconnect();
});

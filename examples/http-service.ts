/** Locks in a web service: one coordinator for the process, a lock for each order, closed with the server. */
import { createServer } from 'node:http';
import { setTimeout as work } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { LockCoordinator, LockTimeoutError, RedisyncError } from 'redisync';

const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const locks = new LockCoordinator(redis, { ttl: 10_000, identity: `web ${process.pid}` });

const server = createServer(async (request, response) => {
  const gone = new AbortController();
  response.on('close', () => gone.abort()); // a client that goes away leaves the queue, too
  try {
    await using lease = await locks.mutex(`example:${request.url}`).acquire({ timeout: 500, signal: gone.signal });
    await work(100, undefined, { signal: lease.signal }); // charge the order
    response.writeHead(200).end(`charged under token ${lease.fence}\n`);
  } catch (error) {
    const status = error instanceof LockTimeoutError ? 409 : error instanceof RedisyncError ? 503 : 500;
    response.writeHead(status).end();
  }
}).listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => console.log(JSON.stringify(server.address())));

process.once('SIGTERM', async () => {
  server.close();
  await locks.close(); // gives back what is held, so that other processes go on at once
  redis.disconnect();
});

/** A BullMQ worker that never runs two jobs of one customer at once, on any machine. A job whose customer is busy is delayed, so it blocks no worker. */
import { setTimeout as work } from 'node:timers/promises';
import { DelayedError, Queue, QueueEvents, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { LockCoordinator } from 'redisync';

const url = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';
const { hostname: host, port } = new URL(url);
const connection = { host, port: Number(port || 6379), maxRetriesPerRequest: null };
const redis = new Redis(url);
const locks = new LockCoordinator(redis);

interface Order {
  readonly customer: string;
  readonly number: number;
}

const worker = new Worker<Order>(
  'example-orders',
  async (job, token) => {
    const lease = await locks.mutex(`example:bullmq:${job.data.customer}`).tryAcquire();
    if (!lease) {
      await job.moveToDelayed(Date.now() + 50, token);
      throw new DelayedError();
    }
    try {
      console.log(`${job.data.customer} ${job.data.number} begins`);
      await work(100, undefined, { signal: lease.signal });
      console.log(`${job.data.customer} ${job.data.number} ends`);
    } finally {
      await lease.release();
    }
  },
  { connection, concurrency: 4 },
);

const queue = new Queue<Order>('example-orders', { connection });
const events = new QueueEvents('example-orders', { connection });
const orders = ['ann', 'ben'].flatMap((customer) => [1, 2, 3].map((number) => ({ customer, number })));
const jobs = await queue.addBulk(orders.map((data) => ({ name: 'order', data })));
await Promise.all(jobs.map((job) => job.waitUntilFinished(events)));

await worker.close();
await locks.close();
await queue.obliterate();
await Promise.all([events.close(), queue.close()]);
redis.disconnect();

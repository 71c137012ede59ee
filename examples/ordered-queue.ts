/** A queue whose orders are handled one after another for each customer, and side by side for different customers, by any number of consumers. */
import { setTimeout as work } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type Lease, LockCoordinator, whileHeld } from 'redisync';
import { concatMap, defer, EMPTY, lastValueFrom, merge, mergeMap, type Observable, of, range, repeat, tap } from 'rxjs';

/** Customers that one consumer serves at once. */
const HANDS = 2;
const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const ordersOf = (customer: string): string => `example:orders:${customer}`;

/** Handles one order. It leaves the queue only when it is done, under the lease, so if a consumer dies another one handles it. */
async function* serve(customer: string, lease: Lease): AsyncGenerator<string> {
  for (;;) {
    const order = await redis.lindex(ordersOf(customer), 0);
    if (order === null) return;
    await work(5);
    lease.assertHeld();
    await redis.lpop(ordersOf(customer));
    yield `${customer} ${order}`;
  }
}

const consumer = (locks: LockCoordinator): Observable<string> => {
  let idle = false;
  const hand$ = defer(() => redis.lpop('example:customers')).pipe(
    concatMap((customer) => {
      idle = customer === null;
      if (customer === null) return EMPTY;
      return locks.mutex(`example:customer:${customer}`).pipe(whileHeld((lease) => serve(customer, lease)));
    }),
    repeat({ delay: () => (idle ? EMPTY : of('next')) }), // back-pressure: the next order is taken when this one is done
  );
  return range(0, HANDS).pipe(mergeMap(() => hand$));
};

for (let order = 1; order <= 5; order += 1) {
  for (const customer of ['ann', 'ben', 'cem']) {
    await redis.rpush(ordersOf(customer), order);
    await redis.rpush('example:customers', customer);
  }
}
const consumers = [new LockCoordinator(redis), new LockCoordinator(redis)];
await lastValueFrom(merge(...consumers.map(consumer)).pipe(tap(console.log)));
await Promise.all(consumers.map((locks) => locks.close()));
redis.disconnect();

/** Tests a pipeline with locks by marble diagrams: without Redis, without waiting, the same on every run. */
import assert from 'node:assert/strict';
import { type LockCoordinator, LockLostError, withLock } from 'redisync';
import { Memory, memoryCoordinator } from 'redisync/testing';
import { catchError, map, mergeMap, type Observable, of, timer } from 'rxjs';
import { type RunHelpers, TestScheduler } from 'rxjs/testing';

interface Order {
  readonly customer: string;
  readonly id: string;
}

// The code under test takes its coordinator as an argument, and knows nothing of Redis.
const charges = (
  locks: LockCoordinator,
  orders: Observable<Order>,
  charge: (order: Order) => Observable<string>,
): Observable<string> =>
  orders.pipe(
    mergeMap((order) =>
      charge(order).pipe(
        withLock(locks.mutex(`customer:${order.customer}`)),
        catchError((error) => of(error instanceof LockLostError ? `${order.id} lost` : `${order.id} failed`)),
      ),
    ),
  );

const test = (name: string, run: (helpers: RunHelpers) => void): void => {
  new TestScheduler((actual, expected) => assert.deepEqual(actual, expected)).run(run);
  console.log(`ok: ${name}`);
};

const ann = { a: { customer: 'ann', id: 'a' }, b: { customer: 'ann', id: 'b' } };
const ben = { c: { customer: 'ben', id: 'c' } };
const in5ms = ({ id }: Order): Observable<string> => timer(5).pipe(map(() => id));
const in1s = ({ id }: Order): Observable<string> => timer(1_000).pipe(map(() => id));

test('orders of one customer are charged in turn, those of two at the same time', ({ cold, expectObservable }) => {
  const order$ = cold<Order>('(abc|)', { ...ann, ...ben });
  expectObservable(charges(memoryCoordinator(), order$, in5ms)).toBe('5ms (ac)-(b|)');
});

test('two services do not charge one customer at once', ({ cold, expectObservable }) => {
  const memory = new Memory(); // they share it as services share a Redis
  const first = charges(memoryCoordinator({ memory }), cold('a|', ann), in5ms);
  const second = charges(memoryCoordinator({ memory }), cold('-b|', ann), in5ms);
  expectObservable(first).toBe(' 5ms (a|)');
  expectObservable(second).toBe('10ms (b|)');
});

test('a charge is cancelled when somebody breaks its lock', ({ cold, expectObservable }) => {
  const locks = memoryCoordinator({ ttl: 300 });
  timer(50)
    .pipe(mergeMap(() => locks.forceRelease('customer:ann')))
    .subscribe();
  expectObservable(charges(locks, cold('(a|)', ann), in1s)).toBe('100ms (x|)', { x: 'a lost' }); // at its next renewal
});

test('a charge is cancelled when Redis does not answer until the lease is over', ({ cold, expectObservable }) => {
  const memory = new Memory();
  const locks = memoryCoordinator({ memory, ttl: 300 });
  timer(50).subscribe(() => {
    memory.latency = Infinity;
  });
  expectObservable(charges(locks, cold('(a|)', ann), in1s)).toBe('295ms (x|)', { x: 'a lost' }); // 300 ms less 1 % and 2 ms
});

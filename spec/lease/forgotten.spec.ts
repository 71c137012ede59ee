/** A leaving that the store has forgotten, as after a failover to a replica that had not heard of it, in virtual time. */
import { assert } from 'chai';
import { clockOf } from '../../src/clock.ts';
import type { LockCoordinator } from '../../src/index.ts';
import { Strays } from '../../src/lease/strays.ts';
import type { Store } from '../../src/store/store.ts';
import { Memory, memoryCoordinator } from '../../src/testing.ts';
import { VirtualTime } from '../contract/virtual-time.ts';

describe('the owners whose late grants are left alone', () => {
  it('are forgotten when their time is over, also if that of another is longer', () => {
    const time = new VirtualTime();
    const clock = clockOf(time);
    const strays = new Strays({} as Store);
    const kept = (): number => (Reflect.get(strays, 'left') as Map<string, unknown>).size;
    strays.ignore('long', clock, 1_000_000);
    for (let i = 0; i < 1_000; i += 1) {
      strays.ignore(`short ${i}`, clock, 100);
      time.pass(10);
    }
    assert.isAtMost(kept(), 50);
  });
});

describe('a waiter that has left, and whose leaving the server has forgotten', () => {
  const handOver = (owner?: string): { ms: number; held: boolean } => {
    const time = new VirtualTime();
    const memory = new Memory();
    const coordinator = (): LockCoordinator => memoryCoordinator({ memory, scheduler: time });
    const [a, b, c] = [coordinator(), coordinator(), coordinator()];
    const holder = a.mutex('x').subscribe();
    time.pass(0);
    const left = b.mutex('x', owner === undefined ? {} : { owner }).subscribe();
    time.pass(10);
    const at = memory.names.get('x');
    const [waiter] = at?.queue.values() ?? [];
    if (!at || !waiter) throw new Error('Nobody waits');
    left.unsubscribe();
    time.pass(10);
    at.queue.set(waiter.owner, waiter);
    const since = time.now();
    let ms = Number.POSITIVE_INFINITY;
    const next = c.mutex('x').subscribe(() => {
      ms = time.now() - since;
    });
    time.pass(10);
    holder.unsubscribe();
    time.pass(0);
    const held = at.holders.has(waiter.owner);
    time.pass(30_000);
    next.unsubscribe();
    for (const locks of [a, b, c]) void locks.close();
    time.pass(0);
    return { ms, held };
  };

  it('has its grant released at once, so that the next waiter loses no time', () => {
    assert.deepEqual(handOver(), { ms: 10, held: false });
  });

  it('is granted the lock until it lapses if its owner is explicit: another process may hold under it', () => {
    const { ms, held } = handOver('me');
    assert.isTrue(held);
    assert.isAtMost(ms, 10 + 10_001);
  });
});

/** The async context of the user's own code: always that of its subscription, whoever shares the answer or the timer. */
import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import { finalize, NEVER, Observable } from 'rxjs';
import type { LockCoordinator } from '../../src/index.ts';
import { whileHeld } from '../../src/index.ts';
import type { Lease } from '../../src/lease/lease.ts';
import type { LockOptions } from '../../src/options.ts';
import { Memory, memoryCoordinator } from '../../src/testing.ts';
import { heapUsed } from '../soak/heap.ts';
import { eventually } from '../support/eventually.ts';

const tenant = new AsyncLocalStorage<string>();

/** What was told to the tenants, and in whose context: `expected what context`. */
class Told {
  readonly all: string[] = [];

  say(mine: string, what: string): void {
    this.all.push(`${what} ${tenant.getStore() === mine ? 'mine' : `${mine} in ${tenant.getStore()}`}`);
  }

  /** Subscribes as a tenant. */
  as(mine: string, lock$: Observable<Lease>, act: (lease: Lease) => void = () => undefined): void {
    tenant.run(mine, () =>
      lock$.subscribe({
        next: (lease) => {
          this.say(mine, 'next');
          lease.signal.addEventListener('abort', () => this.say(mine, 'abort'));
          act(lease);
        },
        error: () => this.say(mine, 'error'),
        complete: () => this.say(mine, 'complete'),
      }),
    );
  }

  get wrong(): string[] {
    return this.all.filter((one) => !one.endsWith('mine'));
  }
}

describe('with AsyncLocalStorage', () => {
  let memory: Memory;
  let locks: LockCoordinator;
  let told: Told;

  beforeEach(() => {
    memory = new Memory();
    locks = memoryCoordinator({ memory, ttl: 1_000, renewEvery: 20, waiterTtl: 300 });
    told = new Told();
  });

  afterEach(() => locks.close());

  after(() => tenant.disable());

  const both = async (options: LockOptions, act?: (lease: Lease) => void): Promise<void> => {
    for (const mine of ['a', 'b']) told.as(mine, locks.mutex(mine, options), act);
    await eventually('both hold', () => told.all.filter((one) => one.startsWith('next')).length === 2);
  };

  it('values and completions are told in the context of the subscription', async () => {
    await both({}, (lease) => setTimeout(() => tenant.run('else', () => void lease.release()), 5));
    await eventually('both complete', () => told.all.filter((one) => one.startsWith('complete')).length === 2);
    assert.deepEqual(told.wrong, []);
  });

  it('a hand-off is told in the context of who waits, not of who releases', async () => {
    const first = await locks.mutex('x').acquire();
    told.as('a', locks.mutex('x'));
    await sleep(10);
    await tenant.run('else', () => first.release());
    await eventually('it is told', () => told.all.length > 0);
    assert.deepEqual(told.all, ['next mine']);
  });

  it('a loss, by a deadline or a timer that all share, is told in the context of each', async () => {
    await both({ maxHold: 50 });
    await eventually('both are lost', () => told.all.filter((one) => one.startsWith('error')).length === 2);
    assert.sameMembers(
      told.all,
      ['next', 'abort', 'error', 'next', 'abort', 'error'].map((what) => `${what} mine`),
    );
  });

  it('one lease of two subscriptions ends each in its own context, work and teardown too', async () => {
    const mutex = locks.mutex('x', { owner: 'me', maxHold: 60 });
    for (const mine of ['a', 'b']) {
      const work = new Observable<never>(() => {
        told.say(mine, 'work');
        return () => told.say(mine, 'teardown');
      });
      told.as(mine, mutex.pipe(whileHeld(() => work.pipe(finalize(() => told.say(mine, 'finalize'))))) as never);
    }
    await eventually('both are lost', () => told.all.filter((one) => one.startsWith('error')).length === 2);
    assert.deepEqual(told.wrong, []);
    assert.lengthOf(told.all, 8);
  });

  it('the close of the coordinator is told in the context of each', async () => {
    await both({});
    told.as('c', locks.mutex('a'));
    await sleep(10);
    await tenant.run('else', () => locks.close());
    assert.deepEqual(told.wrong, []);
    assert.lengthOf(
      told.all.filter((one) => one.startsWith('error')),
      3,
    );
  });

  it('the back-off is asked in the context of who waits', async () => {
    memory.latency = Number.POSITIVE_INFINITY;
    const backoff = (): number => {
      told.say('a', 'backoff');
      return 10;
    };
    told.as('a', locks.mutex('x', { backoff, commandTimeout: 10 }));
    await eventually('it is asked', () => told.all.length > 2);
    assert.deepEqual(told.wrong, []);
  });

  it('events are told in the context of the subscription that they are about, also of its end', async () => {
    const listener = tenant.run('listener', () => locks.events$.subscribe(({ type }) => told.say('a', type)));
    const work = locks.mutex('x').pipe(whileHeld(() => NEVER));
    const subscription = tenant.run('a', () => work.subscribe());
    await eventually('it is renewed', () => told.all.some((one) => one.startsWith('renewed')));
    tenant.run('else', () => subscription.unsubscribe());
    await eventually('it is released', () => told.all.some((one) => one.startsWith('released')));
    listener.unsubscribe();
    assert.deepEqual(told.wrong, []);
  });

  it('no resource of a subscription stays alive for async hooks, as those by which Jest looks for open handles', async () => {
    const alive = new Set<number>();
    const init = (id: number, type: string): unknown => type.startsWith('redisync') && alive.add(id);
    const hook = createHook({ init, destroy: (id) => alive.delete(id) }).enable();
    let most = 0;
    for (let i = 0; i < 100; i += 1) {
      const lease = await locks.mutex('x').acquire();
      most = Math.max(most, alive.size);
      await lease.release();
    }
    const left = async (): Promise<boolean> => {
      await heapUsed(); // they end when they are collected
      return alive.size < 10;
    };
    const deadline = performance.now() + 10_000;
    while (!(await left()) && performance.now() < deadline) await sleep(10);
    hook.disable();
    assert.isAbove(most, 0, 'it sees them');
    assert.isBelow(alive.size, 10);
  });
});

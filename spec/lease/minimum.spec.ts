/** The minimum hold: a lease that is released before it leaves the lock taken until then, in virtual time. */
import { assert } from 'chai';
import { firstValueFrom, type Observable } from 'rxjs';
import {
  type Lease,
  type LockCoordinator,
  type LockEvent,
  type LockOptions,
  RedisRefusedError,
} from '../../src/index.ts';
import { Memory, memoryCoordinator } from '../../src/testing.ts';
import { VirtualTime } from '../contract/virtual-time.ts';
import { left } from '../support/fake-store.ts';
import { label, virtual } from '../support/virtual.ts';

const BUSY = new RedisRefusedError('a', true, new Error('BUSY'));

describe('minHold', () => {
  it('passes what is left of it to the release, and nothing where that has passed', () => {
    for (const [at, keep] of [
      [101, 200],
      [301, undefined],
      [500, undefined],
    ] as const)
      virtual(({ lock, store, at: when, flush }) => {
        const subscription = lock({ minHold: 300 }).subscribe();
        when(at, () => subscription.unsubscribe());
        flush();
        assert.equal(store.asked.at(-1)?.keep, keep);
      });
  });

  it('keeps the name taken for what is left of it also if the release has to be repeated', () =>
    virtual(({ lock, store, at, flush }) => {
      store.departures = [store.failure(50, BUSY), store.after(1, left())];
      const subscription = lock({ minHold: 300 }).subscribe();
      at(101, () => subscription.unsubscribe());
      flush();
      const kept = store.asked.slice(-2).map(({ keep }) => keep);
      assert.deepEqual(kept, [200, 200 - 50 - 25]);
    }));

  it('does not keep the name taken after a loss, also one by maxHold', () =>
    virtual(({ lock, store, flush }) => {
      lock({ minHold: 300, maxHold: 300 }).subscribe({ error: () => undefined });
      store.renewals = [store.after(1, 'taken')];
      flush();
      assert.isUndefined(store.asked.at(-1)?.keep);
    }));

  it('is a bound of ms, and no more than maxHold', () => {
    const locks = memoryCoordinator();
    assert.throws(() => locks.mutex('a', { minHold: -1 }), RangeError, 'minHold (ms)');
    assert.throws(() => locks.mutex('a', { minHold: 301, maxHold: 300 }), RangeError, 'minHold (ms)');
    assert.throws(() => locks.mutex('a', { minHold: 1.5 }), RangeError, 'minHold (ms)');
  });

  describe('over a memory', () => {
    let time: VirtualTime;
    let memory: Memory;
    let seen: string[];

    beforeEach(() => {
      time = new VirtualTime();
      memory = new Memory();
      seen = [];
    });

    const coordinator = (): LockCoordinator => memoryCoordinator({ memory, scheduler: time });

    const watch = (name: string, lock$: Observable<unknown>): { unsubscribe(): void } =>
      lock$.subscribe({
        next: () => seen.push(`${time.now()} ${name} holds`),
        error: (error) => seen.push(`${time.now()} ${name} ${label(error)}`),
        complete: () => seen.push(`${time.now()} ${name} ends`),
      });

    /** A job of 5 ms, run on two hosts that start it 20 ms apart. */
    const twice = (second: (locks: LockCoordinator, options: LockOptions) => Observable<unknown>): void => {
      const options = { minHold: 1_000 };
      const job = watch('one', coordinator().mutex('job', options).try());
      time.pass(5);
      job.unsubscribe();
      time.pass(15);
      watch('two', second(coordinator(), options));
    };

    it('try() finds it busy until then, so that a job runs once though its hosts start it apart', () => {
      twice((locks, options) => locks.mutex('job', options).try());
      time.pass(1);
      assert.deepEqual(seen, ['0 one holds', '20 two ends']);
    });

    it('is waited for until then', () => {
      twice((locks, options) => locks.mutex('job', options));
      time.pass(5_000);
      assert.lengthOf(seen, 2);
      const at = Number.parseFloat(seen[1] ?? '');
      assert.isTrue(at >= 1_000 && at < 1_100, seen[1]);
    });

    it('is waited for until then also by who was in the queue before', () => {
      const job = watch('one', coordinator().mutex('job', { minHold: 1_000 }));
      time.pass(1);
      watch('two', coordinator().mutex('job'));
      time.pass(4);
      job.unsubscribe();
      time.pass(1_100);
      assert.deepEqual(seen, ['0 one holds', '1001 two holds']);
    });

    it('ends the lease for its holder at once, with a released event, and inspect shows it as held over', async () => {
      const locks = coordinator();
      const told: LockEvent[] = [];
      locks.events$.subscribe((event) => told.push(event));
      const job = watch('one', locks.mutex('job', { minHold: 1_000 }));
      time.pass(5);
      job.unsubscribe();
      time.pass(0);
      assert.deepEqual(
        told.map(({ type }) => type),
        ['acquired', 'released'],
      );
      const inspection = firstValueFrom(locks.inspect('job'));
      time.pass(0);
      const [holder] = (await inspection).holders;
      assert.isTrue(holder?.over);
      assert.equal(holder?.remaining, 995);
    });

    it('bounds how soon leadership changes: a leader that resigns at once follows until then, as the others do', async () => {
      const leases: (Lease | null)[] = [];
      const leading = coordinator()
        .leadership('lead', { minHold: 1_000 })
        .subscribe((lease) => {
          leases.push(lease);
          seen.push(`${time.now()} ${lease ? 'leads' : 'follows'}`);
        });
      time.pass(5);
      void leases.at(-1)?.release();
      time.pass(990);
      assert.deepEqual(seen, ['0 follows', '0 leads', '5 follows']);
      time.pass(200);
      assert.match(seen.at(-1) ?? '', /^1\d{3}(\.\d+)? leads$/);
      leading.unsubscribe();
    });

    it('goes for leadership, too: a follower leads once it has passed', () => {
      const one = watch('one', coordinator().leadership('lead', { minHold: 1_000 }));
      time.pass(5);
      one.unsubscribe();
      watch('two', coordinator().leadership('lead'));
      time.pass(900);
      assert.lengthOf(
        seen.filter((each) => each.includes('two')),
        1,
        'null, for it follows',
      );
      time.pass(4_000);
      assert.lengthOf(
        seen.filter((each) => each.includes('two')),
        2,
      );
    });
  });
});

/** The coordinator for users' specs: the whole of a pipeline in virtual time, without Redis. */
import { readFileSync } from 'node:fs';
import { assert, expect } from 'chai';
import {
  asyncScheduler,
  catchError,
  filter,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  tap,
  timeout,
  timer,
} from 'rxjs';
import { type RunHelpers, TestScheduler } from 'rxjs/testing';
import { allOf, anyOf, type Lease, RedisUnreachableError, whileHeld, withLock } from '../src/index.ts';
import { MemoryStore } from '../src/store/memory.ts';
import { Memory, memoryCoordinator } from '../src/testing.ts';
import { VirtualTime } from './contract/virtual-time.ts';
import { run } from './examples/run.ts';
import { label } from './support/virtual.ts';

const marbles = (spec: (helpers: RunHelpers) => void): void =>
  new TestScheduler((actual, expected) => assert.deepEqual(actual, expected)).run(spec);

/** `L` for a lease, the label of what went wrong for an error. */
const shown = (lease$: Observable<unknown>): Observable<string> =>
  lease$.pipe(
    map((lease) => (lease === null ? 'n' : 'L')),
    catchError((error: unknown) => {
      throw label(error);
    }),
  );

describe('The coordinator over memory', () => {
  describe('in TestScheduler.run', () => {
    it('needs no scheduler, and grants and releases on the frame on which it is asked', () =>
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const locks = memoryCoordinator();
        const one = cold('a--|');
        const two = cold('-b-|');
        expectObservable(merge(one.pipe(withLock(locks.mutex('x'))), two.pipe(withLock(locks.mutex('x'))))).toBe(
          'a---b-|',
        );
        expectSubscriptions(one.subscriptions).toBe('^--!');
        expectSubscriptions(two.subscriptions).toBe('---^--!');
      }));

    it('gives the locks of one coordinator to its subscribers in turn, also in another coordinator of the memory', () =>
      marbles(({ expectObservable }) => {
        const memory = new Memory();
        const here = memoryCoordinator({ memory });
        const there = memoryCoordinator({ memory });
        const elsewhere = memoryCoordinator();
        expectObservable(shown(here.mutex('x')), '  ^---!   ').toBe('L');
        expectObservable(shown(there.mutex('x')), ' ^------!').toBe('----L');
        expectObservable(shown(here.mutex('x')), '  -^-------!').toBe('-------L');
        expectObservable(shown(elsewhere.mutex('x')), '^------!').toBe('L');
      }));

    it('does what the README shows of it', () => {
      const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
      const [, example = ''] = /## Testing your own code[\s\S]*?```ts\n([\s\S]*?)```/.exec(readme) ?? [];
      const shown = new Function('testScheduler', 'memoryCoordinator', 'withLock', 'merge', example);
      let compared = 0;
      const testScheduler = new TestScheduler((actual, expected) => {
        assert.deepEqual(actual, expected);
        compared += 1;
      });
      shown(testScheduler, memoryCoordinator, withLock, merge);
      assert.equal(compared, 1);
    });

    it('shows the latency of the memory, before the grant and before the release is acknowledged', () =>
      marbles(({ cold, expectObservable }) => {
        const locks = memoryCoordinator({ memory: new Memory({ latency: 2 }) });
        expectObservable(cold('a-b|').pipe(withLock(locks.mutex('x')))).toBe('--a-b--|');
      }));

    it('runs semaphores, read-write locks and leadership', () =>
      marbles(({ expectObservable }) => {
        const locks = memoryCoordinator();
        const seats = locks.semaphore('seats', 2);
        const { read, write } = locks.readWriteLock('catalog');
        expectObservable(shown(seats), '^---!').toBe('L');
        expectObservable(shown(seats), '^-----!').toBe('L');
        expectObservable(shown(seats), '^-----!').toBe('----L');
        expectObservable(shown(read), ' ^--!').toBe('L');
        expectObservable(shown(write), '-^---!').toBe('---L');
        expectObservable(shown(read), ' --^---!').toBe('-----L');
        expectObservable(shown(locks.leadership('boss')), '^--!').toBe('(nL)');
        expectObservable(shown(locks.leadership('boss')), '^----!').toBe('n--L');
      }));

    it('completes a single attempt empty while the lock is held', () =>
      marbles(({ expectObservable }) => {
        const locks = memoryCoordinator();
        expectObservable(shown(locks.mutex('x')), '^-----!').toBe('L');
        expectObservable(shown(locks.mutex('x').try()), '--^').toBe('--|');
      }));

    it('takes all of several locks, or any', () =>
      marbles(({ expectObservable }) => {
        const locks = memoryCoordinator();
        expectObservable(shown(locks.mutex('a')), '^--!').toBe('L');
        expectObservable(shown(allOf(locks.mutex('b'), locks.mutex('a'))), '^-----!').toBe('---L');
        expectObservable(shown(anyOf(locks.mutex('a'), locks.mutex('c'))), '^-----!').toBe('L');
      }));

    it('keeps a lease for longer than its ttl, in virtual time, and lets it be timed out of the queue', () =>
      marbles(({ expectObservable }) => {
        const locks = memoryCoordinator({ ttl: 100 });
        expectObservable(shown(locks.mutex('x')), '^ 1s !').toBe('L');
        const impatient = locks.mutex('x').pipe(timeout({ first: 300, with: () => of(null) }));
        expectObservable(shown(impatient)).toBe('300ms (n|)');
      }));

    it('says that a lease was taken when it was broken, at the next renewal, and lets the next in at once', () =>
      marbles(({ expectObservable }) => {
        const locks = memoryCoordinator({ ttl: 90 });
        expectObservable(shown(locks.mutex('x'))).toBe('L 29ms #', undefined, 'lost: taken');
        expectObservable(shown(timer(10).pipe(mergeMap(() => locks.forceRelease('x'))))).toBe('10ms (L|)');
        expectObservable(shown(locks.mutex('x')), '^ 50ms !').toBe('10ms L');
      }));

    it('loses a lease when the memory does not answer until its deadline, and cancels the work', () =>
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const memory = new Memory();
        const locks = memoryCoordinator({ memory, ttl: 1_000 });
        const work = cold('---a');
        const outage = timer(100).pipe(
          map(() => {
            memory.latency = Infinity;
          }),
        );
        expectObservable(shown(outage)).toBe('100ms (L|)');
        expectObservable(shown(work.pipe(withLock(locks.mutex('x'))))).toBe(
          '---L 984ms #',
          undefined,
          'lost: unreachable',
        );
        expectSubscriptions(work.subscriptions).toBe('^ 987ms !');
      }));

    it('shows whole frames: a dead holder is followed 1 ms after its ttl, and a shorter ttl renewed at a third of it', () =>
      marbles(({ expectObservable }) => {
        const memory = new Memory();
        const dead = { name: 'x', owner: 'dead', mode: 'exclusive', permits: 1, limit: 0, waiterTtl: 1_000 } as const;
        new MemoryStore(memory, asyncScheduler).acquire({ ...dead, ttl: 30_000 }, true, 100).subscribe();
        const locks = memoryCoordinator({ memory });
        expectObservable(shown(locks.mutex('x')), '^ 31s !').toBe('30001ms L');
        const renewals = locks.events$.pipe(
          filter(({ type }) => type === 'renewed'),
          map(() => 'r'),
        );
        const shorter = locks.mutex('y', { ttl: 1_000 }).pipe(tap((lease) => void lease.renew(100)));
        expectObservable(shown(shorter), '^ 99ms !').toBe('L');
        expectObservable(renewals, '^ 99ms !').toBe('r 32ms r 32ms r 32ms r');
      }));

    it('waits on through an outage, by a back-off without jitter', () =>
      marbles(({ expectObservable }) => {
        const memory = new Memory({ latency: Infinity });
        const locks = memoryCoordinator({ memory, commandTimeout: 100 });
        const events = locks.events$.pipe(map(({ type }) => type));
        expectObservable(
          shown(
            timer(420).pipe(
              map(() => {
                memory.latency = 0;
              }),
            ),
          ),
        ).toBe('420ms (L|)');
        expectObservable(shown(locks.mutex('x')), '^ 999ms !').toBe('650ms L');
        expectObservable(events, '^ 1999ms !').toBe('100ms f 149ms f 199ms f 199ms a 349ms r', {
          f: 'attemptFailed',
          a: 'acquired',
          r: 'released',
        });
      }));

    it('gives the same fences on every run, which rise', () => {
      const fences = (): number[] => {
        const seen: number[] = [];
        marbles(({ cold, flush }) => {
          const locks = memoryCoordinator();
          const note = whileHeld((lease: Lease) =>
            cold('--|').pipe(
              map(() => lease),
              (work) => {
                seen.push(lease.fence);
                return work;
              },
            ),
          );
          merge(...[1, 2, 3].map(() => locks.mutex('x').pipe(note))).subscribe();
          flush();
        });
        return seen;
      };
      expect(fences()).to.deep.equal([1, 2_000, 4_000]);
      expect(fences()).to.deep.equal([1, 2_000, 4_000]);
    });

    it('inspects, watches and lists in virtual time', () =>
      marbles(({ expectObservable }) => {
        const locks = memoryCoordinator();
        const holders = locks.watch('x', { every: 10 }).pipe(map(({ holders: held }) => held.length));
        expectObservable(holders, '^ 49ms !').toBe('a 29ms b 9ms a', { a: 0, b: 1 });
        expectObservable(shown(locks.mutex('x')), '25ms ^ 9ms !').toBe('25ms L');
        expectObservable(timer(30).pipe(mergeMap(() => locks.list('?')))).toBe('30ms (x|)');
      }));
  });

  it('works in real time too, for promise code', async () => {
    await using locks = memoryCoordinator();
    const order: string[] = [];
    const work = async (name: string): Promise<void> => {
      await using _lease = await locks.mutex('x').acquire();
      order.push(`${name} in`);
      await new Promise((resolve) => setImmediate(resolve));
      order.push(`${name} out`);
    };
    await Promise.all([work('a'), work('b'), work('c')]);
    expect(order).to.deep.equal(['a in', 'a out', 'b in', 'b out', 'c in', 'c out']);
  });

  it('shows in its example how a pipeline is tested without Redis', async () => {
    const { code, output } = await run('testing.ts', 'redis://127.0.0.1:1');
    expect(code, output).to.equal(0);
    expect(output.match(/^ok: /gm)).to.have.length(4);
  });

  it('has every check of a coordinator', () => {
    expect(() => memoryCoordinator({ ttl: 0.5 })).to.throw(RangeError, 'ttl');
    expect(() => memoryCoordinator().mutex('')).to.throw(RangeError, 'name');
  });
});

describe('A renewal whose answer is lost', () => {
  const setUp = (): { time: VirtualTime; memory: Memory; lease: Lease; other: () => boolean } => {
    const time = new VirtualTime();
    const memory = new Memory();
    const locks = memoryCoordinator({ memory, scheduler: time, ttl: 10_000, commandTimeout: 100 });
    const leases: Lease[] = [];
    locks.readWriteLock('x').write.subscribe({ next: (lease) => leases.push(lease), error: () => undefined });
    time.pass(0);
    const [lease] = leases;
    if (!lease) throw new Error('No lease');
    memory.latency = 101;
    const second = (): boolean => {
      const got: Lease[] = [];
      locks
        .readWriteLock('x')
        .read.try()
        .subscribe((other) => got.push(other));
      time.pass(0);
      return got.length > 0;
    };
    return { time, memory, lease, other: second };
  };
  it('leaves a lease shared that was to be downgraded, as others may share it already', async () => {
    const { time, memory, lease, other } = setUp();
    const downgraded = lease.downgrade().catch((error: unknown) => error);
    memory.latency = 0;
    expect(other()).to.equal(true);
    expect(lease.mode).to.equal('shared');
    time.pass(100);
    expect(await downgraded).to.be.instanceOf(RedisUnreachableError);
  });

  it('with a shorter ttl leaves no more than that, as the lock may be free then', async () => {
    const { time, memory, lease, other } = setUp();
    const renewed = lease.renew(50).catch((error: unknown) => error);
    memory.latency = 0;
    time.pass(50);
    expect(other()).to.equal(true);
    expect(lease.held).to.equal(false);
    expect(await renewed).to.be.instanceOf(RedisUnreachableError);
  });
});

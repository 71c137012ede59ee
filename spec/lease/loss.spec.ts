/** How a lease is lost, in virtual time: on time, once, for good. ttl 1 000 (valid for 988 ms), renewed every 300. */
import { assert } from 'chai';
import { tap } from 'rxjs';
import type { Clock } from '../../src/clock.ts';
import { LockCorruptedError, LockLostError, RedisUnreachableError } from '../../src/errors.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { Lock } from '../../src/locks/lock.ts';
import type { LockOptions } from '../../src/options.ts';
import { granted, silence } from '../support/fake-store.ts';
import { label, shown, type Virtual, virtual } from '../support/virtual.ts';

/** A lock whose clocks can be set apart from the scheduler, as by a pause of the process or a step of the wall clock. */
const stepped = (
  { lock, time }: Virtual,
  options: LockOptions = {},
): { lock$: Lock; step: { now: number; wall: number } } => {
  const step = { now: 0, wall: 0 };
  const clock: Clock = { now: () => time.now() + step.now, wall: () => time.now() + step.wall };
  const { wanted } = lock(options);
  return { lock$: new Lock({ ...wanted, terms: { ...wanted.terms, clock } }), step };
};

describe('a lease', () => {
  it('that Redis does not have any more is lost as taken at its next renewal, and released by owner', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.renewals = [store.after(5, 'taken')];
      expectObservable(shown(lock())).toBe('-L 303ms #', undefined, 'lost: taken');
      ends(['0 acquire', '300 renew', '305 release']);
    }));

  it('whose key holds something else is lost as taken, with the error of Redis as its cause', () =>
    virtual(({ lock, store, flush }) => {
      const corrupted = new LockCorruptedError('a');
      const seen: unknown[] = [];
      store.renewals = [store.failure(5, corrupted)];
      lock().subscribe({ error: (error) => seen.push(label(error), error.cause) });
      flush();
      assert.deepEqual(seen, ['lost: taken', corrupted]);
    }));

  it('that was slow to be granted is valid from the sending of its request, not from the answer', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(900, granted())];
      store.renewals = [silence];
      expectObservable(shown(lock())).toBe('900ms L 87ms #', undefined, 'lost: unreachable');
      ends(['0 acquire', '900 renew', '988 release']);
    }));

  it('is valid from the sending of its last renewal, not from the answer', () =>
    virtual(({ lock, store, expectObservable, flush }) => {
      store.renewals = [store.after(200, 'renewed'), silence];
      expectObservable(shown(lock())).toBe('-L 1286ms #', undefined, 'lost: unreachable');
      flush();
    }));

  it('whose renewal is answered after the deadline is lost', () =>
    virtual(({ lock, store, flush }) => {
      // a validity of 47.5: the renewal at 16 has 31.5 ms, which is 32 in whole ms
      const seen: string[] = [];
      store.renewals = [store.after(31.8, 'renewed')];
      lock({ ttl: 50, renewEvery: 16 }).subscribe({ error: (error) => seen.push(label(error)) });
      flush();
      assert.deepEqual(seen, ['lost: expired']);
    }));

  it('is held for maxHold from its emission, then lost, although it is renewed', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.acquires = [store.after(5, granted())];
      expectObservable(shown(lock({ maxHold: 500 }))).toBe('5ms L 499ms #', undefined, 'lost: maxHold');
      ends(['0 acquire', '300 renew', '505 release']);
    }));

  it('that was lost says so in every way, with the same error', () =>
    virtual(({ lock, store, flush }) => {
      let lease: Lease | undefined;
      const errors: unknown[] = [];
      store.renewals = [store.after(5, 'taken')];
      lock().subscribe({
        next: (value) => {
          lease = value;
          value.signal.addEventListener('abort', () => errors.push(value.signal.reason));
        },
        error: (error) => errors.push(error),
      });
      flush();
      assert.isFalse(lease?.held);
      assert.equal(lease?.remaining(), 0);
      assert.isTrue(lease?.signal.aborted);
      assert.throws(() => lease?.assertHeld(), LockLostError, 'The lease on "a" is lost: taken');
      assert.equal(errors.length, 2);
      assert.instanceOf(errors[0], LockLostError);
      assert.strictEqual(errors[1], errors[0]);
    }));

  it('that was lost is over when the signal is aborted, and the stream errors after that', () =>
    virtual(({ lock, store, flush }) => {
      const seen: string[] = [];
      store.renewals = [store.after(5, 'taken')];
      lock().subscribe({
        next: (lease) => lease.signal.addEventListener('abort', () => seen.push(`aborted, held ${lease.held}`)),
        error: () => seen.push('errored'),
      });
      flush();
      assert.deepEqual(seen, ['aborted, held false', 'errored']);
    }));

  it('that was lost is not renewed or released again', async () => {
    let lease: Lease | undefined;
    let calls: readonly string[] = [];
    virtual(({ lock, store, flush }) => {
      store.renewals = [store.after(5, 'taken')];
      lock().subscribe({ next: (value) => (lease = value), error: () => undefined });
      flush();
      calls = store.log;
    });
    assert.isFalse(await lease?.release());
    assert.equal(await lease?.renew().catch(label), 'lost: taken');
    assert.deepEqual(calls, ['0 acquire', '300 renew', '305 release']);
  });

  it('is lost once for two callers of renew(), of whom the second waits for the first', () =>
    virtual(({ lock, store, at, ends }) => {
      const seen: string[] = [];
      let lease: Lease | undefined;
      store.renewals = [store.after(5, 'taken')];
      lock().subscribe({ next: (value) => (lease = value), error: (error) => seen.push(label(error)) });
      at(100, () => {
        for (let i = 0; i < 2; i += 1) void lease?.renew().catch((error) => seen.push(label(error)));
      });
      ends(['0 acquire', '100 renew', '105 release']);
      assert.deepEqual(seen, ['lost: taken']);
    }));
});

describe('a pause of the process past the deadline', () => {
  it('is seen by the first call of held, remaining or assertHeld, without a timer', () =>
    virtual((v) => {
      const { lock$, step } = stepped(v);
      let lease: Lease | undefined;
      v.expectObservable(shown(lock$.pipe(tap((value) => (lease = value))))).toBe(
        '-L 98ms #',
        undefined,
        'lost: expired',
      );
      v.at(100, () => {
        assert.isTrue(lease?.held);
        step.now = step.wall = 5_000;
        assert.throws(() => lease?.assertHeld(), LockLostError);
        assert.isFalse(lease?.held);
        assert.equal(lease?.remaining(), 0);
      });
      v.at(102, () => assert.equal(v.scheduler.pending, 0));
      v.ends(['0 acquire', '100 release']);
    }));

  it('is seen by a second subscription of its owner, which then acquires the lock anew', () => {
    for (const single of [false, true])
      virtual((v) => {
        const { lock$, step } = stepped(v, { owner: 'me' });
        const seen: string[] = [];
        lock$.subscribe({ error: (error) => seen.push(label(error)) });
        v.at(100, () => {
          step.now = step.wall = 5_000;
          const second = (single ? lock$.try() : lock$).subscribe(({ held }) => seen.push(`held: ${held}`));
          v.at(100, () => second.unsubscribe());
        });
        v.ends(['0 acquire', `100 ${single ? 'try' : 'acquire'}`, '200 release']);
        assert.deepEqual(seen, ['lost: expired', 'held: true']);
      });
  });

  it('is reported within that call: the signal is aborted, and the stream has errored', () => {
    const looks: Record<string, (lease: Lease) => unknown> = {
      held: (lease) => lease.held,
      remaining: (lease) => lease.remaining(),
      assertHeld: (lease) => {
        try {
          lease.assertHeld();
        } catch (error) {
          return error;
        }
        return undefined;
      },
      renew: (lease) => void lease.renew().catch(() => undefined),
    };
    for (const [how, look] of Object.entries(looks))
      virtual((v) => {
        const { lock$, step } = stepped(v);
        const seen: string[] = [];
        let lease: Lease | undefined;
        lock$.subscribe({ next: (value) => (lease = value), error: (error) => seen.push(label(error)) });
        v.at(100, () => {
          const { signal } = lease ?? {};
          assert.isFalse(signal?.aborted, how);
          step.now = step.wall = 5_000;
          if (lease) look(lease);
          assert.isTrue(signal?.aborted, how);
          assert.equal(label(signal?.reason), 'lost: expired', how);
          assert.deepEqual(seen, ['lost: expired'], how);
        });
        v.ends(['0 acquire', '100 release']);
      });
  });

  it('past its maxHold is a loss for that reason', () =>
    virtual((v) => {
      const step = { now: 0 };
      const clock: Clock = { now: () => v.time.now() + step.now, wall: () => v.time.now() + step.now };
      const { wanted } = v.lock({ maxHold: 300 });
      let lease: Lease | undefined;
      const seen: string[] = [];
      const lock$ = new Lock({ ...wanted, terms: { ...wanted.terms, clock } });
      lock$.subscribe({ next: (value) => (lease = value), error: (error) => seen.push(label(error)) });
      v.at(100, () => {
        step.now = 500;
        assert.isFalse(lease?.held);
        assert.deepEqual(seen, ['lost: maxHold']);
      });
      v.ends(['0 acquire', '100 release']);
    }));

  it('is a loss also for a caller of release() after it', () =>
    virtual((v) => {
      const { lock$, step } = stepped(v);
      let lease: Lease | undefined;
      const answers: unknown[] = [];
      v.expectObservable(shown(lock$.pipe(tap((value) => (lease = value))))).toBe(
        '-L 98ms #',
        undefined,
        'lost: expired',
      );
      v.at(100, () => {
        step.now = step.wall = 5_000;
        answers.push(lease?.release());
        assert.equal(label(lease?.signal.reason), 'lost: expired');
      });
      v.ends(['0 acquire', '100 release']);
    }));

  it('is a loss at the next renewal, which is not sent, if nothing was called before', () =>
    virtual((v) => {
      const { lock$, step } = stepped(v);
      v.expectObservable(shown(lock$)).toBe('-L 298ms #', undefined, 'lost: expired');
      v.at(100, () => {
        step.now = step.wall = 5_000;
      });
      v.ends(['0 acquire', '300 release']);
    }));

  it('is a loss whose cause is not a renewal that failed long before', () =>
    virtual((v) => {
      const { lock$, step } = stepped(v);
      let error: Error | undefined;
      v.store.renewals = [v.store.failure(0, new RedisUnreachableError('a', 'No answer')), v.store.after(0, 'renewed')];
      lock$.subscribe({ error: (reason) => (error = reason) });
      v.at(500, () => {
        step.now = step.wall = 5_000;
      });
      v.flush();
      assert.equal(label(error), 'lost: expired');
      assert.isUndefined(error?.cause);
    }));

  it('by the wall clock alone, as while a machine sleeps, counts as well', () =>
    virtual((v) => {
      const { lock$, step } = stepped(v);
      v.expectObservable(shown(lock$)).toBe('-L 298ms #', undefined, 'lost: expired');
      v.at(100, () => {
        step.wall = 3_600_000;
      });
      v.ends(['0 acquire', '300 release']);
    }));

  it('is final, also when the wall clock steps back before anything else happens', () =>
    virtual((v) => {
      const { lock$, step } = stepped(v);
      let lease: Lease | undefined;
      v.expectObservable(shown(lock$.pipe(tap((value) => (lease = value))))).toBe(
        '-L 98ms #',
        undefined,
        'lost: expired',
      );
      v.at(100, () => {
        step.wall = 5_000;
        assert.isFalse(lease?.held);
        step.wall = 0;
        assert.isFalse(lease?.held);
        assert.throws(() => lease?.assertHeld(), LockLostError);
      });
      v.ends(['0 acquire', '100 release']);
    }));

  it('cannot be undone by a wall clock that steps back: the monotonic one counts', () =>
    virtual((v) => {
      const { lock$, step } = stepped(v);
      v.store.renewals = [v.store.failure(0, new RedisUnreachableError('a', 'The connection closed'))];
      v.at(50, () => {
        step.wall = -3_600_000;
      });
      v.expectObservable(shown(lock$)).toBe('-L 986ms #', undefined, 'lost: unreachable');
      v.flush();
    }));
});

describe('a lease with a maxHold', () => {
  it('has no more remaining() than is left of it', () =>
    virtual(({ lock, at, flush }) => {
      let lease: Lease | undefined;
      lock({ maxHold: 300 }).subscribe({ next: (value) => (lease = value), error: () => undefined });
      at(101, () => {
        assert.equal(lease?.remaining(), 200);
        lease?.assertHeld(199);
        assert.throws(() => lease?.assertHeld(200), LockLostError);
      });
      at(300, () => assert.equal(lease?.remaining(), 1));
      flush();
    }));
});

describe('assertHeld(minimum)', () => {
  const causeOf = (call: () => void): string | undefined => {
    try {
      call();
    } catch (error) {
      if (error instanceof LockLostError) return String(error.cause);
    }
    return undefined;
  };

  it('throws when no more than minimum ms are left, says so, and the lease stays held', () =>
    virtual(({ lock, at, expectObservable, flush }) => {
      let lease: Lease | undefined;
      expectObservable(shown(lock().pipe(tap((value) => (lease = value)))), '^ 199ms !').toBe('-L');
      at(100, () => {
        lease?.assertHeld();
        lease?.assertHeld(887);
        assert.throws(() => lease?.assertHeld(888), LockLostError);
        assert.equal(
          causeOf(() => lease?.assertHeld(900)),
          'Error: it can be believed for 888 ms more, and assertHeld was asked for 900 ms',
        );
        assert.isTrue(lease?.held);
      });
      flush();
    }));

  it('throws once the lease was released, and says that it was', () =>
    virtual(({ lock, at, flush }) => {
      let lease: Lease | undefined;
      lock().subscribe((value) => (lease = value));
      at(100, () => {
        void lease?.release();
        assert.throws(() => lease?.assertHeld(), LockLostError, 'The lease on "a" is lost: released');
      });
      flush();
    }));
});

describe('a signal', () => {
  it('is aborted with an AbortError when the lease is released, and is the same one each time', () =>
    virtual(({ lock, at, flush }) => {
      let lease: Lease | undefined;
      lock().subscribe((value) => (lease = value));
      at(100, () => {
        const signal = lease?.signal;
        assert.isFalse(signal?.aborted);
        void lease?.release();
        assert.isTrue(signal?.aborted);
        assert.equal(signal?.reason.name, 'AbortError');
        assert.strictEqual(lease?.signal, signal);
      });
      flush();
    }));

  it('has as many users as it likes: Node takes the eleventh listener for a leak', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error): number => warnings.push(warning);
    process.on('warning', listen);
    virtual(({ lock, at, flush }) => {
      const subscription = lock().subscribe(({ signal }) => {
        for (let i = 0; i < 20; i += 1) signal.addEventListener('abort', () => undefined);
        const { signal: dependent } = new AbortController();
        AbortSignal.any([signal, dependent]);
      });
      at(100, () => subscription.unsubscribe());
      flush();
    });
    await new Promise((resolve) => setImmediate(resolve)); // warnings come in the next tick
    process.off('warning', listen);
    assert.deepEqual(warnings, []);
  });

  it('that is asked for after the loss is aborted already', () =>
    virtual(({ lock, store, flush }) => {
      let lease: Lease | undefined;
      store.renewals = [store.after(5, 'taken')];
      lock().subscribe({ next: (value) => (lease = value), error: () => undefined });
      flush();
      assert.equal(label(lease?.signal.reason), 'lost: taken');
    }));
});

/** The promise face of a lock: what it resolves and rejects with, and what it leaves behind, in virtual time. */
import { getEventListeners } from 'node:events';
import { assert } from 'chai';
import { RedisRefusedError, RedisUnreachableError, type RedisyncError } from '../../src/errors.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { allOf } from '../../src/locks/all-of.ts';
import type { Lock } from '../../src/locks/lock.ts';
import { denied, granted, left, silence } from '../support/fake-store.ts';
import { label, type Virtual, virtual } from '../support/virtual.ts';

/** Runs a spec in virtual time, and gives what its promise came to, as a label where that is an error. */
const outcome = async (spec: (v: Virtual) => Promise<unknown>): Promise<unknown> => {
  let promise: Promise<unknown> | undefined;
  virtual((v) => {
    promise = spec(v).catch(label);
    v.at(5_000, () => v.sessions.shut().subscribe());
    v.flush();
    assert.equal(v.scheduler.pending, 0);
  });
  return promise;
};

describe('acquire()', () => {
  it('resolves with the lease, which stays held', async () => {
    const seen: boolean[] = [];
    const lease = await outcome((v) => {
      const promise = v.lock().acquire();
      void promise.then((value) => seen.push(value.held));
      return promise;
    });
    assert.equal((lease as Lease).name, 'a');
  });

  it('waits for its turn without end by default', async () => {
    const calls: string[] = [];
    await outcome((v) => {
      v.store.acquires = [v.store.after(1, denied({ wait: 4_000 })), v.store.after(1, granted())];
      const promise = v.lock({ waiterTtl: 90_000 }).acquire();
      v.at(4_500, () => calls.push(...v.store.log));
      return promise;
    });
    assert.deepEqual(calls, ['0 acquire', '4002 acquire', '4302 renew']);
  });

  it('rejects after timeout ms, and has left the queue then', async () => {
    let calls: readonly string[] = [];
    let error: RedisyncError | undefined;
    await outcome((v) => {
      v.store.acquires = [v.store.after(1, denied())];
      calls = v.store.log;
      const promise = v.lock().acquire({ timeout: 100 });
      return promise.catch((reason) => {
        error = reason;
      });
    });
    assert.equal(error?.code, 'LOCK_TIMEOUT');
    assert.equal(
      error?.message,
      'The lock "a" was not granted within 100 ms: 0 ahead in the queue; try again, or raise the timeout',
    );
    assert.deepEqual(calls, ['0 acquire', '100 release', '100 inspect']);
  });

  it('with a timeout of 0 makes a single attempt', async () => {
    let calls: readonly string[] = [];
    const error = await outcome((v) => {
      v.store.acquires = [v.store.after(30, denied())];
      calls = v.store.log;
      return v.lock().acquire({ timeout: 0 });
    });
    assert.equal(error, 'LOCK_TIMEOUT');
    assert.deepEqual(calls, ['0 try', '30 inspect']);
  });

  it('with a timeout of 0 resolves when the lock is free', async () => {
    assert.propertyVal(await outcome((v) => v.lock().acquire({ timeout: 0 })), 'name', 'a');
  });

  it('with a timeout of 0 rejects with the failure when Redis fails', async () => {
    const error = await outcome((v) => {
      v.store.acquires = [silence];
      return v.lock({ commandTimeout: 20 }).acquire({ timeout: 0 });
    });
    assert.equal(error, 'REDIS_UNREACHABLE');
  });

  it('is not affected by its timeout once the lease was granted', async () => {
    const held: boolean[] = [];
    await outcome((v) => {
      const promise = v.lock().acquire({ timeout: 100 });
      v.at(400, () => held.push(v.store.log.at(-1)?.endsWith('renew') ?? false));
      return promise;
    });
    assert.deepEqual(held, [true]);
  });

  it('releases a grant that comes after the timeout', async () => {
    let calls: readonly string[] = [];
    const error = await outcome((v) => {
      v.store.acquires = [v.store.after(150, granted())];
      calls = v.store.log;
      return v.lock().acquire({ timeout: 100 });
    });
    assert.equal(error, 'REDIS_UNREACHABLE');
    assert.deepEqual(calls, ['0 acquire', '150 release']);
  });

  it('rejects when the signal is aborted, with its reason, and has left the queue', async () => {
    let error: RedisyncError | undefined;
    let calls: readonly string[] = [];
    const aborter = new AbortController();
    await outcome((v) => {
      v.store.acquires = [v.store.after(1, denied())];
      calls = v.store.log;
      v.at(70, () => aborter.abort('enough'));
      return v
        .lock()
        .acquire({ signal: aborter.signal })
        .catch((reason) => {
          error = reason;
        });
    });
    assert.equal(error?.code, 'LOCK_ABORTED');
    assert.equal(error?.name, 'AbortError');
    assert.equal(error?.cause, 'enough');
    assert.equal(error?.lock, 'a');
    assert.deepEqual(calls, ['0 acquire', '70 release']);
  });

  it('sends nothing when the signal is aborted already', async () => {
    let calls: readonly string[] = [];
    const error = await outcome((v) => {
      calls = v.store.log;
      return v.lock().acquire({ signal: AbortSignal.abort() });
    });
    assert.equal(error, 'LOCK_ABORTED');
    assert.deepEqual(calls, []);
  });

  it('is not affected by its signal once the lease was granted', async () => {
    const aborter = new AbortController();
    const held: boolean[] = [];
    await outcome((v) => {
      const promise = v.lock().acquire({ signal: aborter.signal });
      v.at(100, () => aborter.abort());
      v.at(400, () => held.push(v.store.log.at(-1)?.endsWith('renew') ?? false));
      return promise;
    });
    assert.deepEqual(held, [true]);
  });

  it('is aborted also by a listener of its own events', async () => {
    const aborter = new AbortController();
    const error = await outcome((v) => {
      v.store.acquires = [v.store.failure(0, new RedisRefusedError('a', true, new Error('BUSY')))];
      v.sessions.events$.subscribe(() => aborter.abort());
      return v.lock().acquire({ signal: aborter.signal });
    });
    assert.equal(error, 'LOCK_ABORTED');
  });

  it('leaves no listener on the signal, however it ends', async () => {
    const { signal } = new AbortController();
    const ends: ((v: Virtual) => void)[] = [
      () => undefined,
      ({ store }) => {
        store.acquires = [store.after(1, denied())];
      },
      ({ store }) => {
        store.acquires = [store.failure(1, new Error('no'))];
      },
    ];
    for (const end of ends) {
      for (const timeout of [0, 50]) {
        await outcome((v) => {
          end(v);
          return v.lock().acquire({ signal, timeout });
        });
        assert.lengthOf(getEventListeners(signal, 'abort'), 0, `${ends.indexOf(end)} with a timeout of ${timeout}`);
      }
    }
  });

  it('has one listener on a signal, however many wait by it: Node warns of eleven', async () => {
    const aborter = new AbortController();
    const { signal } = aborter;
    const listeners = (): number => getEventListeners(signal, 'abort').length;
    const seen: number[] = [];
    let calls: readonly string[] = [];
    const errors = await outcome((v) => {
      v.store.acquires = [v.store.after(1, granted()), v.store.after(1, denied({ wait: 4_000 }))];
      calls = v.store.log;
      const all = Array.from({ length: 12 }, () => v.lock().acquire({ signal }).catch(label));
      seen.push(listeners());
      v.at(50, () => {
        seen.push(listeners());
        aborter.abort();
        seen.push(listeners());
      });
      return Promise.all(all.slice(1));
    });
    assert.deepEqual(errors, Array(11).fill('LOCK_ABORTED'));
    assert.deepEqual(seen, [1, 1, 0]);
    assert.lengthOf(
      calls.filter((call) => call === '50 release'),
      11,
    );
  });

  it('tells by the cause of the time-out that it was Redis that failed, not others that held', async () => {
    const one = ({ lock }: Virtual) => lock();
    const all = ({ lock }: Virtual) => allOf(lock({}, 'a'), lock({}, 'b'));
    const cause = async (spec: (v: Virtual) => void, made: typeof one | typeof all = one): Promise<unknown> => {
      let error: RedisyncError | undefined;
      await outcome((v) => {
        spec(v);
        return made(v)
          .acquire({ timeout: 100 })
          .catch((reason) => {
            error = reason;
          });
      });
      assert.equal(error?.code, 'LOCK_TIMEOUT');
      return error?.cause;
    };
    const busy = new RedisRefusedError('a', true, new Error('BUSY'));
    assert.strictEqual(await cause(({ store }) => (store.acquires = [store.failure(1, busy)])), busy);
    assert.isUndefined(await cause(({ store }) => (store.acquires = [store.after(1, denied())])));
    const recovered = (v: Virtual) => (v.store.acquires = [v.store.failure(1, busy), v.store.after(1, denied())]);
    assert.isUndefined(await cause(recovered));
    const second = ({ store }: Virtual) => (store.acquires = [store.after(1, granted()), store.failure(1, busy)]);
    assert.strictEqual(await cause(second, all), busy);
    assert.isUndefined(
      await cause(({ store }) => (store.acquires = [store.after(1, granted()), store.after(1, denied())]), all),
    );
  });

  it('rejects as unreachable where Redis was never heard while it waited, with what the connection failed with', async () => {
    const refused = new Error('connect ECONNREFUSED 127.0.0.1:1');
    const late = async (spec: (v: Virtual) => void): Promise<RedisyncError> => {
      const errors: RedisyncError[] = [];
      const made = [
        (lock: Lock): Promise<unknown> => lock.acquire({ timeout: 100 }),
        (lock: Lock) => allOf(lock).acquire({ timeout: 100 }),
      ];
      for (const ask of made) {
        await outcome((v) => {
          spec(v);
          return ask(v.lock({ commandTimeout: 30 })).catch((error) => errors.push(error));
        });
      }
      const [error, same] = errors;
      assert.equal(error?.message, same?.message);
      if (!error) throw new Error('It was acquired');
      return error;
    };
    const silent = await late(({ store }) => (store.acquires = [silence]));
    assert.instanceOf(silent, RedisUnreachableError);
    assert.equal(silent.lock, 'a');
    const away = await late(({ store }) => {
      store.acquires = [silence];
      store.lastError = refused;
    });
    assert.instanceOf(away, RedisUnreachableError);
    const failing = new RedisUnreachableError('a', 'There was no connection to Redis within 30 ms', undefined, refused);
    const failed = await late(({ store }) => (store.acquires = [store.failure(30, failing)]));
    assert.strictEqual(failed.cause, refused);
    assert.equal(
      failed.message,
      'Redis did not answer within 100 ms (lock "a"): connect ECONNREFUSED 127.0.0.1:1; check that Redis is up, and can be reached from here',
    );
    const heard = await late(({ store }) => (store.acquires = [store.after(1, denied()), silence]));
    assert.equal(heard.code, 'LOCK_TIMEOUT');
  });

  it('takes a signal that is like an AbortSignal, from another library', async () => {
    const listeners = new Set<() => void>();
    const foreign = {
      aborted: false,
      reason: 'enough',
      addEventListener: (_: string, listener: () => void) => listeners.add(listener),
      removeEventListener: (_: string, listener: () => void) => listeners.delete(listener),
    };
    const error = await outcome((v) => {
      v.store.acquires = [v.store.after(1, denied())];
      v.at(50, () => {
        for (const listener of listeners) listener();
      });
      return v.lock().acquire({ signal: foreign as unknown as AbortSignal });
    });
    assert.equal(error, 'LOCK_ABORTED');
    assert.equal(listeners.size, 0);
  });

  it('checks its arguments at once, and asks nobody', () =>
    virtual(({ lock, ends }) => {
      for (const timeout of [-1, 0.5, Number.NaN, 2 ** 31]) {
        assert.throws(() => lock().acquire({ timeout }), RangeError, 'timeout');
      }
      assert.throws(() => lock().acquire({ timeout: '5' as never }), TypeError, 'timeout');
      assert.throws(() => lock().acquire({ signal: {} as never }), TypeError, 'signal');
      assert.throws(
        () => lock().acquire({ signal: null as never }),
        TypeError,
        'signal must be an AbortSignal, got null',
      );
      assert.throws(() => lock().acquire(5 as never), TypeError, 'options');
      ends([]);
    }));
});

describe('lease.release()', () => {
  const released = async (spec: (v: Virtual, release: () => void) => void): Promise<unknown[]> => {
    const answers: Promise<unknown>[] = [];
    virtual((v) => {
      let lease: Lease | undefined;
      spec(v, () => void (lease && answers.push(lease.release())));
      v.lock({ commandTimeout: 50 }).subscribe({ next: (value) => (lease = value), error: () => undefined });
      v.at(5_000, () => v.sessions.shut().subscribe());
      v.flush();
    });
    return Promise.all(answers);
  };

  it('resolves with true when the lease was released', async () => {
    assert.deepEqual(await released((v, release) => v.at(100, release)), [true]);
  });

  it('called twice releases once; a call after the acknowledgement resolves with false', async () => {
    let calls: readonly string[] = [];
    const answers = await released((v, release) => {
      calls = v.store.log;
      v.at(100, release);
      v.at(100, release);
      v.at(3_000, release);
    });
    assert.deepEqual(answers, [true, true, false]);
    assert.deepEqual(calls, ['0 acquire', '100 release']);
  });

  it('resolves with false when Redis did not have the lease any more', async () => {
    const answers = await released((v, release) => {
      v.store.departures = [v.store.after(1, left({ held: false }))];
      v.at(100, release);
    });
    assert.deepEqual(answers, [false]);
  });

  it('resolves with false when Redis refuses or does not answer: it never rejects', async () => {
    for (const failure of [silence, new RedisRefusedError('a', false, new Error('NOPERM')), new Error('what')]) {
      const answers = await released((v, release) => {
        v.store.departures = [failure instanceof Error ? v.store.failure(1, failure) : failure];
        v.at(100, release);
      });
      assert.deepEqual(answers, [false]);
    }
  });

  it('resolves with false after a loss, without asking', async () => {
    let calls: readonly string[] = [];
    const answers = await released((v, release) => {
      v.store.renewals = [v.store.after(1, 'taken')];
      calls = v.store.log;
      v.at(400, release);
    });
    assert.deepEqual(answers, [false]);
    assert.deepEqual(calls, ['0 acquire', '300 renew', '301 release']);
  });
});

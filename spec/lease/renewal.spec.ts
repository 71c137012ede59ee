/** Renewals that fail, in virtual time: tried again for as long as the lease is valid. ttl 1 000 (988), renewed every 300. */
import { assert } from 'chai';
import { defer, merge, of, tap, VirtualTimeScheduler } from 'rxjs';
import { clockOf } from '../../src/clock.ts';
import { RedisRefusedError, RedisUnreachableError } from '../../src/errors.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { Timer, Timers } from '../../src/lease/timers.ts';
import { denied, granted, silence } from '../support/fake-store.ts';
import { label, shown, type Virtual, virtual } from '../support/virtual.ts';

const REFUSED = new RedisRefusedError('a', true, new Error('BUSY'));
const UNREACHABLE = new RedisUnreachableError('a', 'The connection closed');

const renewals = ({ store }: Virtual): number[] =>
  store.log.filter((call) => call.endsWith('renew')).map((call) => Number.parseFloat(call));

describe('a renewal that fails', () => {
  it('once costs nothing', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.renewals = [store.failure(1, REFUSED), store.after(1, 'renewed')];
      expectObservable(shown(lock()), '^ 699ms !').toBe('-L');
      ends(['0 acquire', '300 renew', '326 renew', '626 renew', '700 release']);
    }));

  it('for good, as for want of rights, is tried again too: the lease is still valid', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.renewals = [
        store.failure(1, new RedisRefusedError('a', false, new Error('NOPERM'))),
        store.after(1, 'renewed'),
      ];
      expectObservable(shown(lock()), '^ 399ms !').toBe('-L');
      ends(['0 acquire', '300 renew', '326 renew', '400 release']);
    }));

  it('again and again is retried more and more seldom, until one succeeds', () =>
    virtual((v) => {
      const { lock, store, expectObservable, flush } = v;
      const fails = store.failure(0, UNREACHABLE);
      store.renewals = [fails, fails, fails, store.after(0, 'renewed'), fails, store.after(0, 'renewed')];
      expectObservable(shown(lock()), '^ 899ms !').toBe('-L');
      flush();
      assert.deepEqual(renewals(v), [300, 325, 375, 475, 775, 800]);
    }));

  it('until the deadline is a loss exactly at the deadline', () =>
    virtual((v) => {
      const { lock, store, expectObservable, flush } = v;
      store.renewals = [store.failure(0, UNREACHABLE)];
      expectObservable(shown(lock())).toBe('-L 986ms #', undefined, 'lost: unreachable');
      flush();
      const [last] = renewals(v).slice(-1);
      assert.isAbove(last ?? 0, 980);
      assert.isAtMost(renewals(v).length, 20);
    }));

  it('without an answer is a loss at the deadline, not before', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.renewals = [silence];
      expectObservable(shown(lock())).toBe('-L 986ms #', undefined, 'lost: unreachable');
      ends(['0 acquire', '300 renew', '988 release']);
    }));

  it('without an answer is given up after commandTimeout, and tried again', () =>
    virtual(({ lock, store, expectObservable, ends }) => {
      store.renewals = [silence, store.after(1, 'renewed')];
      expectObservable(shown(lock({ commandTimeout: 100 })), '^ 599ms !').toBe('-L');
      ends(['0 acquire', '300 renew', '425 renew', '600 release']);
    }));

  it('tells of its failure as the cause of the loss', () =>
    virtual(({ lock, store, flush }) => {
      let error: Error | undefined;
      store.renewals = [store.failure(0, UNREACHABLE)];
      lock().subscribe({ error: (reason) => (error = reason) });
      flush();
      assert.strictEqual(error?.cause, UNREACHABLE);
    }));
});

describe('a ttl of 20 ms', () => {
  it('is renewed every 6 ms, neither in a busy loop nor late', () =>
    virtual((v) => {
      const { lock, expectObservable, flush } = v;
      expectObservable(shown(lock({ ttl: 20, renewEvery: 6 })), '^ 599ms !').toBe('-L');
      flush();
      assert.equal(renewals(v).length, 99);
    }));

  it('survives one failed renewal', () =>
    virtual((v) => {
      const { lock, store, expectObservable, flush } = v;
      const renewed = store.after(1, 'renewed' as const);
      store.renewals = [renewed, store.failure(1, REFUSED), renewed, renewed, store.failure(1, REFUSED), renewed];
      expectObservable(shown(lock({ ttl: 20, renewEvery: 6 })), '^ 99ms !').toBe('-L');
      flush();
      assert.isAtMost(renewals(v).length, 18);
    }));

  it('is lost within a ms of its deadline, 17.8 ms, when all renewals fail, after a few of them', () =>
    virtual((v) => {
      const { lock, store, flush } = v;
      const seen: string[] = [];
      store.renewals = [store.failure(0, REFUSED)];
      lock({ ttl: 20, renewEvery: 6 }).subscribe({
        error: (error) => seen.push(`${v.time.now()} ${label(error)}`),
      });
      flush();
      assert.deepEqual(seen, ['18 lost: unreachable']);
      assert.isAtLeast(renewals(v).length, 3);
      assert.isAtMost(renewals(v).length, 8);
    }));

  it('that takes 15 ms to acquire is renewed at once', () =>
    virtual((v) => {
      const { lock, store, expectObservable, flush } = v;
      store.acquires = [store.after(15, granted())];
      expectObservable(shown(lock({ ttl: 20, renewEvery: 6 })), '^ 59ms !').toBe('15ms L');
      flush();
      assert.deepEqual(renewals(v).slice(0, 3), [15, 21, 27]);
    }));
});

describe('renewals that are due at once', () => {
  it('are run 64 at a time, with other tasks in between', () =>
    virtual((v) => {
      const seen: number[] = [];
      v.store.renewals = [
        defer(() => {
          if (seen.push(0) === 1) v.time.schedule(() => seen.splice(0, 1, renewals(v).length));
          return of('renewed' as const);
        }),
      ];
      const all = merge(...Array.from({ length: 150 }, (_, i) => v.lock({}, `name ${i}`))).subscribe();
      v.at(310, () => all.unsubscribe());
      v.flush();
      assert.equal(seen[0], 64);
      assert.equal(renewals(v).length, 150);
    }));

  it('are sent, and losses are told, also where the teardown of one whose lease was lost throws', () => {
    const thrown: unknown[] = [];
    const time = new VirtualTimeScheduler();
    const timers = new Timers(time, clockOf(time));
    const woken: string[] = [];
    const sleep = (name: string, act: () => void = () => undefined): void =>
      new Timer(timers, {
        wake: () => {
          woken.push(name);
          act();
        },
      }).set(10);
    sleep('a', () => {
      throw new Error('a teardown');
    });
    sleep('b');
    for (let action = time.actions.shift(); action; action = time.actions.shift()) {
      time.frame = action.delay; // one by one: its own flush ends at the first error, as no timers of Node do
      const error: unknown = action.execute(action.state, action.delay);
      if (error) thrown.push(error);
    }
    assert.deepEqual(woken, ['a', 'b']);
    assert.lengthOf(thrown, 1);
  });

  it('do not wait for those of another scheduler, whose time may stand still', () =>
    virtual((v) => {
      const stopped = new VirtualTimeScheduler();
      const theirs = v.sessions.timers({ scheduler: stopped, clock: clockOf(stopped) });
      v.at(299, () => new Timer(theirs, { wake: () => undefined }).set(0));
      v.expectObservable(shown(v.lock()), '^ 399ms !').toBe('-L');
      v.ends(['0 acquire', '300 renew', '400 release']);
    }));
});

describe('lease.renew()', () => {
  const held = (v: Virtual, act: (lease: Lease) => void): Lease[] => {
    const leases: Lease[] = [];
    v.expectObservable(shown(v.lock().pipe(tap((lease) => leases.push(lease)))), '^ 999ms !').toBe('-L');
    v.at(100, () => {
      for (const lease of leases) act(lease);
    });
    return leases;
  };

  it('renews now, and delays the next renewal', () =>
    virtual((v) => {
      held(v, (lease) => void lease.renew());
      v.ends(['0 acquire', '100 renew', '400 renew', '700 renew', '1000 release']);
    }));

  it('with a ttl renews with that from then on, and as often as the shorter ttl needs', () =>
    virtual((v) => {
      const leases = held(v, (lease) => void lease.renew(100));
      v.at(102, () => assert.equal(leases[0]?.remaining(), 95));
      v.flush();
      assert.deepEqual(renewals(v).slice(0, 4), [100, 133, 166, 199]);
      assert.deepEqual(
        v.store.asked.slice(1, 4).map(({ ttl }) => ttl),
        [100, 100, 100],
      );
    }));

  it('with a longer ttl renews as often as before', () =>
    virtual((v) => {
      const leases = held(v, (lease) => void lease.renew(10_000));
      v.at(102, () => assert.equal(leases[0]?.remaining(), 9_900 - 2 - 2));
      v.flush();
      assert.deepEqual(renewals(v), [100, 400, 700]);
      assert.equal(v.store.asked[3]?.ttl, 10_000);
    }));

  it('with a ttl is not undone by a renewal with the former ttl that falls due meanwhile', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(250, 'renewed'), v.store.after(1, 'renewed')];
      const leases = held(v, (lease) => void lease.renew(5_000));
      v.flush();
      assert.deepEqual(
        v.store.asked.slice(1, -1).map(({ ttl }) => ttl),
        [5_000, 5_000, 5_000],
      );
      assert.equal(leases.length, 1);
    }));

  it('without a ttl keeps that of a renewal in flight, or of one that waits for it', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(20, 'renewed')];
      const renew = (lease: Lease, ttls: readonly (number | undefined)[]): void => {
        for (const ttl of ttls) void lease.renew(ttl);
      };
      const leases = held(v, (lease) => renew(lease, [5_000, undefined]));
      v.at(200, () => leases[0] && renew(leases[0], [undefined, 6_000, undefined]));
      v.flush();
      assert.deepEqual(
        v.store.asked.slice(1, 5).map(({ ttl }) => ttl),
        [5_000, 5_000, 5_000, 6_000],
      );
    }));

  it('with a shorter ttl whose answer is lost leaves no more than that ttl: it may have taken effect', () =>
    virtual((v) => {
      v.store.renewals = [silence];
      let lost: string | undefined;
      const leases: Lease[] = [];
      v.lock().subscribe({
        next: (lease) => leases.push(lease),
        error: (error) => {
          lost = `${v.time.now()} ${label(error)}`;
        },
      });
      v.at(100, () => void leases[0]?.renew(200).catch(() => undefined));
      v.at(101, () => assert.equal(leases[0]?.remaining(), 100 + 196 - 101));
      v.flush();
      assert.equal(lost, '296 lost: unreachable');
    }));

  it('with a shorter ttl of unknown outcome bounds the next renewal, after which it may take effect', () =>
    virtual((v) => {
      v.store.renewals = [v.store.failure(1, new RedisUnreachableError('a', 'Cut', 0)), v.store.after(1, 'renewed')];
      held(v, (lease) => void lease.renew(200).catch(() => undefined));
      v.flush();
      assert.deepEqual(
        v.store.asked.slice(1, 4).map(({ ttl }) => ttl),
        [200, 200, 200],
      );
    }));

  it('with a shorter ttl waits for the answer to a longer one in flight, which then cannot undo it', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(60, 'renewed'), silence];
      const leases: Lease[] = [];
      v.expectObservable(shown(v.lock().pipe(tap((lease) => leases.push(lease))))).toBe(
        '-L 354ms #',
        undefined,
        'lost: unreachable',
      );
      v.at(100, () => void leases[0]?.renew());
      v.at(120, () => void leases[0]?.renew(200).catch(() => undefined));
      v.at(170, () => assert.equal(leases[0]?.remaining(), 160 + 196 - 170));
      v.flush();
    }));

  it('with a ttl shorter than the time that an earlier renewal has been in flight leaves the lease what that one gives', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(60, 'renewed'), v.store.after(10, 'renewed'), v.store.after(1, 'renewed')];
      const leases = held(v, (lease) => void lease.renew());
      v.at(155, () => void leases[0]?.renew(50));
      v.at(161, () => assert.equal(leases[0]?.remaining(), 160 + 47.5 - 161));
      v.flush();
    }));

  it('is single-flight: callers during a renewal share the next one, with the last ttl and one answer', async () => {
    const answers: Promise<void>[] = [];
    virtual((v) => {
      v.store.renewals = [v.store.after(60, 'renewed'), v.store.after(1, 'renewed')];
      const leases = held(v, (lease) => answers.push(lease.renew()));
      for (const ttl of [2_000, 500, 3_000]) v.at(120, () => answers.push(leases[0]?.renew(ttl) ?? Promise.reject()));
      v.flush();
      assert.deepEqual(renewals(v).slice(0, 3), [100, 160, 460]);
      assert.deepEqual(
        v.store.asked.slice(1, 4).map(({ ttl }) => ttl),
        [1_000, 3_000, 3_000],
      );
    });
    assert.lengthOf(await Promise.all(answers), 4);
  });

  it('after a hand-off gives no more than a heartbeat that is still in flight', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, denied()), silence];
      let lease: Lease | undefined;
      const life = v.lock({ waiterTtl: 300, commandTimeout: 500 }).subscribe((value) => {
        lease = value;
      });
      v.at(110, () =>
        v.store.grants$.next({ name: 'a', owner: lease?.owner ?? v.store.asked[0]?.owner ?? '', fence: 5 }),
      );
      v.at(120, () => void lease?.renew(5_000));
      v.at(122, () => {
        assert.equal(lease?.remaining(), 988 - 2);
        life.unsubscribe();
      });
      v.flush();
    }));

  it('with a longer ttl gives no more than a shorter renewal that may still take effect after it', () =>
    virtual((v) => {
      const cut = new RedisUnreachableError('a', 'Cut', 0);
      v.store.renewals = [v.store.failure(1, cut), v.store.after(1, 'renewed')];
      const leases = held(v, (lease) => void lease.renew(200).catch(() => undefined));
      v.at(110, () => void leases[0]?.renew(1_000));
      v.at(112, () => assert.equal(leases[0]?.remaining(), 110 + 196 - 112));
      v.at(298, () => void leases[0]?.renew(1_000));
      v.at(300, () => assert.equal(leases[0]?.remaining(), 298 + 988 - 300));
      v.flush();
    }));

  it('with a longer ttl, sent while a shorter renewal may still take effect and answered later, gives no more than that', () =>
    virtual((v) => {
      const { store } = v;
      const cut = store.failure(1, new RedisUnreachableError('a', 'Cut', 0));
      const soon = store.after(1, 'renewed' as const);
      store.renewals = [cut, soon, soon, soon, store.after(40, 'renewed')];
      const leases: Lease[] = [];
      const life = v.lock().subscribe((lease) => leases.push(lease));
      v.at(100, () => void leases[0]?.renew(900).catch(() => undefined)); // it may land until 990
      v.at(980, () => void leases[0]?.renew(5_000));
      v.at(1_021, () => {
        assert.equal(leases[0]?.remaining(), 980 + 889 - 1_021);
        life.unsubscribe();
      });
      v.flush();
    }));

  it('with a ttl keeps that ttl, also if an earlier renewal has just failed', () =>
    virtual((v) => {
      const cut = new RedisUnreachableError('a', 'Cut', 1);
      v.store.renewals = [v.store.failure(1, cut), v.store.after(1, 'renewed')];
      const leases: Lease[] = [];
      const life = v.lock().subscribe((lease) => leases.push(lease));
      v.at(310, () => void leases[0]?.renew(5_000));
      v.at(5_000, () => {
        assert.isAbove(Number(leases[0]?.remaining()), 4_500);
        life.unsubscribe();
      });
      v.flush();
      assert.equal(v.store.asked.at(-2)?.ttl, 5_000);
    }));

  it('gives no more than an acquire of unknown outcome that may still take effect after it', () =>
    virtual((v) => {
      v.store.acquires = [
        v.store.failure(1, new RedisUnreachableError('a', 'Cut', 2_000)),
        v.store.after(1, granted()),
      ];
      let lease: Lease | undefined;
      const life = v.lock({ commandTimeout: 500 }).subscribe((value) => {
        lease = value;
      });
      v.at(100, () => void lease?.renew(5_000));
      v.at(102, () => assert.equal(lease?.remaining(), 988 - 2));
      v.at(600, () => void lease?.renew(5_000));
      v.at(602, () => {
        assert.equal(lease?.remaining(), 4_948 - 2);
        life.unsubscribe();
      });
      v.flush();
    }));

  it('that fails leaves the lease as it was, and is soon retried', () =>
    virtual((v) => {
      v.store.renewals = [v.store.failure(1, REFUSED), v.store.after(1, 'renewed')];
      held(v, (lease) => void lease.renew(5_000).catch(() => undefined));
      v.flush();
      assert.deepEqual(renewals(v).slice(0, 2), [100, 126]);
      assert.equal(v.store.asked[2]?.ttl, 1_000);
    }));
});

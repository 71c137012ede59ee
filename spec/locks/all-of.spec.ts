/** Several locks as one, and one of several, in virtual time. */
import { assert } from 'chai';
import { map } from 'rxjs';
import { allOf } from '../../src/locks/all-of.ts';
import { anyOf } from '../../src/locks/any-of.ts';
import { withLock } from '../../src/operators/with-lock.ts';
import { denied, granted, left } from '../support/fake-store.ts';
import { labelled, type Virtual, virtual } from '../support/virtual.ts';

/** The calls that reached the store, with the name that each was for. */
const calls = ({ store }: Virtual): string[] => store.log.map((call, i) => `${call} ${store.asked[i]?.name}`);

const names = map((leases: readonly { name: string }[]) => leases.map(({ name }) => name).join(''));

describe('allOf', () => {
  it('takes the locks one after another by name, whatever the order given, and emits the leases in that order', () =>
    virtual((v) => {
      const all = allOf(v.lock({}, 'c'), v.lock({}, 'a'), v.lock({}, 'b'));
      v.expectObservable(all.pipe(names), '^ 49ms !').toBe('---x', { x: 'cab' });
      v.flush();
      assert.deepEqual(calls(v), [
        '0 acquire a',
        '1 acquire b',
        '2 acquire c',
        '50 release a',
        '50 release b',
        '50 release c',
      ]);
    }));

  it('keeps what it has renewed while it waits for the rest', () =>
    virtual((v) => {
      const { store } = v;
      store.acquires = [store.after(1, granted()), store.after(1, denied({ wait: 5_000 })), store.after(1, granted())];
      v.expectObservable(allOf(v.lock({}, 'a'), v.lock({ waiterTtl: 90_000 }, 'b')).pipe(names), '^ 5099ms !').toBe(
        '5004ms x',
        { x: 'ab' },
      );
      v.flush();
      assert.lengthOf(
        calls(v).filter((call) => call.endsWith('renew a')),
        Math.floor(5_099 / 300),
      );
    }));

  it('leaves nothing of any when it is unsubscribed while it waits for one', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, granted()), v.store.after(1, denied())];
      v.expectObservable(allOf(v.lock({}, 'a'), v.lock({}, 'b'), v.lock({}, 'c')), '^ 49ms !').toBe('');
      v.flush();
      assert.deepEqual(calls(v), ['0 acquire a', '1 acquire b', '50 release a', '50 release b']);
      assert.equal(v.scheduler.pending, 0);
    }));

  it('gives back what it has, and errors, when one cannot be had', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, granted()), v.store.failure(1, new Error('no b'))];
      v.expectObservable(allOf(v.lock({}, 'a'), v.lock({}, 'b')).pipe(names, labelled())).toBe('--#', {}, 'no b');
      v.flush();
      assert.deepEqual(calls(v), ['0 acquire a', '1 acquire b', '2 release a']);
    }));

  it('errors with the loss of one, and gives the others back', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(1, 'renewed'), v.store.after(1, 'taken')];
      v.expectObservable(allOf(v.lock({}, 'a'), v.lock({}, 'b')).pipe(names, labelled())).toBe(
        '--x 299ms #',
        { x: 'ab' },
        'lost: taken',
      );
      v.flush();
      assert.includeMembers(calls(v), ['302 release a', '302 release b']);
      assert.equal(v.scheduler.pending, 0);
    }));

  it('errors with the loss of one while it still waits for another', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, granted()), v.store.after(1, denied())];
      v.store.renewals = [v.store.after(1, 'gone')];
      v.expectObservable(allOf(v.lock({}, 'a'), v.lock({}, 'b')).pipe(labelled())).toBe('301ms #', {}, 'lost: expired');
      v.flush();
      assert.includeMembers(calls(v), ['301 release a', '301 release b']);
    }));

  it('unsubscribes the work under it when one is lost, and errors', () =>
    virtual((v) => {
      v.store.renewals = [v.store.after(1, 'renewed'), v.store.after(1, 'taken')];
      const work = v.cold('x');
      v.expectObservable(work.pipe(withLock(allOf(v.lock({}, 'a'), v.lock({}, 'b'))), labelled())).toBe(
        '--x 299ms #',
        undefined,
        'lost: taken',
      );
      v.expectSubscriptions(work.subscriptions).toBe('--^ 299ms !');
      v.flush();
    }));

  it('completes when the work is done and every release is acknowledged', () =>
    virtual((v) => {
      v.store.departures = [v.store.after(5, left()), v.store.after(9, left())];
      const work = v.cold('x-|');
      v.expectObservable(work.pipe(withLock(allOf(v.lock({}, 'a'), v.lock({}, 'b'))))).toBe('--x 10ms |');
      v.flush();
    }));

  it('try() completes empty, with nothing kept, when one is busy', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, granted()), v.store.after(1, denied())];
      v.expectObservable(allOf(v.lock({}, 'a'), v.lock({}, 'b'), v.lock({}, 'c')).try()).toBe('--|');
      v.flush();
      assert.deepEqual(calls(v), ['0 try a', '1 try b', '2 release a']);
    }));

  it('try() emits all leases when all are free', () =>
    virtual((v) => {
      v.expectObservable(allOf(v.lock({}, 'b'), v.lock({}, 'a')).try().pipe(names), '^--!').toBe('--x', { x: 'ba' });
      v.flush();
    }));

  it('takes the locks of another allOf as its own', () =>
    virtual((v) => {
      const all = allOf(allOf(v.lock({}, 'c'), v.lock({}, 'a')), v.lock({}, 'b'));
      v.expectObservable(all.pipe(names), '^ 49ms !').toBe('---x', { x: 'cab' });
      v.flush();
    }));

  it('refuses no lock at all, what is no lock, and a name that is given twice', () =>
    virtual((v) => {
      assert.throws(() => allOf(), RangeError, 'at least 1 lock');
      for (const other of [undefined, null, 'a', {}, Symbol('a'), Object.create(null)]) {
        assert.throws(() => allOf(v.lock(), other as never), TypeError, 'takes locks');
      }
      assert.throws(() => allOf(v.lock(), v.lock()), RangeError, '"a" twice');
      assert.throws(() => allOf(allOf(v.lock()), v.lock()), RangeError, '"a" twice');
    }));
});

describe('anyOf', () => {
  it('emits the lease of the first that is granted; the others leave their queues', () =>
    virtual((v) => {
      const { store } = v;
      store.acquires = [store.after(1, denied()), store.after(20, granted()), store.after(1, denied())];
      const any = anyOf(v.lock({}, 'a'), v.lock({}, 'b'), v.lock({}, 'c'));
      v.expectObservable(any.pipe(map(({ name }) => name)), '^ 49ms !').toBe('20ms b');
      v.flush();
      assert.sameMembers(calls(v).slice(3), ['20 release a', '20 release c', '50 release b']);
      assert.equal(v.scheduler.pending, 0);
    }));

  it('gives back the second of two that were granted in one moment', () =>
    virtual((v) => {
      const any = anyOf(v.lock({}, 'a'), v.lock({}, 'b'));
      v.expectObservable(any.pipe(map(({ name }) => name)), '^ 49ms !').toBe('-a');
      v.flush();
      assert.deepEqual(calls(v), ['0 acquire a', '0 acquire b', '1 release b', '50 release a']);
    }));

  it('leaves all queues when it is unsubscribed', () =>
    virtual((v) => {
      v.store.acquires = [v.store.after(1, denied())];
      v.expectObservable(anyOf(v.lock({}, 'a'), v.lock({}, 'b')), '^ 49ms !').toBe('');
      v.flush();
      assert.sameMembers(calls(v).slice(2), ['50 release a', '50 release b']);
    }));

  it('refuses no lock at all, and what is no lock', () =>
    virtual((v) => {
      assert.throws(() => anyOf(), RangeError, 'at least 1 lock');
      for (const other of [undefined, null, 'a', {}, Symbol('a'), Object.create(null)]) {
        assert.throws(() => anyOf(v.lock(), other as never), TypeError, 'takes locks');
      }
    }));
});

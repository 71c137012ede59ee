/** Grants and failures that come when a waiter is not listening for them: between an attempt and its answer. */
import { expect } from 'chai';
import { concat, EMPTY, NEVER, type Observable, of, Subject, throwError, timer } from 'rxjs';
import { ignoreElements, map } from 'rxjs/operators';
import { TestScheduler } from 'rxjs/testing';
import { RedisUnreachableError } from '../../src/errors.ts';
import { Registry } from '../../src/lease/registry.ts';
import { termsOf } from '../../src/lease/terms.ts';
import { Lock } from '../../src/locks/lock.ts';
import type { Answer, Grant, Store } from '../../src/store/store.ts';

const EXCLUSIVE = { mode: 'exclusive', permits: 1, limit: 0 } as const;
const denied: Answer = { granted: false, wait: 30_000, place: 0, announced: true, last: 1 };

/** Gives one answer after another; once a lease is held nothing more is answered. */
const storeOf = (answers: Observable<Answer>[]): Store & { readonly grants$: Subject<Grant | undefined> } => ({
  acquire: () => answers.shift() ?? NEVER,
  renew: () => NEVER,
  release: () => EMPTY,
  inspect: () => EMPTY,
  list: () => EMPTY,
  grants$: new Subject(),
  close: () => undefined,
});

/** ms of virtual time at which a lock of this owner was granted. */
const grantedAt = (answers: (scheduler: TestScheduler) => Observable<Answer>[], grants = ''): number | undefined => {
  const scheduler = new TestScheduler(() => undefined);
  return scheduler.run(({ hot, flush }) => {
    let at: number | undefined;
    const store = storeOf(answers(scheduler));
    hot(grants, { g: { name: 'a', owner: 'me', fence: 2 }, r: undefined }).subscribe(store.grants$);
    new Lock(new Registry(store), termsOf('a', EXCLUSIVE, { owner: 'me', scheduler })).subscribe(() => {
      at = scheduler.now();
    });
    scheduler.schedule(() => scheduler.actions.splice(0), 60_000);
    flush();
    return at;
  });
};

describe('what reaches a waiter before the answer to its attempt', () => {
  const answerIn = (ms: number, answer: Answer, scheduler: TestScheduler) =>
    timer(ms, scheduler).pipe(map(() => answer));
  const thenGranted = (first: Answer) => (scheduler: TestScheduler) => [
    answerIn(5, first, scheduler),
    answerIn(5, { granted: true, fence: 2 }, scheduler),
  ];

  it('makes it ask again as soon as it is denied, if it was its grant', () => {
    expect(grantedAt(thenGranted(denied), '--g')).to.equal(10);
  });

  it('makes it ask again as soon as it is denied, if it was word that grants may have been missed', () => {
    expect(grantedAt(thenGranted(denied), '--r')).to.equal(10);
  });

  it('does not make it ask twice when nothing came', () => {
    const heartbeat = Math.ceil(10_000 / 3);
    expect(grantedAt(thenGranted(denied))).to.be.within(heartbeat, heartbeat + 15);
  });
});

describe('an attempt that could not be sent', () => {
  it('is made again, with no word that the connection has come back', () => {
    const unsent = new RedisUnreachableError('a', 'No connection');
    const at = grantedAt((scheduler) => [
      concat(
        timer(2_000, scheduler).pipe(ignoreElements()),
        throwError(() => unsent),
      ),
      of({ granted: true, fence: 1 }),
    ]);
    expect(at).to.be.within(2_000, 2_100);
  });
});

/** Taking back what may have been granted, in virtual time: a release, and when it is made again. */
import { assert } from 'chai';
import {
  concat,
  delay,
  EMPTY,
  ignoreElements,
  mergeMap,
  NEVER,
  type Observable,
  of,
  throwError,
  timeout,
  timer,
} from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { RedisRefusedError, RedisUnreachableError } from '../../src/errors.ts';
import { type Cancellation, cancel } from '../../src/store/cancel.ts';
import type { Released } from '../../src/store/store.ts';
import { VirtualTime } from '../contract/virtual-time.ts';
import { left } from '../support/fake-store.ts';
import { CountingScheduler } from '../support/virtual.ts';

const WITHIN = 100;
const unknown = new RedisUnreachableError('a', 'The connection closed', 5);
const unsent = new RedisUnreachableError('a', 'No connection');
const refused = new RedisRefusedError('a', false, new Error('NOPERM'));
const busy = new RedisRefusedError('a', true, new Error('BUSY'));

/** Runs it over releases that take 10 ms each to their outcomes, the last one again and again. */
const over = (
  outcomes: readonly Observable<Released>[],
  terms: Partial<Cancellation>,
  marbles: string,
  values: Record<string, Released> = {},
  error?: Error,
): void => {
  const time = new TestScheduler((actual, expected) => assert.deepEqual(actual, expected));
  const script = [...outcomes];
  time.run(({ expectObservable }) => {
    const release = (): Observable<Released> => {
      const outcome = (script.length > 1 ? script.shift() : script[0]) ?? NEVER;
      return of(undefined).pipe(
        delay(10, time),
        mergeMap(() => outcome),
      );
    };
    expectObservable(cancel(release, { within: WITHIN, scheduler: time, ...terms })).toBe(marbles, values, error);
  });
};

const fails = (error: Error): Observable<never> => throwError(() => error);
const released = left();

describe('a grant of unknown outcome', () => {
  it('is cancelled when Redis acknowledges the release', () => over([of(released)], {}, '10ms (a|)', { a: released }));

  it('is cancelled on every node of a quorum, also after enough of them have answered', () =>
    over([concat(of(released), timer(20).pipe(ignoreElements()))], {}, '10ms a 19ms |', { a: released }));

  it('is cancelled also if there was no lease', () => over([EMPTY], {}, '10ms |'));

  it('whose release is of unknown outcome is waited for until the release’s not-after', () =>
    over([fails(unknown)], {}, '101ms #', {}, unknown));

  it('is not waited for if there was no connection', () => over([fails(unsent)], {}, '10ms #', {}, unsent));

  it('is not waited for if Redis refused the release', () => over([fails(refused)], {}, '10ms #', {}, refused));

  it('is waited for if Redis refused the release while a command that was sent before may take effect', () =>
    over([fails(refused)], { notAfter: 50 }, '101ms #', {}, refused));

  it('whose release is of unknown outcome is waited for also if the next release is refused for good', () => {
    const lost = new RedisUnreachableError('a', 'The connection closed', 90);
    over([fails(lost), fails(refused)], { retryFor: 60 }, '101ms #', {}, refused);
  });

  it('is waited for no longer than until the release can take no more effect', () =>
    over([NEVER.pipe(timeout({ first: 90, with: () => fails(unknown) }))], {}, '101ms #', {}, unknown));

  it('is waited for no longer than a timer can', () => {
    const time = new CountingScheduler(new VirtualTime());
    cancel(() => fails(unknown), { within: 2 ** 31 - 1, scheduler: time }).subscribe({ error: () => undefined });
    assert.equal(time.longest, 2 ** 31 - 1);
  });

  it('is released again once nothing that was sent before can take effect any more', () => {
    const [a, b] = [left({ now: 10 }), left({ now: 52, held: false })];
    over([of(a), of(b)], { notAfter: 50 }, '10ms a 50ms (b|)', { a, b });
  });

  it('is released once more by our own clock if the server’s clock has stepped back', () => {
    const [a, b] = [left({ now: 1 }), left({ now: 2 })];
    over([of(a), of(b)], { notAfter: 1_000 }, '10ms a 100ms (b|)', { a, b });
  });

  it('is released again after a transient failure, soon at first, for as long as retryFor says', () => {
    over([fails(busy), fails(unknown), of(released)], { retryFor: 60 }, '105ms (a|)', { a: released });
    over([fails(busy)], { retryFor: 60 }, '105ms #', {}, busy);
  });

  it('is released once more after a release of unknown outcome, which could end the next lease of its owner', () => {
    const [a, b] = [left({ now: 20 }), left({ now: 95, held: false })];
    const lost = new RedisUnreachableError('a', 'The connection closed', 90);
    over([fails(lost), of(a), of(b)], { retryFor: 60 }, '45ms a 65ms (b|)', { a, b });
  });

  it('is released again for as long as a long lease lasts, without a growing stack', () => {
    const time = new VirtualTime();
    const answers: unknown[] = [];
    const away = 7_200_000; // two hours, one release a second
    const release = (): Observable<Released> => (time.now() < away ? fails(busy) : of(released));
    cancel(release, { within: WITHIN, retryFor: 2 * away, scheduler: time }).subscribe({
      next: (answer) => answers.push(answer),
      error: (error) => answers.push(error),
    });
    time.pass(away + 2_000);
    assert.deepEqual(answers, [released]);
  });

  it('is not released again after a final refusal', () =>
    over([fails(refused)], { retryFor: 60 }, '10ms #', {}, refused));
});

/** A release before the next attempt of the same owner, in virtual time. */
import { assert } from 'chai';
import { delay, EMPTY, mergeMap, NEVER, type Observable, of, throwError, timeout } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { RedisUnreachableError } from '../../src/errors.ts';
import { giveBack } from '../../src/store/give-back.ts';
import { VirtualTime } from '../contract/virtual-time.ts';
import { CountingScheduler } from '../support/virtual.ts';

const WITHIN = 100;
const unknown = new RedisUnreachableError('a', 'The connection closed', 5);
const unsent = new RedisUnreachableError('a', 'No connection');

/** Runs it over a release that takes 10 ms to what it comes to. */
const over = (outcome: Observable<unknown>, marbles: string, error?: Error): void => {
  const time = new TestScheduler((actual, expected) => assert.deepEqual(actual, expected));
  time.run(({ expectObservable }) => {
    const release = (): Observable<unknown> =>
      of(undefined).pipe(
        delay(10, time),
        mergeMap(() => outcome),
      );
    expectObservable(giveBack(release, WITHIN, time)).toBe(marbles, undefined, error);
  });
};

describe('What is given back before the next attempt', () => {
  it('is given back when Redis says so', () => over(of(1), '10ms |'));

  it('when that is not known, can land for as long as its not-after says: the attempt waits for that', () =>
    over(
      throwError(() => unknown),
      '101ms #',
      unknown,
    ));

  it('was never sent where there was no connection: nothing is to be waited for', () =>
    over(
      throwError(() => unsent),
      '10ms #',
      unsent,
    ));

  it('is waited for no longer than that', () =>
    over(NEVER.pipe(timeout({ first: 90, with: () => throwError(() => unknown) })), '101ms #', unknown));

  it('is waited for no longer than a timer can', () => {
    const time = new CountingScheduler(new VirtualTime());
    giveBack(() => throwError(() => unknown), 2 ** 31 - 1, time).subscribe({ error: () => undefined });
    assert.equal(time.longest, 2 ** 31 - 1);
  });

  it('is nothing where there was nothing', () => over(EMPTY, '10ms |'));
});

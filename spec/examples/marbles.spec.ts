/** The picture of a lock's life shows what happens: it is drawn from the marbles that pass here. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { catchError, concatMap, throwError, timer } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { withLock } from '../../src/index.ts';
import { memoryCoordinator } from '../../src/testing.ts';
import { draw, PICTURE, rows } from './marbles.ts';

/** The frame on which somebody breaks the third order's lock. */
const BROKEN_AT = 19;

describe('the picture of a lock’s life', () => {
  it('is what three orders on one lock do, the last of which loses it', () => {
    const time = new TestScheduler((actual, expected) => {
      expect(actual).to.deep.equal(expected);
    });
    time.run(({ cold, expectObservable, expectSubscriptions }) => {
      const locks = memoryCoordinator({ ttl: 12, renewEvery: 4, waiterTtl: 60, scheduler: time });
      const works = ['--a--b--|', '--c--d--|', '--e----f--|'].map((marbles) => cold(marbles));
      const all = rows();
      expect(all).to.have.length(works.length);
      works.forEach((work, i) => {
        const { subscribed = '', result = '' } = all[i] ?? {};
        const order$ = work.pipe(
          withLock(locks.mutex('order')),
          catchError((error) => throwError(() => error.reason)),
        );
        expectObservable(order$).toBe(result, undefined, 'taken');
        expectSubscriptions(work.subscriptions).toBe(subscribed);
      });
      timer(BROKEN_AT)
        .pipe(concatMap(() => locks.forceRelease('order')))
        .subscribe();
    });
  });

  it('is drawn from them', () => {
    expect(readFileSync(PICTURE, 'utf8')).to.equal(draw(rows()));
  });
});

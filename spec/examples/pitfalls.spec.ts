/** The pictures of docs/pitfalls.md: each is read from there, and is what happens. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import {
  catchError,
  type MonoTypeOperatorFunction,
  map,
  merge,
  mergeMap,
  NEVER,
  type Observable,
  retry,
  shareReplay,
  take,
  throwError,
  timeout,
  timer,
} from 'rxjs';
import { type RunHelpers, TestScheduler } from 'rxjs/testing';

import type { Lease, LockCoordinator } from '../../src/index.ts';
import { LockLostError, whileHeld, withLock } from '../../src/index.ts';
import { memoryCoordinator } from '../../src/testing.ts';

type Cold = ReturnType<RunHelpers['cold']>;

const PAGE = readFileSync(new URL('../../docs/pitfalls.md', import.meta.url), 'utf8');

/** The pictures below a title, one after another: rows by their names, without what is said beside them. */
const picturesOf = (title: string): Map<string, string>[] => {
  const section = PAGE.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? '';
  return [...section.matchAll(/^```marbles\n([\s\S]*?)^```/gm)].map(([, rows = '']) => {
    const lines = [...rows.matchAll(/^(\w+: \w+) +(\S+)/gm)];
    return new Map(lines.map(([, name = '', marbles = '']) => [name, marbles]));
  });
};

interface Scene extends RunHelpers {
  readonly locks: LockCoordinator;
  /** What the row of the picture says of a stream, until the picture ends. */
  shows(row: string, result$: Observable<unknown>): void;
  /** When the source was subscribed to, by the rows. */
  works(rows: readonly string[], source: Pick<Cold, 'subscriptions'>): void;
}

const TITLES = [...PAGE.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
const shown = new Set<string>();

/** Errors as the reason of a loss, or by their names. */
const told = <T>(): MonoTypeOperatorFunction<T> =>
  catchError((error) => throwError(() => (error instanceof LockLostError ? error.reason : error.name)));

const END = '^-------------!';

const scene = (title: string, act: (scene: Scene, reason: (of: string) => void) => void, picture = 0): void => {
  const rows = picturesOf(title)[picture];
  if (!rows) throw new Error(`There is no picture ${picture} below ${title}`);
  const checked = new Set<string>();
  const row = (name: string): string => {
    checked.add(name);
    return rows.get(name) ?? expect.fail(`There is no row ${name} below ${title}`);
  };
  let error: unknown;
  const time = new TestScheduler((actual, expected) => {
    expect(actual).to.deep.equal(expected);
  });
  time.run((helpers) => {
    const locks = memoryCoordinator({ ttl: 12, renewEvery: 4, waiterTtl: 60, scheduler: time });
    act(
      {
        ...helpers,
        locks,
        shows: (name, result$) => helpers.expectObservable(result$.pipe(told()), END).toBe(row(name), undefined, error),
        works: (names, { subscriptions }) => {
          const marbles = names.map(row).filter((text) => text !== '-');
          helpers.expectSubscriptions(subscriptions).toBe(marbles);
        },
      },
      (reason) => {
        error = reason;
      },
    );
    helpers.flush();
  });
  for (const name of checked) shown.add(`${title}: ${picture}: ${name}`);
};

const next = (locks: LockCoordinator): Observable<string> => locks.mutex('x').pipe(map(() => 'N'));

describe('the pitfalls', () => {
  it('take(1), first() and firstValueFrom let go of the lock', () => {
    const title = 'take(1), first() and firstValueFrom let go of the lock';
    scene(title, ({ locks, cold, shows, works }, reason) => {
      const work = cold('--a--b|');
      reason('released');
      shows('wrong: result', work.pipe(withLock(locks.mutex('x').pipe(take(1)))));
      works(['wrong: work'], work);
    });
    scene(title, ({ locks, cold, shows, works }) => {
      const work = cold('--a--b|');
      shows('right: result', work.pipe(withLock(locks.mutex('x'))));
      works(['right: work'], work);
    });
  });

  it('mergeMap on a bare lock never ends', () => {
    const title = 'mergeMap on a bare lock never ends';
    scene(title, ({ locks, cold, shows }) => {
      shows('wrong: result', locks.mutex('x').pipe(mergeMap(() => cold('--a--b|'))));
      shows('wrong: next', next(locks));
    });
    scene(title, ({ locks, cold, shows }) => {
      shows('right: result', locks.mutex('x').pipe(whileHeld(() => cold('--a--b|'))));
      shows('right: next', next(locks));
    });
  });

  it('shareReplay(1) keeps the lock', () => {
    const title = 'shareReplay(1) keeps the lock';
    scene(title, ({ locks, cold, shows }) => {
      const kept$ = locks.mutex('x', { maxHold: 20 }).pipe(shareReplay(1)); // or it would be renewed for ever
      shows('wrong: result', cold('--a--b|').pipe(withLock(kept$)));
      shows('wrong: next', next(locks));
    });
    scene(title, ({ locks, cold, shows }) => {
      const shared$ = locks.mutex('x').pipe(shareReplay({ bufferSize: 1, refCount: true }));
      shows('right: result', cold('--a--b|').pipe(withLock(shared$)));
      shows('right: next', next(locks));
    });
  });

  it('a time-out behind the work bounds the work', () => {
    const title = 'A time-out behind the work bounds the work';
    scene(title, ({ locks, cold, shows, works }, reason) => {
      const work = cold('-------a|');
      reason('TimeoutError');
      shows(
        'wrong: result',
        locks.mutex('x').pipe(
          whileHeld(() => work),
          timeout({ first: 5 }),
        ),
      );
      works(['wrong: work'], work);
    });
    scene(title, ({ locks, cold, shows, works }) => {
      const work = cold('-------a|');
      shows('right: result', locks.mutex('x').pipe(whileHeld(() => work, { timeout: 5 })));
      works(['right: work'], work);
    });
  });

  it('timeout(5_000) ends a healthy holder', () => {
    const title = 'timeout(5_000) ends a healthy holder';
    scene(title, ({ locks, cold, shows, works }, reason) => {
      const work = cold('--a--b|');
      reason('TimeoutError');
      shows(
        'wrong: result',
        locks.mutex('x').pipe(
          timeout(3),
          whileHeld(() => work),
        ),
      );
      works(['wrong: work'], work);
    });
    scene(title, ({ locks, cold, shows, works }) => {
      const work = cold('--a--b|');
      shows('right: result', locks.mutex('x').pipe(whileHeld(() => work, { timeout: 3 })));
      works(['right: work'], work);
    });
  });

  it('the same lock within itself waits for ever', () => {
    const title = 'The same lock within itself waits for ever';
    scene(title, ({ locks, cold, shows, works }) => {
      const work = cold('--a--b|');
      const lock = locks.mutex('x');
      shows('wrong: result', work.pipe(withLock(lock), withLock(lock)));
      works(['wrong: work'], work);
    });
    scene(title, ({ locks, cold, shows, works }) => {
      const work = cold('--a--b|');
      shows('right: result', work.pipe(withLock(locks.mutex('x'))));
      works(['right: work'], work);
    });
    scene(
      title,
      ({ locks, cold, shows }, reason) => {
        const ours = locks.mutex('x', { owner: 'job 7' });
        reason('released');
        shows('wrong: result', merge(cold('--a--b|').pipe(withLock(ours)), NEVER).pipe(withLock(ours)));
      },
      1,
    );
  });

  it('retry before the work does not do the work again', () => {
    const title = 'retry before the work does not do the work again';
    const broken = (locks: LockCoordinator): unknown =>
      timer(3)
        .pipe(mergeMap(() => locks.forceRelease('x')))
        .subscribe();
    scene(title, ({ locks, cold, shows, works }, reason) => {
      const work = cold('--a--b|');
      reason('taken');
      broken(locks);
      shows(
        'wrong: result',
        locks.mutex('x').pipe(
          retry(1),
          whileHeld(() => work),
        ),
      );
      works(['wrong: work'], work);
    });
    scene(title, ({ locks, cold, shows, works }) => {
      const work = cold('--a--b|');
      broken(locks);
      shows(
        'right: result',
        locks.mutex('x').pipe(
          whileHeld(() => work),
          retry(1),
        ),
      );
      works(['right: work', 'right: again'], work);
    });
  });

  it('a lease that is kept for later may be over', () => {
    const title = 'A lease that is kept for later may be over';
    scene(title, ({ locks, cold, shows, works }, reason) => {
      const kept: Lease[] = [];
      locks
        .mutex('x')
        .pipe(take(1))
        .subscribe((lease) => kept.push(lease));
      const work = cold('--a--b|');
      reason('released');
      shows(
        'wrong: result',
        timer(1).pipe(
          mergeMap(() => kept),
          whileHeld(() => work),
        ),
      );
      works(['wrong: work'], work);
    });
  });

  it('are all shown here', () => {
    const all = TITLES.flatMap((title = '') =>
      picturesOf(title).flatMap((rows, picture) => [...rows.keys()].map((name) => `${title}: ${picture}: ${name}`)),
    );
    expect(all).to.have.length.above(20);
    expect([...shown].sort()).to.deep.equal(all.sort());
  });
});

/** One pass of the demo through all transfers: workers start together, one may be killed half-way, and the outcome is counted. */

import type { LockCoordinator } from 'redisync';
import { exhaustMap, first, firstValueFrom, map, pairwise, Subject, takeUntil, timer } from 'rxjs';
import { type Bank, lockName } from './bank.ts';
import type { Crew, Worker } from './crew.ts';
import { killHolder, type Recovery } from './kill.ts';
import { LOOK_EVERY, say, show } from './progress.ts';
import { ACCOUNTS, expected, transfers } from './transfers.ts';

export const WORKERS = 4;

export interface Outcome {
  readonly done: number;
  readonly perSecond: number;
  readonly before: number;
  readonly after: number;
  /** Accounts whose balance is not what the file makes it. */
  readonly wrong: number;
  readonly lost: number;
  readonly refused: number;
  readonly handOffs: number;
  readonly highest: number;
  readonly recovery: Recovery | undefined;
}

export interface Stage {
  readonly crew: Crew;
  readonly victim: Worker;
  readonly spare: Worker;
  readonly bank: Bank;
  readonly locks: LockCoordinator;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Looks now and then, without touching anything. */
const watch = ({ bank, locks }: Stage, title: string, names: readonly string[], done$: Subject<void>): void => {
  const total = transfers().length;
  const look = async () => ({
    at: performance.now(),
    count: await bank.count(),
    seen: await Promise.all(names.map((name) => firstValueFrom(locks.inspect(name)))),
  });
  timer(0, LOOK_EVERY)
    .pipe(
      exhaustMap(look),
      pairwise(),
      map(([last, { at, count, seen }]) => {
        const perSecond = (1_000 * (count - last.count)) / (at - last.at);
        return { title, count, total, perSecond, locks: seen };
      }),
      takeUntil(done$),
    )
    .subscribe({ next: show, error: () => undefined }); // what fails here fails the run, too
};

/** A worker is killed at half of the transfers, and the spare one takes up its share, as a supervisor would have it. */
const accident = async ({ bank, locks, victim, spare }: Stage, names: readonly string[]): Promise<Recovery> => {
  const half = transfers().length / 2;
  await firstValueFrom(
    timer(0, 20).pipe(
      exhaustMap(() => bank.count()),
      first((count) => count >= half),
    ),
  );
  let passing: Promise<unknown> | undefined;
  const recovery = await killHolder(victim, locks, names, () => {
    say(`${victim.label} is killed while it holds locks; ${spare.label} takes up its share`);
    passing = spare.pass({ locked: true });
  });
  await passing;
  return recovery;
};

/** Starts the workers, one of them to be killed, and one to take its place. */
export const enlist = async (crew: Crew, prefix: string): Promise<Pick<Stage, 'crew' | 'victim' | 'spare'>> => {
  const start = (share: number, place: number): Worker =>
    crew.start({ label: `worker ${place}`, prefix, share, shares: WORKERS });
  for (let share = 0; share < WORKERS - 1; share += 1) start(share, share + 1);
  const victim = start(WORKERS - 1, WORKERS);
  const spare = start(WORKERS - 1, WORKERS + 1);
  await Promise.all(crew.workers.map(({ ready }) => ready));
  return { crew, victim, spare };
};

export const run = async (stage: Stage, locked: boolean): Promise<Outcome> => {
  const { bank, crew, spare } = stage;
  const names = ACCOUNTS.map(lockName);
  await bank.open();
  const before = sum(await bank.balances());
  const done$ = new Subject<void>();
  watch(stage, locked ? 'with locks' : 'without locks', locked ? names : [], done$);
  const began = performance.now();
  const passes = crew.workers.filter((worker) => worker !== spare).map((worker) => worker.pass({ locked }));
  const [recovery] = await Promise.all([locked ? accident(stage, names) : undefined, ...passes]);
  const took = performance.now() - began;
  done$.next();
  const balances = await bank.balances();
  const right = [...expected().values()];
  const done = await bank.count();
  const { lost, refused } = await bank.tally();
  return {
    done,
    perSecond: (1_000 * done) / took,
    before,
    after: sum(balances),
    wrong: balances.filter((balance, i) => balance !== right[i]).length,
    lost,
    refused,
    handOffs: crew.handOffs,
    highest: crew.highest,
    recovery,
  };
};

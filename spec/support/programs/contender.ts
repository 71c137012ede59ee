/** A client process with two coordinators: it works on a register, or waits in a queue, and says what came of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { defer, lastValueFrom, mergeMap, range } from 'rxjs';
import { LockCoordinator, whileHeld, withLock } from '../../../src/index.ts';

const [url = ''] = process.argv.slice(2);
const redis = new Redis(url);
const coordinators = [new LockCoordinator(redis), new LockCoordinator(redis)];
const say = (...words: unknown[]): boolean | undefined => process.send?.(words);

/** Reads the register, waits, and writes it back: a write in between is a lost update. */
const turn = async (register: string): Promise<void> => {
  const value = Number(await redis.get(register));
  await sleep(1);
  await redis.set(register, value + 1);
};

const tasks = {
  /** Works on the register so many times in all, some at once, each turn under the lock. */
  async work(name: string, register: string, turns: number): Promise<void> {
    const turns$ = range(0, turns).pipe(
      mergeMap(
        (i) => defer(() => turn(register)).pipe(withLock((coordinators[i % 2] as LockCoordinator).mutex(name))),
        4,
      ),
    );
    await lastValueFrom(turns$, { defaultValue: undefined });
    say('worked');
  },

  /** Joins the queue so many times, over both coordinators, and writes down each lease as it is served. */
  async queue(name: string, list: string, waiters: number): Promise<void> {
    const served$ = range(0, waiters).pipe(
      mergeMap((i) =>
        (coordinators[i % 2] as LockCoordinator)
          .mutex(name)
          .pipe(whileHeld(({ owner, fence }) => redis.rpush(list, `${owner} ${fence}`))),
      ),
    );
    await lastValueFrom(served$);
    say('served');
  },

  async close(): Promise<void> {
    await Promise.all(coordinators.map((locks) => locks.close()));
    redis.disconnect();
    process.disconnect();
  },
};

process.on(
  'message',
  ([task, ...args]: [keyof typeof tasks, ...never[]]) => void tasks[task](...(args as [never, never, never])),
);
redis.once('ready', () => say('ready'));

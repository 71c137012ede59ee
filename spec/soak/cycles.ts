/** Acquires and releases repeatedly, and checks that the memory of the process does not grow. */
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Redis } from 'ioredis';
import { LockCoordinator } from '../../src/index.ts';
import { startServer } from '../support/server.ts';

/** Locks that are taken at a time, each by one that waits for its answers. */
const LANES = 64;
/** How often memory is looked at: as often in the first half as in the second. */
const LOOKS = 10;
/**
 * Bytes by which the heap may be larger in the second half than in the first, however many the cycles: the least that a
 * spec makes, 20 000 failed attempts, would need more if each kept one object alive. Compiled code comes and goes by half.
 */
export const GROWTH = 1_000_000;

setFlagsFromString('--expose-gc');
const gc: () => void = runInNewContext('gc');

/** The heap in bytes after a full garbage collection. */
export const heapUsed = async (): Promise<number> => {
  gc();
  await turn(); // what was only weakly held is dropped between two collections
  gc();
  return process.memoryUsage().heapUsed;
};

export interface Cycles {
  readonly seconds: number;
  readonly heaps: readonly number[];
  readonly growth: number;
}

const mean = (of: readonly number[]): number => of.reduce((sum, each) => sum + each, 0) / of.length;

export const cycles = async (count: number, tell: (line: string) => void = () => undefined): Promise<Cycles> => {
  const server = await startServer();
  const redis = new Redis(server.url);
  const locks = new LockCoordinator(redis);
  const heaps: number[] = [];
  const since = performance.now();
  const seconds = (): number => (performance.now() - since) / 1_000;
  const some = async (most: number): Promise<void> => {
    let begun = 0;
    const lane = async (id: number): Promise<void> => {
      const lock = locks.mutex(`lane ${id}`);
      while (begun++ < most) {
        const lease = await lock.acquire();
        if (!(await lease.release())) throw new Error(`${lease.owner} was not held when it was released`);
      }
    };
    await Promise.all(Array.from({ length: LANES }, (_, id) => lane(id)));
  };
  try {
    for (let look = 1; look <= LOOKS; look += 1) {
      await some(count / LOOKS);
      heaps.push(await heapUsed());
      tell(
        `${(look * count) / LOOKS} cycles, ${seconds().toFixed(0)} s, heap ${((heaps.at(-1) ?? 0) / 1e6).toFixed(2)} MB`,
      );
    }
    const half = LOOKS / 2;
    return { seconds: seconds(), heaps, growth: mean(heaps.slice(half)) - mean(heaps.slice(0, half)) };
  } finally {
    await locks.close();
    redis.disconnect();
    await server.stop();
  }
};

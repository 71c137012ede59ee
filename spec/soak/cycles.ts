/** Acquires and releases repeatedly, and checks that the memory of the process does not grow. */
import { Redis } from 'ioredis';
import { LockCoordinator } from '../../src/index.ts';
import { startServer } from '../support/server.ts';
import { heapUsed, keptOf } from './heap.ts';

/** Locks that are taken at a time, each by one that waits for its answers. */
const LANES = 64;
/** How often memory is looked at. */
const LOOKS = 11;

export interface Cycles {
  readonly seconds: number;
  readonly heaps: readonly number[];
  /** Bytes of each cycle that stay. */
  readonly kept: number;
}

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
        `${Math.round((look * count) / LOOKS)} cycles, ${seconds().toFixed(0)} s, heap ${((heaps.at(-1) ?? 0) / 1e6).toFixed(2)} MB`,
      );
    }
    return { seconds: seconds(), heaps, kept: keptOf(heaps, count / LOOKS) };
  } finally {
    await locks.close();
    redis.disconnect();
    await server.stop();
  }
};

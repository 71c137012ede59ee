/** What deeds leave in the heap of this process: nothing, however many there were. */
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes that are kept of each deed, at most: a smaller thing than this, and what refers to it, is not found. */
export const KEPT = 64;

setFlagsFromString('--expose-gc');
const gc: () => void = runInNewContext('gc');

/** The heap in bytes, when all that can go has gone. */
export const heapUsed = async (): Promise<number> => {
  gc();
  await turn(); // what was only weakly held is dropped between two collections
  gc();
  return process.memoryUsage().heapUsed;
};

/**
 * Bytes that each deed leaves behind, by heaps that are as many deeds apart: the median of the growths from one to the
 * next. What grows with the deeds grows each time, twice as much by twice as many; compiled code, caches and tables come
 * and go by half a megabyte, but in few of the growths.
 */
export const keptOf = (heaps: readonly number[], deeds: number): number => {
  const growths = heaps.slice(1).map((heap, i) => heap - (heaps[i] ?? 0));
  const sorted = growths.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2 / deeds;
};

/** Everyone, the limit first: ratios are of it. */
import type { Contender } from './contender.ts';
import { observableFace, promiseFace } from './ours.ts';
import { nodeRedisson, redisSemaphore, redlock, redlockAtFive, redlockUniversal } from './peers.ts';
import { raw } from './raw.ts';
import { cluster, quorum } from './topologies.ts';

export const OURS: readonly string[] = [promiseFace.name, observableFace.name];
export const LIMIT = raw.name;

export const contenders: readonly Contender[] = [
  raw,
  promiseFace,
  observableFace,
  redisSemaphore,
  redlock,
  redlockAtFive,
  redlockUniversal,
  nodeRedisson,
];

/** Who plays where it has to be quick: the limit, ours, and the fastest peer. */
const FEW: readonly Contender[] = [raw, promiseFace, observableFace, redisSemaphore];

export const contended = (quick: boolean): string[] => (quick ? FEW : contenders).map(({ name }) => name);
export const uncontended = (quick: boolean): string[] =>
  (quick ? FEW : contenders).filter(({ only }) => only !== 'contended').map(({ name }) => name);

export const contenderNamed = (name: string): Contender => {
  const found = [...contenders, quorum, cluster].find((contender) => contender.name === name);
  if (!found) throw new Error(`No contender is named ${name}`);
  return found;
};

/** The turns on one name, from all processes: how many, how long they were waited for, and whether a rule was broken. */
import { median, quantile } from './numbers.ts';

export interface Turn {
  readonly asked: number;
  readonly got: number;
  readonly left: number;
}

/** In the order in which they were served. */
export const turnsOf = (flat: readonly Float64Array[]): Turn[] => {
  const turns: Turn[] = [];
  for (const numbers of flat) {
    for (let i = 0; i + 2 < numbers.length; i += 3) {
      const [asked = 0, got = 0, left = 0] = numbers.subarray(i, i + 3);
      turns.push({ asked, got, left });
    }
  }
  return turns.sort((a, b) => a.got - b.got);
};

/** How many turns began before the one before had ended. */
export const overlaps = (turns: readonly Turn[]): number => {
  let count = 0;
  let until = 0;
  for (const { got, left } of turns) {
    if (got < until) count += 1;
    until = Math.max(until, left);
  }
  return count;
};

/**
 * How many turns came after one that was asked for later, by more than `slack` ms: within one process the order in which
 * it asked is the order of arrival, between processes only if the request cannot have been in flight for that long.
 */
export const overtaken = (turns: readonly Turn[], slack: number): number => {
  let count = 0;
  let latest = 0;
  for (const { asked } of turns) {
    if (asked + slack < latest) count += 1;
    latest = Math.max(latest, asked);
  }
  return count;
};

export const waits = (turns: readonly Turn[]): { median: number; longest: number; ratio: number; p99: number } => {
  const times = turns.map(({ asked, got }) => got - asked);
  const middle = median(times);
  const longest = times.reduce((most, time) => Math.max(most, time), 0);
  return { median: middle, longest, ratio: longest / middle, p99: quantile(times, 0.99) };
};

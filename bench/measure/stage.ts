/** What a scenario plays on, and how several contenders take turns on it. */
import type { Redis } from 'ioredis';
import type { Server } from '../../spec/support/server.ts';
import type { Crew } from '../crew/crew.ts';
import { median } from './numbers.ts';
import type { Report } from './table.ts';

export interface Stage {
  readonly crew: Crew;
  readonly server: Server;
  /** A connection of the program's own. */
  readonly admin: Redis;
  readonly quick: boolean;
  /** Writes on stderr what is being measured. */
  say(what: string): void;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  run(stage: Stage): Promise<Report>;
}

/**
 * Rounds in which everyone comes once, each round beginning with another one: what the machine does besides meets all
 * alike. Who fails or does not finish is left out of the rounds to come, and has an empty list.
 */
export const rounds = async <T>(
  { crew, say }: Stage,
  names: readonly string[],
  count: number,
  play: (name: string, round: number) => Promise<T>,
): Promise<Map<string, T[]>> => {
  const results = new Map<string, T[]>(names.map((name) => [name, []]));
  const out = new Set<string>();
  for (let round = 0; round < count; round += 1) {
    for (const i of names.keys()) {
      const name = names[(i + round) % names.length] ?? '';
      if (out.has(name)) continue;
      try {
        results.get(name)?.push(await play(name, round));
      } catch (error) {
        say(`${name}: ${error instanceof Error ? error.message : error}`);
        out.add(name);
        results.set(name, []);
        crew.dismiss(name);
      }
    }
  }
  return results;
};

/** The median over rounds of what each round was to the same round of another. */
export const ratios = (of: readonly number[], to: readonly number[]): number[] =>
  of.flatMap((value, i) => (to[i] === undefined ? [] : [value / to[i]]));

/** The ratio to the best of several; of those that finished. No number where nobody did, so that no bound is met by it. */
export const ofBest = (of: readonly number[], others: readonly (readonly number[])[]): number => {
  const all = others.map((other) => median(ratios(of, other))).filter(Number.isFinite);
  return all.length > 0 ? Math.min(...all) : Number.NaN;
};

/** Of a warm-up: how many rounds at most, and how many turns of each process at least. */
const WARM = { rounds: 40, turns: 6_000 };

/**
 * Plays until the rate has not risen in three rounds, and everyone has had many turns: V8 compiles what it has seen
 * often, and where several processes share two cores that takes it a while.
 *
 * @param play one round: turns of each process, and their rate
 */
export const warm = async (
  quick: boolean,
  play: () => Promise<{ readonly turns: number; readonly rate: number }>,
): Promise<void> => {
  let best = 0;
  let all = 0;
  for (let i = 0, stale = 0; i < (quick ? 2 : WARM.rounds) && (stale < 3 || all < WARM.turns); i += 1) {
    const { turns, rate } = await play();
    all += turns;
    stale = rate > 1.05 * best ? 0 : stale + 1;
    best = Math.max(best, rate);
  }
};

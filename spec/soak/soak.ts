/** A soak: clients at work on locks of all kinds, faults by a schedule, and the verdict. */
import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../faults/recorder.ts';
import { Arena } from './arena.ts';
import { Draw } from './draw.ts';
import { type Kind, schedule } from './schedule.ts';
import { type Seen, type Verdict, verdictOn } from './verdict.ts';

export interface Plan {
  readonly seconds: number;
  readonly seed: number;
  /** Deletes the keys of others, again and again, and records nothing: a soak that does not notice proves nothing. */
  readonly sabotage?: boolean;
  /** Hears of each fault as it begins. */
  readonly tell?: (line: string) => void;
}

export interface Outcome extends Verdict {
  /** The history that the verdict is about, for a closer look. */
  readonly seen: Seen;
  readonly operations: number;
  readonly faults: ReadonlyMap<Kind, number>;
  /** How often, and for how many ms at most, a process stood still although nobody stopped it. */
  readonly still: { readonly times: number; readonly longest: number };
  readonly turns: number;
  readonly refused: number;
  readonly residue: readonly string[];
  /** Bytes by which the memory of clients grew that lived through it all. */
  readonly heap: number;
}

/** How much a client's heap may grow, in bytes: what is compiled and cached late, and nothing that grows with time. */
const GROWTH = 2_500_000;
/** Part of the time that clients work before their memory is first looked at. */
const WARM = 0.15;

/** Rounds until the time is over. */
const harm = async (arena: Arena, seed: number, until: number, tell: (line: string) => void) => {
  const faults = new Map<Kind, number>();
  const began = now();
  for (const { quiet, faults: all } of schedule(seed)) {
    if (now() + quiet > until) break;
    await sleep(quiet);
    for (const { kind, ms } of all) {
      faults.set(kind, (faults.get(kind) ?? 0) + 1);
      tell(`${((now() - began) / 1_000).toFixed(1)} s  ${kind}${ms ? `, ${ms} ms` : ''}`);
    }
    await Promise.all(all.map((fault) => arena.make(fault)));
  }
  await sleep(Math.max(0, until - now()));
  return faults;
};

const growthOf = (before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number =>
  Math.max(...[...after].map(([label, used]) => used - (before.get(label) ?? Number.POSITIVE_INFINITY)));

export const soak = async ({ seconds, seed, sabotage = false, tell = () => undefined }: Plan): Promise<Outcome> => {
  const arena = await Arena.open(new Draw(seed));
  try {
    const until = now() + 1_000 * seconds;
    arena.work();
    await sleep(WARM * 1_000 * seconds);
    const before = await arena.rest();
    arena.work();
    const deleting = sabotage ? setInterval(() => void arena.site.redis.del('hot'), 100) : undefined;
    const faults = await harm(arena, seed, until, tell).finally(() => clearInterval(deleting));
    const heap = growthOf(before, await arena.rest());
    const residue = await arena.leave();
    const { site, troubles, complaints, findings } = arena;
    const lives = [...site.lives.values()];
    const { histories: registers, refused } = arena.registers;
    const seen = { lives, registers, troubles, complaints };
    const verdict = verdictOn(seen);
    const still = arena.stood.map(({ from, to }) => to - from);
    return {
      ...verdict,
      ...{ seen, faults, refused, residue, heap },
      operations: lives.length,
      turns: registers.reduce((sum, { turns }) => sum + turns.length, 0),
      still: { times: still.length, longest: Math.max(0, ...still) },
      findings: [
        ...findings,
        ...verdict.findings,
        ...residue.map((what) => `left: ${what}`),
        ...(heap > GROWTH ? [`the heap of a client grew by ${heap} bytes`] : []),
      ],
    };
  } finally {
    await arena.close();
  }
};

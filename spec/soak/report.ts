/** The page that a soak ends with. */
import type { Outcome, Plan } from './soak.ts';
import { BOUND, STALL } from './terms.ts';

/** More findings than this are counted only. */
const MOST = 20;

const ms = (value: number): string => `${value.toFixed(0)} ms`;

const counts = (of: ReadonlyMap<string, number>): string =>
  [...of].map(([what, count]) => `${what} ${count}`).join(', ') || 'none';

export const report = ({ seconds, seed }: Plan, outcome: Outcome): string => {
  const { findings, faults, losses, allowed, still } = outcome;
  const made = [...faults].sort(([a], [b]) => (a < b ? -1 : 1));
  const rows: readonly (readonly [what: string, figure: string])[] = [
    ['time, seed', `${seconds} s, ${seed}`],
    ['operations', `${outcome.operations}, of which ${outcome.grants} were granted`],
    ['waits judged by order', `${outcome.inOrder}`],
    ['register', `${outcome.turns} writes, ${outcome.refused} refused for an old token`],
    ['faults', `${made.reduce((sum, [, count]) => sum + count, 0)}`],
    ...made.map(([kind, count]) => [`  ${kind}`, `${count}`] as const),
    ['losses reported', counts(losses)],
    ['overlaps', `${outcome.overlaps}`],
    ['  where the server forgot', `${allowed.length}, ${ms(Math.max(0, ...allowed))} at most (bound ${ms(BOUND)})`],
    ['longest stall', `${ms(outcome.stall)} (bound ${ms(STALL)})`],
    ['residue', `${outcome.residue.length} keys, connections, timers`],
    ['heap growth of a client', `${(outcome.heap / 1e6).toFixed(2)} MB`],
    ['the machine stood still', `${still.times} times, ${ms(still.longest)} at most`],
    ['violations', `${findings.length}`],
  ];
  const table = rows.map(([what, figure]) => `${what.padEnd(36)}${figure}`);
  const rest = findings.length > MOST ? [`… and ${findings.length - MOST} more`] : [];
  return [...table, ...findings.slice(0, MOST).map((finding) => `  ${finding}`), ...rest].join('\n');
};

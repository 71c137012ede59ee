/** The page that a soak ends with. */
import type { Outcome, Plan } from './soak.ts';
import { BOUND, RECOVERY, STALL } from './terms.ts';
import type { Seen } from './verdict.ts';

/** More findings than this are counted only. */
const MOST = 20;

const ms = (value: number): string => `${value.toFixed(0)} ms`;

const counts = (of: ReadonlyMap<string, number>): string =>
  [...of].map(([what, count]) => `${what} ${count}`).join(', ') || 'none';

/** ms since the first lease was asked for. */
const clockOf = ({ lives }: Seen): ((at: number | undefined) => string) => {
  const first = lives[0]?.asked ?? 0;
  return (at) => (at === undefined ? 'never' : (at - first).toFixed(1));
};

/** The lives that a finding is about, and the faults in them. */
const evidence = (finding: string, seen: Seen): string[] => {
  const at = clockOf(seen);
  const owners = new Set(finding.match(/child\d+[-:][-\w]+/g) ?? []);
  const lives = seen.lives.filter(({ owner }) => owners.has(owner));
  const from = Math.min(...lives.map(({ asked }) => asked));
  const to = Math.max(...lives.map(({ granted, left, ended }) => ended ?? granted ?? left ?? 0));
  const troubles = seen.troubles.filter((trouble) => trouble.from <= to && from <= trouble.to + RECOVERY);
  return [
    ...lives.map(
      (life) =>
        `${life.owner} on ${life.name}: asked ${at(life.asked)}, queued ${at(life.queued)}, granted ${at(life.granted)}, ` +
        `seen ${at(life.seen)}, ended ${at(life.ended)}, left ${at(life.left)}${life.lost ? `, lost: ${life.lost}` : ''}`,
    ),
    ...troubles.map(
      ({ kind, from, to, labels }) => `${kind} from ${at(from)} to ${at(to)}${labels ? `: ${labels.join()}` : ''}`,
    ),
  ];
};

export const report = ({ seconds, seed }: Plan, outcome: Outcome): string => {
  const { findings, faults, losses, allowed, still } = outcome;
  const made = [...faults].sort(([a], [b]) => (a < b ? -1 : 1));
  const rows: readonly (readonly [what: string, figure: string])[] = [
    ['time, seed', `${seconds} s, ${seed}`],
    ['operations', `${outcome.operations}, of which ${outcome.grants} were granted`],
    ['waits judged by order', `${outcome.inOrder}`],
    ['register', `${outcome.turns} writes, ${outcome.refused} refused for an old fence`],
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
  const told = findings
    .slice(0, MOST)
    .flatMap((finding) => [`  ${finding}`, ...evidence(finding, outcome.seen).map((line) => `    ${line}`)]);
  return [...table, ...told, ...rest].join('\n');
};

/** One name that many wait for, from one process and from four, without work and with it. */
import { contenderNamed, contended as contenders, LIMIT, OURS } from '../contenders/all.ts';
import { nodeRedisson } from '../contenders/peers.ts';
import { now } from '../crew/clock.ts';
import { median, sum } from '../measure/numbers.ts';
import { sent, served } from '../measure/server-side.ts';
import { ofBest, ratios, rounds, type Scenario, type Stage, warm } from '../measure/stage.ts';
import { atLeast, atMost, type Column, type Row, type Table, type Verdict } from '../measure/table.ts';
import { overlaps, overtaken, turnsOf, waits } from '../measure/turns.ts';

/** How many processes, how many waiters in each, and how many ms of work in a turn. */
interface Setting {
  readonly id: string;
  readonly processes: number;
  readonly waiters: number;
  readonly work: number;
}

/** ms for which a request can be in flight between processes that share two cores with a server. */
const SLACK = 10;

/** ms from the order to the first request, so that all processes begin together. */
const START = 30;

interface Played {
  readonly rate: number;
  /** Turns a second of the second half, when even a thousand have joined the queue. */
  readonly later: number;
  readonly turns: number;
  readonly commands: number;
  readonly usec: number;
  readonly cpu: number;
  readonly median: number;
  readonly longest: number;
  readonly ratio: number;
  readonly overlaps: number;
  readonly overtaken: number;
}

/** One window of `ms` on one name. It is reported once all that still wait at its end have been served. */
export const contend = async (
  { crew, server, admin, quick }: Stage,
  contender: string,
  { id, processes, waiters, work }: Setting,
  ms: number,
): Promise<Played> => {
  const workers = await crew.of(contender, processes, server.url);
  const name = `${contender}:${id}`;
  const from = now() + START;
  const patience = START + ms + (quick ? 3_000 : 8_000);
  const [played, stats] = await served(admin, () =>
    Promise.all(workers.map((worker) => worker.call('contend', [name, waiters, from, ms, work], patience))),
  );
  const turns = turnsOf(played.map(({ turns }) => turns));
  const { commands, usec } = sent(stats, contenderNamed(contender).sends);
  return {
    rate: (turns.filter(({ left }) => left < from + ms).length / ms) * 1e3,
    later: (turns.filter(({ left }) => left >= from + ms / 2 && left < from + ms).length / (ms / 2)) * 1e3,
    turns: turns.length,
    commands: commands / turns.length,
    usec: usec / turns.length,
    cpu: (1e3 * sum(played.map(({ cpu }) => cpu))) / turns.length,
    ...waits(turns),
    overlaps: overlaps(turns),
    overtaken: overtaken(turns, processes > 1 ? SLACK : 0),
  };
};

/** Plays without work until V8 has compiled it all. */
export const warmUp = (stage: Stage, contender: string, setting: Setting): Promise<void> =>
  warm(stage.quick, async () => {
    const { turns, rate } = await contend(stage, contender, { ...setting, work: 0 }, stage.quick ? 300 : 700);
    return { turns: turns / setting.processes, rate };
  });

/** ms of the same before what counts: a process that has rested is slow for a while. */
const LEAD = 1_500;

const COLUMNS: readonly Column[] = [
  { key: 'rate', title: 'turns/s', better: 'more' },
  { key: 'share', title: 'of raw', digits: 2 },
  { key: 'commands', title: 'commands a turn', digits: 1, better: 'less' },
  { key: 'median', title: 'median wait, ms', digits: 1 },
  { key: 'longest', title: 'longest, ms', better: 'less' },
  { key: 'ratio', title: 'longest/median', digits: 1, better: 'less' },
  { key: 'cpu', title: 'client CPU, µs a turn', better: 'less' },
  { key: 'usec', title: 'server, µs', better: 'less' },
  { key: 'turns', title: 'turns' },
  { key: 'overlaps', title: 'overlaps' },
  { key: 'overtaken', title: 'overtaken' },
];

/** All contenders in one setting. A contender that did not finish has a row that says so. */
const race = async (
  stage: Stage,
  setting: Setting,
  ms: number,
  count: number,
): Promise<{ rows: Row[]; played: Map<string, Played[]> }> => {
  stage.say(`${setting.processes} x ${setting.waiters} waiters, ${setting.work} ms of work`);
  const names = contenders(stage.quick);
  const warmed = await rounds(stage, names, 1, (name) => warmUp(stage, name, setting)); // and shows which contender never finishes
  const finishers = names.filter((name) => (warmed.get(name) ?? []).length > 0);
  const played = await rounds(stage, finishers, count, async (name) => {
    await contend(stage, name, setting, stage.quick ? ms : LEAD);
    return contend(stage, name, setting, ms);
  });
  const limit = (played.get(LIMIT) ?? []).map(({ rate }) => rate);
  const rows = names.map((name): Row => {
    const results = played.get(name) ?? [];
    if (results.length === 0) return { name, rate: 'did not finish' };
    const middle = (key: keyof Played): number => median(results.map((result) => result[key]));
    return {
      name,
      rate: middle('rate'),
      share: median(
        ratios(
          results.map(({ rate }) => rate),
          limit,
        ),
      ),
      commands: middle('commands'),
      median: middle('median'),
      longest: middle('longest'),
      ratio: middle('ratio'),
      turns: sum(results.map(({ turns }) => turns)),
      overlaps: sum(results.map(({ overlaps }) => overlaps)),
      overtaken: sum(results.map(({ overtaken }) => overtaken)),
      usec: middle('usec'),
      cpu: middle('cpu'),
    };
  });
  return { rows, played };
};

const tableOf = (id: string, title: string, rows: readonly Row[]): Table => ({
  id,
  title,
  of: 'contender',
  columns: COLUMNS,
  rows,
  charts: [
    { kind: 'bars', shows: 'rate', keys: ['rate'], title: `${title}: turns a second` },
    { kind: 'bars', shows: 'longest-wait', keys: ['ratio'], title: `${title}: longest wait, of the median`, log: true },
  ],
});

const NOTE = `Medians of the rounds; turns, overlaps and overtaken turns are those of all rounds. A turn is overtaken when one was served before it that was asked for later (between processes: by more than ${SLACK} ms).`;

/** Longest wait, of the median, of a contender that starves nobody. */
const FAIR = 10;

/** Commands a turn, where a turn is over at once. */
const COMMANDS = 1.1;

/** What is wanted of ours in every setting: order, fairness, few commands, no overlap. */
const manners = (what: string, rows: readonly Row[], commands: number): Verdict[] =>
  rows
    .filter(({ name }) => OURS.includes(name))
    .flatMap((row) => [
      atMost(`${row.name}, ${what}: commands a turn`, commands, Number(row.commands)),
      atMost(`${row.name}, ${what}: longest wait, of the median`, 3, Number(row.ratio)),
      atMost(`${row.name}, ${what}: overtaken`, 0, Number(row.overtaken), 0),
      atMost(`${row.name}, ${what}: overlaps`, 0, Number(row.overlaps), 0),
    ]);

/** The rate of ours to the best of the others, round by round. */
const againstBest = (played: Map<string, Played[]>, ours: string, others: readonly string[]): number => {
  const rates = (name: string): number[] => (played.get(name) ?? []).map(({ rate }) => rate);
  return ofBest(rates(ours), others.map(rates));
};

export const contended: Scenario = {
  name: 'contended',
  title: 'One name, many waiters, no work',
  run: async (stage) => {
    const { quick } = stage;
    const others = contenders(quick).filter((name) => !OURS.includes(name));
    const ms = quick ? 300 : 700;
    const count = quick ? 1 : 4;
    const one = await race(stage, { id: 'one', processes: 1, waiters: 16, work: 0 }, ms, count);
    const four = await race(stage, { id: 'four', processes: 4, waiters: 25, work: 0 }, ms, count);
    const thousand: Setting = { id: 'thousand', processes: 1, waiters: 1_000, work: 0 };
    const crowd = async (waiters: number): Promise<Map<string, number>> => {
      const played = await rounds(stage, OURS, quick ? 1 : 4, (name) =>
        contend(stage, name, { ...thousand, waiters }, quick ? 400 : 1_000),
      );
      return new Map([...played].map(([name, results]) => [name, median(results.map(({ later }) => later))]));
    };
    const few = await crowd(16);
    const many = await crowd(1_000);
    const fair = one.rows
      .filter((row) => others.includes(row.name) && Number(row.ratio) <= FAIR)
      .map(({ name }) => name);
    const slower = (name: string): number => (few.get(name) ?? Number.NaN) / (many.get(name) ?? Number.NaN);
    return {
      tables: [
        tableOf('contended-one', '1 process x 16 waiters, no work', one.rows),
        { ...tableOf('contended-four', '4 processes x 25 waiters, no work', four.rows), note: NOTE },
        {
          id: 'contended-thousand',
          title: '1 process: 1,000 waiters against 16',
          of: 'contender',
          columns: [
            { key: 'few', title: '16 waiters, turns/s' },
            { key: 'many', title: '1,000 waiters, turns/s' },
            { key: 'slower', title: 'µs a turn, of those at 16', digits: 2 },
          ],
          rows: OURS.map((name) => ({
            name,
            few: few.get(name),
            many: many.get(name),
            slower: slower(name),
          })),
        },
      ],
      verdicts: [
        ...OURS.flatMap((name) => [
          atLeast(`${name}, 1 x 16: turns/s, of the fastest of all others`, 0.9, againstBest(one.played, name, others)),
          atLeast(
            `${name}, 4 x 25: turns/s, of the fastest of all others`,
            0.8,
            againstBest(four.played, name, others),
          ),
        ]),
        ...OURS.filter(() => fair.length > 0).map((name) =>
          atLeast(
            `${name}, 1 x 16: turns/s, of the fastest that starves nobody`,
            1,
            againstBest(one.played, name, fair),
          ),
        ),
        ...manners('1 x 16', one.rows, COMMANDS),
        ...manners('4 x 25', four.rows, COMMANDS),
        ...OURS.map((name) => atMost(`${name}: µs a turn at 1,000 waiters, of those at 16`, 1.3, slower(name))),
      ],
    };
  },
};

const WORK = 5;

export const work: Scenario = {
  name: 'work',
  title: 'One name, many waiters, 5 ms of work',
  run: async (stage) => {
    const { crew, server, quick } = stage;
    const ms = quick ? 400 : 1_500;
    const count = quick ? 1 : 3;
    const { rows, played } = await race(stage, { id: 'work', processes: 4, waiters: 4, work: WORK }, ms, count);
    const plain = await rounds(stage, [LIMIT], count, async () => {
      const worker = await crew.one(LIMIT, server.url);
      return ((await worker.call('plain', [ms, WORK])) / ms) * 1e3;
    });
    const unlocked = median(plain.get(LIMIT) ?? []);
    const pollers = rows.filter(({ name }) => !OURS.includes(name) && name !== nodeRedisson.name);
    const aggressive = pollers.reduce((most, row) => (Number(row.commands) > Number(most.commands ?? 0) ? row : most));
    return {
      tables: [
        {
          ...tableOf('work', '4 processes x 4 waiters, 5 ms of work', [
            ...rows,
            { name: 'no lock, one loop', rate: unlocked },
          ]),
          note: NOTE,
        },
      ],
      verdicts: [
        ...OURS.flatMap((name) => {
          const row = rows.find((it) => it.name === name) ?? { name };
          return [
            atLeast(
              `${name}, 5 ms of work: turns/s, of ${aggressive.name}`,
              0.96,
              againstBest(played, name, [aggressive.name]),
            ),
            atMost(
              `${name}, 5 ms of work: commands, of ${aggressive.name}`,
              0.1,
              Number(row.commands) / Number(aggressive.commands),
            ),
            atLeast(`${name}, 5 ms of work: turns/s, of a loop without a lock`, 0.9, Number(row.rate) / unlocked),
          ];
        }),
        ...manners('5 ms of work', rows, 2 * COMMANDS), // the release, and a renewal after the hand-off
      ],
    };
  },
};

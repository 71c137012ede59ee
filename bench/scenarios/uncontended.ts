/** Acquire and release where nobody else wants the lock: one loop, 16 and 256 loops at once in one process. */
import { contenderNamed, uncontended as contenders, LIMIT, OURS } from '../contenders/all.ts';
import { observableFace, promiseFace } from '../contenders/ours.ts';
import { median } from '../measure/numbers.ts';
import { sent, served } from '../measure/server-side.ts';
import { ratios, rounds, type Scenario, warm } from '../measure/stage.ts';
import { atLeast, atMost, type Row, type Verdict } from '../measure/table.ts';

/** Locks a round, so that a round of the limit takes some 200 ms. */
const TURNS: Readonly<Record<number, number>> = { 1: 700, 16: 2_400, 256: 4_096 };

/** Of raw's rate, by contender and number of keys. */
const TARGETS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  [promiseFace.name]: { 1: 0.85, 16: 0.75, 256: 1.1 },
  [observableFace.name]: { 1: 0.8, 16: 0.7, 256: 1 },
};

/** Of raw's server time, where one command carries many names. */
const SERVER_TIME = 2.8;

const titled = (keys: string): string => (keys === '1' ? '1 key' : `${keys} keys`);

export const uncontended: Scenario = {
  name: 'uncontended',
  title: 'Uncontended: acquire and release',
  run: async (stage) => {
    const { crew, server, admin, quick } = stage;
    const names = contenders(quick);
    const share = quick ? 0.5 : 1;
    for (const name of names) {
      const worker = await crew.one(name, server.url);
      for (const [keys, turns] of Object.entries(TURNS)) {
        await warm(quick, async () => {
          const { ms } = await worker.call('alone', [`${name}:solo`, Number(keys), turns]);
          return { turns, rate: turns / ms };
        });
      }
    }
    const rows = new Map<string, Record<string, number>>(names.map((name) => [name, {}]));
    const verdicts: Verdict[] = [];
    for (const [keys, all] of Object.entries(TURNS)) {
      const turns = share * all;
      stage.say(`${keys} keys`);
      const played = await rounds(stage, names, quick ? 3 : 9, async (name) => {
        const worker = await crew.one(name, server.url);
        const [cost, stats] = await served(admin, () => worker.call('alone', [`${name}:solo`, Number(keys), turns]));
        const script = sent(stats, contenderNamed(name).sends);
        return {
          rate: (turns / cost.ms) * 1e3,
          cpu: (cost.cpu / turns) * 1e3,
          usec: script.usec / turns,
          commands: script.commands / turns,
        };
      });
      const rates = (name: string): number[] => (played.get(name) ?? []).map(({ rate }) => rate);
      const ofLimit = (name: string): number => median(ratios(rates(name), rates(LIMIT)));
      for (const name of names) {
        const row = rows.get(name) ?? {};
        const results = played.get(name) ?? [];
        row[`rate${keys}`] = median(rates(name));
        row[`ratio${keys}`] = ofLimit(name);
        row[`cpu${keys}`] = median(results.map(({ cpu }) => cpu));
        row[`usec${keys}`] = median(results.map(({ usec }) => usec));
        row[`sent${keys}`] = median(results.map(({ commands }) => commands));
      }
      for (const name of OURS) {
        verdicts.push(atLeast(`${name}, ${titled(keys)}: rate, of raw`, TARGETS[name]?.[keys] ?? 1, ofLimit(name)));
        if (keys !== '256') continue;
        const usec = (of: string): number => rows.get(of)?.[`usec${keys}`] ?? Number.NaN;
        verdicts.push(atMost(`${name}, ${titled(keys)}: server time, of raw`, SERVER_TIME, usec(name) / usec(LIMIT)));
      }
    }
    const filled = [...rows].map(([name, values]): Row => ({ name, ...values }));
    const keyCounts = Object.keys(TURNS);
    return {
      tables: [
        {
          id: 'uncontended',
          title: 'Uncontended: locks a second, and of raw',
          of: 'contender',
          columns: keyCounts.flatMap((keys) => [
            { key: `rate${keys}`, title: `${titled(keys)}, locks/s`, better: 'more' },
            { key: `ratio${keys}`, title: 'of raw', digits: 2 },
          ]),
          rows: filled,
          charts: [
            {
              kind: 'bars',
              keys: keyCounts.map((keys) => `ratio${keys}`),
              title: 'Locks a second, of raw: at 1, 16 and 256 keys',
            },
          ],
        },
        {
          id: 'uncontended-cost',
          title: 'Uncontended: where the time goes, in µs a lock',
          of: 'contender',
          columns: keyCounts.flatMap((keys) => [
            { key: `cpu${keys}`, title: `${titled(keys)}, client CPU`, digits: 0, better: 'less' },
            { key: `usec${keys}`, title: 'server', digits: 1, better: 'less' },
            { key: `sent${keys}`, title: 'commands', digits: 2 },
          ]),
          rows: filled,
          note: 'Server: its own account of the commands that were sent (INFO commandstats), without reading and writing sockets. What one tick sends with one script is one command of ours.',
        },
      ],
      verdicts,
    };
  },
};

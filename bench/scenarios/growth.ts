/** Whether the cost of a lock depends on the number of names, and that of a turn on the number of waiters. */
import { Redis } from 'ioredis';
import { startServer } from '../../spec/support/server.ts';
import { contenderNamed, LIMIT } from '../contenders/all.ts';
import { promiseFace } from '../contenders/ours.ts';
import { now } from '../crew/clock.ts';
import { median } from '../measure/numbers.ts';
import { sent, served } from '../measure/server-side.ts';
import type { Scenario, Stage } from '../measure/stage.ts';
import { atMost, type Row, type Verdict } from '../measure/table.ts';
import { turnsOf } from '../measure/turns.ts';

const { name: OURS, sends } = promiseFace;

/** At once in one process: as many as the smallest number of names. */
const LANES = 10;

/** What one use of a lock leaves behind, copied for as many other names: sooner than a million uses, and the same. */
const FILL = `
  for i = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
    for _, key in ipairs(KEYS) do redis.call('COPY', key, (string.gsub(key, 'names:0', 'names:' .. i))) end
  end`;

/** Names in one call of it. */
const SHARE = 10_000;

const fill = async (admin: Redis, from: number, to: number): Promise<void> => {
  const left = await admin.keys('*names:0*');
  for (let i = from; i < to; i += SHARE) await admin.eval(FILL, left.length, ...left, i, Math.min(to, i + SHARE));
};

const usedMemory = async (admin: Redis): Promise<number> =>
  Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1]);

/** µs of server time for a lease, ten leases at a time: for the scripts that acquire, renew and release it. */
const scripts = async ({ crew, server, admin, quick }: Stage, names: number): Promise<Record<string, number>> => {
  const worker = await crew.one(OURS, server.url);
  const usec = { acquire: 0, renew: 0, release: 0 };
  const times = quick ? 30 : 150;
  const cost = async (act: () => Promise<unknown>): Promise<number> =>
    sent((await served(admin, act))[1], sends).usec / LANES / times;
  for (let i = 0; i < times; i += 1) {
    usec.acquire += await cost(() => worker.call('keep', ['names', LANES, names]));
    usec.renew += await cost(() => worker.call('renew', []));
    usec.release += await cost(() => worker.call('release', []));
  }
  return usec;
};

const byNames = async (stage: Stage): Promise<Row[]> => {
  const { crew, server, admin, quick } = stage;
  const most = quick ? 10_000 : 1_000_000;
  const turns = quick ? 2_000 : 4_000;
  const ours = await crew.one(OURS, server.url);
  const raw = await crew.one(LIMIT, server.url);
  for (const worker of [ours, raw]) await worker.call('roam', ['warm', 1_000, LANES, 4 * turns]);
  await admin.flushall();
  const rows: Row[] = [];
  await ours.call('alone', ['names', 1, 1]);
  const empty = await usedMemory(admin);
  for (let names = 10, before = 1; names <= most; before = names, names *= 10) {
    stage.say(`${names} names`);
    await fill(admin, before, names);
    const costs = { ours: [] as number[], raw: [] as number[] };
    for (let round = 0; round < (quick ? 3 : 5); round += 1) {
      costs.ours.push((1e3 * (await ours.call('roam', ['names', names, LANES, turns])).ms) / turns);
      costs.raw.push((1e3 * (await raw.call('roam', ['raw', names, LANES, turns])).ms) / turns);
    }
    const usec = await scripts(stage, names);
    rows.push({
      name: names.toLocaleString('en'),
      x: names,
      ours: median(costs.ours),
      raw: median(costs.raw),
      ...usec,
      bytes: names < 10_000 ? undefined : ((await usedMemory(admin)) - empty) / names, // too few drown in buffers
    });
  }
  return rows;
};

const byWaiters = async (stage: Stage): Promise<Row[]> => {
  const { crew, server, admin, quick } = stage;
  const worker = await crew.one(OURS, server.url);
  await worker.call('contend', ['warm', 16, now(), 500, 0]);
  const rows: Row[] = [];
  for (const waiters of quick ? [1, 10, 100, 1_000] : [1, 10, 100, 1_000, 10_000]) {
    stage.say(`${waiters} waiters`);
    // only the second half counts: the first goes into joining the queue, where there are many
    const ms = Math.max(quick ? 800 : 1_500, waiters);
    const from = now() + 30;
    const [played, stats] = await served(admin, () =>
      worker.call('contend', [`waiters:${waiters}`, waiters, from, ms, 0], ms + 60_000),
    );
    const turns = turnsOf([played.turns]);
    const counted = turns.filter(({ got }) => got >= from + ms / 2 && got < from + ms).length;
    const { usec, commands } = sent(stats, sends);
    rows.push({
      name: waiters.toLocaleString('en'),
      x: waiters,
      turn: (1e3 * (ms / 2)) / counted,
      cpu: (1e3 * played.cpu) / turns.length,
      usec: usec / turns.length,
      commands: commands / turns.length,
    });
  }
  return rows;
};

const spread = (rows: readonly Row[], key: string): number => {
  const values = rows.map((row) => Number(row[key]));
  return (values.at(-1) ?? Number.NaN) / (values[0] ?? Number.NaN);
};

export const growth: Scenario = {
  name: 'growth',
  title: 'Growth',
  run: async (stage) => {
    const server = await startServer(); // a million names are in nobody else's way there
    const admin = new Redis(server.port);
    const own: Stage = { ...stage, server, admin };
    const names = await byNames(own);
    await admin.flushall();
    const waiters = await byWaiters(own);
    for (const { name } of [contenderNamed(OURS), contenderNamed(LIMIT)]) stage.crew.dismiss(name);
    admin.disconnect();
    await server.stop();
    const several = waiters.filter(({ x }) => Number(x) > 1); // one waiter does not wait
    const verdicts: Verdict[] = [
      atMost('a lock at the most names, of one at 10', 1.3, spread(names, 'ours')),
      ...['acquire', 'renew', 'release'].map((script) =>
        atMost(`${script} on the server at the most names, of one at 10`, 1.3, spread(names, script)),
      ),
      atMost('server bytes a name that was used once', 1, Number(names.at(-1)?.bytes), 1),
      atMost('a turn with the most waiters, of one with 10', 1.3, spread(several, 'turn')),
      atMost('a turn on the server with the most waiters, of one with 10', 1.3, spread(several, 'usec')),
    ];
    return {
      tables: [
        {
          id: 'growth-names',
          title: 'A lock, by how many names are remembered',
          of: 'names',
          columns: [
            { key: 'ours', title: 'redisync, µs a lock', digits: 1 },
            { key: 'raw', title: 'raw', digits: 1 },
            { key: 'acquire', title: 'server: acquire', digits: 1 },
            { key: 'renew', title: 'server: renew', digits: 1 },
            { key: 'release', title: 'server: release', digits: 1 },
            { key: 'bytes', title: 'server bytes a name', digits: 0 },
          ],
          rows: names,
          charts: [
            {
              kind: 'curves',
              keys: ['ours', 'raw', 'acquire', 'renew', 'release'],
              title: 'µs a lock by the number of names, log–log',
            },
          ],
          note: `${LANES} at once in one process, names drawn at random. Nothing of raw stays behind, so its keys are beside ours.`,
        },
        {
          id: 'growth-waiters',
          title: 'A turn, by how many wait for one name',
          of: 'waiters',
          columns: [
            { key: 'turn', title: 'µs a turn', digits: 1 },
            { key: 'usec', title: 'server, µs', digits: 1 },
            { key: 'cpu', title: 'client CPU, µs', digits: 1 },
            { key: 'commands', title: 'commands a turn', digits: 2 },
          ],
          rows: waiters,
          charts: [
            { kind: 'curves', keys: ['turn', 'usec', 'cpu'], title: 'µs a turn by the number of waiters, log–log' },
          ],
          note: 'One process. On the server: all it was sent while they waited, heartbeats included.',
        },
      ],
      verdicts,
    };
  },
};

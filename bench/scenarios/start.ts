/** What it costs to begin: the import, and the connections. */
import { execFileSync } from 'node:child_process';
import { promiseFace } from '../contenders/ours.ts';
import { median } from '../measure/numbers.ts';
import { rounds, type Scenario, type Stage } from '../measure/stage.ts';
import { atMost, type Row, type Verdict } from '../measure/table.ts';

const OURS = 'redisync';
const PACKAGES: readonly string[] = [OURS, 'redis-semaphore', 'redlock', 'redlock-universal', 'node-redisson'];

/** ms to import a package in a fresh process, after rxjs and ioredis; and how much longer that takes than rxjs and ioredis alone. */
const imported = (what: string): { ms: number; ratio: number } => {
  const program = `
    const began = performance.now();
    await import('ioredis');
    await import('rxjs');
    const since = performance.now();
    await import(${JSON.stringify(what)});
    console.log(JSON.stringify([since - began, performance.now() - since]));
    process.exit();`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program]).toString();
  const [base, ms] = JSON.parse(printed) as [number, number];
  return { ms, ratio: (base + ms) / base };
};

/** Connections to the server, but for those that are there before. */
const connections = async (stage: Stage): Promise<Row[]> => {
  const { crew, server, admin } = stage;
  const count = async (): Promise<number> =>
    String(await admin.client('LIST'))
      .trim()
      .split('\n').length;
  crew.dismiss(promiseFace.name);
  await crew.of(promiseFace.name, 1, server.url).then(() => crew.dismiss(promiseFace.name));
  const worker = await crew.one(promiseFace.name, server.url);
  const before = await count(); // with the caller's own connection, and that of the probe
  const rows: Row[] = [];
  const note = async (name: string): Promise<void> => void rows.push({ name, connections: (await count()) - before });
  await note('a coordinator is made');
  await worker.call('alone', ['start', 1, 1]);
  await note('a first lock was used');
  await worker.call('keep', ['start', 1]);
  await worker.call('queue', ['start:0', 3]);
  await worker.call('rest', [200]);
  await note('something waits');
  await worker.call('close', []); // and the caller's own with it
  await worker.call('rest', [200]);
  rows.push({ name: 'it is closed', connections: (await count()) + 1 - before });
  crew.dismiss(promiseFace.name);
  return rows;
};

export const start: Scenario = {
  name: 'start',
  title: 'Start',
  run: async (stage) => {
    const build = process.env.REDISYNC_BUILD ?? import.meta.resolve(OURS);
    const played = await rounds(stage, PACKAGES, stage.quick ? 1 : 7, async (name) =>
      imported(name === OURS ? build : import.meta.resolve(name)),
    );
    const rows = PACKAGES.map((name): Row => {
      const results = played.get(name) ?? [];
      return { name, ms: median(results.map(({ ms }) => ms)), ratio: median(results.map(({ ratio }) => ratio)) };
    });
    const taken = await connections(stage);
    const after = (name: string): number => Number(taken.find((row) => row.name === name)?.connections);
    const verdicts: Verdict[] = [
      atMost('import, of importing rxjs and ioredis alone', 1.1, Number(rows[0]?.ratio)),
      atMost('connections after a first lock', 1, after('a first lock was used'), 0),
      atMost('connections once something waits', 2, after('something waits'), 0),
      atMost('connections left when it is closed', 0, after('it is closed'), 0),
    ];
    return {
      tables: [
        {
          id: 'import',
          title: 'Import, where rxjs and ioredis are loaded already',
          of: 'package',
          columns: [
            { key: 'ms', title: 'ms', digits: 1 },
            { key: 'ratio', title: 'with rxjs and ioredis, of these alone', digits: 2 },
          ],
          rows,
        },
        {
          id: 'connections',
          title: "Connections beside the caller's own",
          of: 'when',
          columns: [{ key: 'connections', title: 'connections' }],
          rows: taken,
        },
      ],
      verdicts,
    };
  },
};

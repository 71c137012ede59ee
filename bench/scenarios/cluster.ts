/** Whether more masters carry more locks: by the CPU time of the servers, for the cores here are fewer than the processes. */
import { startCluster } from '../../spec/support/cluster.ts';
import { cluster as contender } from '../contenders/topologies.ts';
import { median } from '../measure/numbers.ts';
import type { Scenario, Stage } from '../measure/stage.ts';
import { atLeast, type Row } from '../measure/table.ts';

const { name: CLUSTER } = contender;
/** At once for each master: with more of them more can come, and each is as busy as one alone. */
const LANES = 20;
const NAMES = 10_000;

type Shards = Awaited<ReturnType<typeof startCluster>>;

/** ms of CPU that each master has taken so far, its sockets and its replica included. */
const cpus = ({ nodes }: Shards, masters: number): Promise<number[]> =>
  Promise.all(
    nodes.slice(0, masters).map(async (node) => {
      const info = await node.info('cpu');
      const of = (kind: string): number => Number(new RegExp(`used_cpu_${kind}:([\\d.]+)`).exec(info)?.[1]);
      return 1e3 * (of('user') + of('sys'));
    }),
  );

const measure = async ({ crew, quick }: Stage, masters: number): Promise<Row> => {
  const shards = await startCluster(masters);
  try {
    const urls = shards.servers.slice(0, masters).map(({ url }) => url);
    const worker = await crew.one(CLUSTER, urls.join(','));
    const lanes = LANES * masters;
    const turns = (quick ? 4_000 : 20_000) * masters;
    await worker.call('roam', ['warm', NAMES, lanes, turns / 2], 60_000);
    const rates: number[] = [];
    const all: number[] = [];
    const busiest: number[] = [];
    for (let round = 0; round < (quick ? 3 : 5); round += 1) {
      const before = await cpus(shards, masters);
      const { ms } = await worker.call('roam', ['names', NAMES, lanes, turns], 60_000);
      const took = (await cpus(shards, masters)).map((cpu, i) => (1e3 * (cpu - (before[i] ?? 0))) / turns);
      rates.push((1e3 * turns) / ms);
      all.push(took.reduce((total, cpu) => total + cpu, 0));
      busiest.push(Math.max(...took));
    }
    const most = median(busiest);
    return { name: `${masters}`, rate: median(rates), all: median(all), busiest: most, could: 1e6 / most };
  } finally {
    crew.dismiss(CLUSTER);
    await shards.stop();
  }
};

export const cluster: Scenario = {
  name: 'cluster',
  title: 'Cluster',
  run: async (stage) => {
    const rows: Row[] = [];
    for (const masters of [1, 2, 3]) {
      stage.say(`${masters} masters`);
      rows.push(await measure(stage, masters));
    }
    const could = rows.map((row) => Number(row.could));
    return {
      tables: [
        {
          id: 'cluster',
          title: 'Locks on a Cluster, by its masters',
          of: 'masters',
          columns: [
            { key: 'rate', title: 'locks/s here', digits: 0 },
            { key: 'all', title: 'CPU of all masters, µs a lock', digits: 1 },
            { key: 'busiest', title: 'of the busiest, µs a lock', digits: 1 },
            { key: 'could', title: 'locks/s with a core for each master', digits: 0 },
          ],
          rows,
          note: `${LANES} at once for each master, from one process, ${NAMES.toLocaleString('en')} names drawn at random, a replica for each master. The last column is what the busiest master could do if it had a core of its own, and enough clients.`,
        },
      ],
      verdicts: [
        atLeast('2 masters, what they could carry, of 1', 1.7, (could[1] ?? 0) / (could[0] ?? 0)),
        atLeast('3 masters, what they could carry, of 1', 2.5, (could[2] ?? 0) / (could[0] ?? 0)),
      ],
    };
  },
};

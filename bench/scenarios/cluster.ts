/** Whether more masters carry more locks. It counts the CPU time of the servers, because there are fewer cores here than processes. */
import { startCluster } from '../../spec/support/cluster.ts';
import { cluster as contender } from '../contenders/topologies.ts';
import { median, sum } from '../measure/numbers.ts';
import type { Scenario, Stage } from '../measure/stage.ts';
import { atLeast, type Row } from '../measure/table.ts';

const { name: CLUSTER } = contender;
/** Locks at once for each master, so that each of several masters is as busy as one alone. */
const LANES = 20;
const NAMES = 10_000;

type Shards = Awaited<ReturnType<typeof startCluster>>;

/** What each master has taken so far: µs of CPU, its sockets and its replica included, and µs in scripts. */
const taken = ({ nodes }: Shards, masters: number): Promise<{ cpu: number; script: number }[]> =>
  Promise.all(
    nodes.slice(0, masters).map(async (node) => {
      const info = `${await node.info('cpu')}${await node.info('commandstats')}`;
      const of = (pattern: RegExp): number => Number(pattern.exec(info)?.[1] ?? 0);
      const cpu = 1e6 * (of(/used_cpu_user:([\d.]+)/) + of(/used_cpu_sys:([\d.]+)/));
      return { cpu, script: of(/cmdstat_evalsha:calls=\d+,usec=(\d+)/) };
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
    const cpus: number[] = [];
    const scripts: number[] = [];
    const busiest: number[] = [];
    for (let round = 0; round < (quick ? 3 : 5); round += 1) {
      const before = await taken(shards, masters);
      const { ms } = await worker.call('roam', ['names', NAMES, lanes, turns], 60_000);
      const after = await taken(shards, masters);
      const each = after.map(({ cpu, script }, i) => ({
        cpu: (cpu - (before[i]?.cpu ?? 0)) / turns,
        script: (script - (before[i]?.script ?? 0)) / turns,
      }));
      rates.push((1e3 * turns) / ms);
      cpus.push(sum(each.map(({ cpu }) => cpu)));
      scripts.push(sum(each.map(({ script }) => script)));
      busiest.push(Math.max(...each.map(({ script }) => script)));
    }
    const [cpu, script, most] = [median(cpus), median(scripts), median(busiest)];
    return { name: `${masters}`, rate: median(rates), cpu, script, busiest: most };
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
    const of = (masters: number): number => Number(rows[0]?.busiest) / Number(rows[masters - 1]?.busiest);
    return {
      tables: [
        {
          id: 'cluster',
          title: 'Locks on a Cluster, by its masters',
          of: 'masters',
          columns: [
            { key: 'rate', title: 'locks/s here', digits: 0 },
            { key: 'script', title: 'scripts of all masters, µs a lock', digits: 1 },
            { key: 'busiest', title: 'of the busiest, µs a lock', digits: 1 },
            { key: 'cpu', title: 'CPU of all masters, µs a lock', digits: 1 },
          ],
          rows,
          note: `${LANES} at once for each master, from one process, ${NAMES.toLocaleString('en')} names drawn at random, a replica for each master. The CPU includes sockets, which cost a lock the more the less busy a server is: one process cannot fill three.`,
        },
      ],
      verdicts: [
        atLeast('2 masters: of the busiest a lock takes less than of 1, times', 1.7, of(2)),
        atLeast('3 masters: of the busiest a lock takes less than of 1, times', 2.5, of(3)),
      ],
    };
  },
};

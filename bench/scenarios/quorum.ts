/** What a majority of independent nodes costs: a grant, two rounds, against the slowest node that it needs; a hand-off; a crowd. */
import { Redis } from 'ioredis';
import { TcpProxy } from '../../spec/support/proxy.ts';
import { type Server, startServer } from '../../spec/support/server.ts';
import { sleep } from '../contenders/contender.ts';
import { promiseFace } from '../contenders/ours.ts';
import { quorum as contender } from '../contenders/topologies.ts';
import { now } from '../crew/clock.ts';
import { median, quantile, sum } from '../measure/numbers.ts';
import { sent, served } from '../measure/server-side.ts';
import type { Scenario, Stage } from '../measure/stage.ts';
import { atMost, type Row } from '../measure/table.ts';
import { overlaps, turnsOf, waits } from '../measure/turns.ts';

const { name: QUORUM, sends } = contender;
const NODES = 5;

/** ms in a turn of a crowd. */
const WORK = 5;

/** Round trips of the nodes, in ms: far enough from each other that it is clear which one is waited for. */
const TRIPS: readonly number[] = [4, 8, 12, 16, 20];

const urls = (of: readonly { readonly url: string }[], count = of.length): string =>
  of
    .slice(0, count)
    .map(({ url }) => url)
    .join(',');

/** Of n nodes the middle one is the slowest that a majority needs; a lock on that one alone is what it is held against. */
const grants = async ({ crew, quick }: Stage, servers: readonly Server[]): Promise<Row[]> => {
  const proxies = await Promise.all(servers.map(({ port }) => TcpProxy.to(port)));
  for (const [i, proxy] of proxies.entries()) proxy.delay = (TRIPS[i] ?? 0) / 2;
  const count = quick ? 40 : 200;
  const rows: Row[] = [];
  for (const nodes of [3, NODES]) {
    const middle = proxies[(nodes - 1) / 2];
    const all = await crew.one(QUORUM, urls(proxies, nodes));
    const one = await crew.one(promiseFace.name, middle?.url ?? '');
    const took = { all: [] as number[], one: [] as number[] };
    await Promise.all([all.call('grants', ['warm', 20]), one.call('grants', ['warm', 20])]);
    for (let round = 0; round < 4; round += 1) {
      took.all.push(...(await all.call('grants', ['grant', count / 4])));
      took.one.push(...(await one.call('grants', ['alone', count / 4])));
    }
    const [grant, needed] = [median(took.all), median(took.one)];
    rows.push({ name: `${nodes} nodes`, grant, p95: quantile(took.all, 0.95), needed, ratio: grant / needed });
    crew.dismiss(promiseFace.name);
  }
  crew.dismiss(QUORUM);
  await Promise.all(proxies.map((proxy) => proxy.stop()));
  return rows;
};

/** From the release of one process to the lease of another, after waits in which the back-off has grown. */
const handOffs = async ({ crew, quick, say }: Stage, url: string): Promise<Row[]> => {
  const rows: Row[] = [];
  for (const wait of quick ? [1_000] : [100, 1_000, 3_000]) {
    say(`hand-offs after ${wait} ms`);
    const took: number[] = [];
    for (let round = 0; round < (quick ? 8 : 20); round += 1) {
      const pair = await crew.of(QUORUM, 2, url);
      const [holder, waiter] = round % 2 === 0 ? pair : [...pair].reverse();
      if (!holder || !waiter) throw new Error('A hand-off takes two');
      await holder.call('take', ['hand-off']);
      const taking = waiter.call('take', ['hand-off']);
      await sleep(wait * (0.75 + Math.random() / 2));
      const released = await holder.call('letGo', []);
      took.push((await taking) - released);
      await waiter.call('letGo', []);
    }
    rows.push({ name: `${wait.toLocaleString('en')} ms`, took: median(took), p95: quantile(took, 0.95) });
  }
  return rows;
};

/** Processes that all want one name, each with 5 ms of work. An attempt is an acquire and a release on every node. */
const crowd = async ({ crew, quick, say }: Stage, servers: readonly Server[]): Promise<Row[]> => {
  const admin = new Redis(servers[0]?.port ?? 0);
  const rows: Row[] = [];
  for (const clients of quick ? [1, 20] : [1, 2, 5, 20]) {
    say(`${clients} processes`);
    const workers = await crew.of(QUORUM, clients, urls(servers));
    await Promise.all(workers.map((worker, i) => worker.call('alone', [`warm:${i}`, 1, 10])));
    const ms = quick ? 3_000 : 8_000;
    const from = now() + 50;
    const [played, stats] = await served(admin, () =>
      Promise.all(workers.map((worker) => worker.call('contend', ['crowd', 1, from, ms, WORK], ms + 60_000))),
    );
    const turns = turnsOf(played.map((one) => one.turns));
    const { commands, usec } = sent(stats, sends);
    const { median: wait, longest } = waits(turns);
    rows.push({
      name: `${clients}`,
      rate: (turns.filter(({ left }) => left < from + ms).length / ms) * 1e3,
      attempts: commands / 2 / turns.length,
      usec: usec / turns.length,
      wait,
      longest,
      overlaps: overlaps(turns),
    });
  }
  admin.disconnect();
  return rows;
};

export const quorum: Scenario = {
  name: 'quorum',
  title: 'Quorum',
  run: async (stage) => {
    const servers = await Promise.all(Array.from({ length: NODES }, () => startServer()));
    try {
      const granted = await grants(stage, servers);
      const handed = await handOffs(stage, urls(servers));
      const crowded = await crowd(stage, servers);
      return {
        tables: [
          {
            id: 'quorum-grant',
            title: 'A grant, against the slowest node that it needs',
            of: 'nodes',
            columns: [
              { key: 'grant', title: 'grant, median ms', digits: 2 },
              { key: 'p95', title: '95 %, ms', digits: 2 },
              { key: 'needed', title: 'a lock on the slowest needed node alone, ms', digits: 2 },
              { key: 'ratio', title: 'ratio', digits: 2 },
            ],
            rows: granted,
            note:
              `Through proxies, with round trips of ${TRIPS.join(', ')} ms: a majority of 3 needs the second, of 5 the third. ` +
              'A second round raises to the fence those whose own is lower; with clocks in step the last to grant has the highest.',
          },
          {
            id: 'quorum-hand-off',
            title: 'Hand-off on 5 nodes: release begun to lease',
            of: 'after a wait of',
            columns: [
              { key: 'took', title: 'median, ms', digits: 2 },
              { key: 'p95', title: '95 %, ms', digits: 2 },
            ],
            rows: handed,
          },
          {
            id: 'quorum-crowd',
            title: `A crowd on one name of 5 nodes, ${WORK} ms of work in a turn`,
            of: 'processes',
            columns: [
              { key: 'rate', title: 'turns/s', digits: 1 },
              { key: 'attempts', title: 'attempts a turn', digits: 2 },
              { key: 'usec', title: 'server, µs a turn and node', digits: 1 },
              { key: 'wait', title: 'wait, median ms', digits: 1 },
              { key: 'longest', title: 'longest wait, ms', digits: 0 },
              { key: 'overlaps', title: 'overlaps' },
            ],
            rows: crowded,
          },
        ],
        verdicts: [
          ...granted.map(({ name, ratio }) =>
            atMost(`quorum of ${name}: a grant, of its slowest needed node`, 2.3, Number(ratio)),
          ),
          atMost('quorum: overlaps', 0, sum(crowded.map((row) => Number(row.overlaps))), 0),
        ],
      };
    } finally {
      stage.crew.dismiss(QUORUM);
      stage.crew.dismiss(promiseFace.name);
      await Promise.all(servers.map((server) => server.stop()));
    }
  },
};

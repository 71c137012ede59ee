/** From the release of one process to the lease of another, one pair at a time, here and over distance. */
import { TcpProxy } from '../../spec/support/proxy.ts';
import { contended as contenders, OURS } from '../contenders/all.ts';
import { sleep } from '../contenders/contender.ts';
import { median, quantile } from '../measure/numbers.ts';
import { rounds, type Scenario, type Stage } from '../measure/stage.ts';
import { atMost, type Row, type Table } from '../measure/table.ts';
import { warmUp } from './contended.ts';

interface HandOff {
  /** ms from the beginning of the release to the lease. */
  readonly took: number;
  /** ms of a PING, of either process, as idle as they were. */
  readonly pings: readonly number[];
}

/** ms after which a waiter has missed it. */
const PATIENCE = 5_000;

/** A rest before each, drawn so that no poll falls into step with it. */
const rest = (trip: number): Promise<void> => sleep(15 + 20 * Math.random() + 2 * trip);

/** One hand-off, from each of the two in turn. */
const handOff = async (stage: Stage, name: string, url: string, trip: number, round: number): Promise<HandOff> => {
  const pair = await stage.crew.of(name, 2, url);
  const [holder, waiter] = round % 2 === 0 ? pair : [...pair].reverse();
  if (!holder || !waiter) throw new Error('A hand-off takes two');
  const lock = `${name}:hand-off`;
  await holder.call('take', [lock], PATIENCE);
  const taking = waiter.call('take', [lock], PATIENCE);
  taking.catch(() => undefined); // told where it is awaited
  await rest(trip);
  const released = await holder.call('letGo', []);
  const took = (await taking) - released;
  await waiter.call('letGo', []);
  await rest(trip);
  const pings = [await holder.call('ping', [])];
  await rest(0);
  pings.push(await waiter.call('ping', []));
  return { took, pings };
};

const measure = async (
  stage: Stage,
  url: string,
  { trip, warming, count }: { readonly trip: number; readonly warming: number; readonly count: number },
): Promise<Row[]> => {
  const names = contenders(stage.quick);
  const played = await rounds(stage, names, warming + count, (name, round) => handOff(stage, name, url, trip, round));
  return names.map((name): Row => {
    const results = (played.get(name) ?? []).slice(warming);
    if (results.length === 0) return { name, took: 'did not finish' };
    const times = results.map(({ took }) => took);
    const ping = median(results.flatMap(({ pings }) => pings));
    return { name, took: median(times), p95: quantile(times, 0.95), ping, trips: median(times) / ping };
  });
};

export const handOffs: Scenario = {
  name: 'hand-off',
  title: 'Hand-off latency',
  run: async (stage) => {
    const pair = { id: 'hand-off', processes: 2, waiters: 4, work: 0 };
    await rounds(stage, contenders(stage.quick), 1, (name) => warmUp(stage, name, pair));
    const rows = await measure(stage, stage.server.url, {
      trip: 0,
      warming: stage.quick ? 2 : 4,
      count: stage.quick ? 4 : 30,
    });
    const table: Table = {
      id: 'hand-off',
      title: 'Hand-off between two processes: release begun to lease',
      of: 'contender',
      columns: [
        { key: 'took', title: 'median, ms', digits: 2, better: 'less' },
        { key: 'p95', title: '95 %, ms', digits: 2 },
        { key: 'ping', title: 'PING of the same processes, ms', digits: 2 },
        { key: 'trips', title: 'hand-off, in PINGs', digits: 1 },
      ],
      rows,
      charts: [
        { kind: 'bars', keys: ['trips'], title: 'Hand-off between two processes, in round trips of PING', log: true },
      ],
    };
    const ours = rows.filter(({ name }) => OURS.includes(name));
    const verdicts = ours.map((row) => atMost(`${row.name}: hand-off, in PINGs`, 2, Number(row.trips)));
    return { tables: [table], verdicts };
  },
};

/** Round trips, in ms. */
const TRIPS: readonly number[] = [0.2, 1, 10, 80];

export const distance: Scenario = {
  name: 'distance',
  title: 'Over distance',
  run: async (stage) => {
    const proxy = await TcpProxy.to(stage.server.port);
    const trips = stage.quick ? [1, 10] : TRIPS;
    const names = contenders(stage.quick);
    const rows = new Map<string, Record<string, number | string | undefined>>(names.map((name) => [name, {}]));
    const pings: Record<string, number> = {};
    for (const trip of trips) {
      stage.say(`round trip of ${trip} ms`);
      proxy.delay = 0;
      await Promise.all(names.map((name) => stage.crew.of(name, 2, proxy.url)));
      proxy.delay = trip / 2;
      const measured = await measure(stage, proxy.url, { trip, warming: 2, count: stage.quick || trip > 10 ? 4 : 8 });
      for (const { name, took, trips: inTrips } of measured)
        Object.assign(rows.get(name) ?? {}, { [`took${trip}`]: took, [`trips${trip}`]: inTrips });
      pings[`took${trip}`] = median(measured.map(({ ping }) => Number(ping)).filter(Number.isFinite));
    }
    await proxy.stop();
    const table: Table = {
      id: 'distance',
      title: 'Hand-off over distance: release begun to lease, median in ms',
      of: 'contender',
      columns: trips.flatMap((trip) => [
        { key: `took${trip}`, title: `round trip ${trip} ms`, digits: 1, better: 'less' },
        { key: `trips${trip}`, title: 'in PINGs', digits: 1 },
      ]),
      rows: [
        ...[...rows].map(([name, cells]): Row => ({ name, ...cells })),
        { name: 'PING, for comparison', ...pings },
      ],
      charts: trips
        .filter((trip) => trip >= 10)
        .map((trip) => ({
          kind: 'bars',
          shows: `${trip}-ms`,
          keys: [`trips${trip}`],
          title: `Hand-off in round trips, at ${trip} ms each`,
          log: true,
        })),
    };
    const verdicts = table.rows
      .filter(({ name }) => OURS.includes(name))
      .flatMap((row) =>
        trips
          .filter((trip) => trip >= 1)
          .map((trip) => atMost(`${row.name}: hand-off at ${trip} ms, in PINGs`, 2, Number(row[`trips${trip}`]))),
      );
    return { tables: [table], verdicts };
  },
};

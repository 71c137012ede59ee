/** What it costs to hold many leases: CPU, stalls of the event loop, commands and memory; and memory to wait. */
import { contenderNamed } from '../contenders/all.ts';
import { observableFace, promiseFace } from '../contenders/ours.ts';
import { redisSemaphore } from '../contenders/peers.ts';
import { sent, served } from '../measure/server-side.ts';
import type { Scenario, Stage } from '../measure/stage.ts';
import { atMost, type Row } from '../measure/table.ts';

/** Ours, and the peer that renews by itself; the bounds of CPU and stalls hold for the first. */
const names = [observableFace.name, promiseFace.name, redisSemaphore.name];

/** The most bytes of heap of a held lease, and of a waiter. */
const BYTES = 2_560;

/** How many leases there are, how long they last, and for how long they are measured: two renewals of each, at a third of the ttl. */
interface Load {
  readonly leases: number;
  readonly ttl: number;
}

/** ms for which a thousand leases of a short ttl are renewed first, so that what runs hot is compiled. */
const warming = (quick: boolean): number => (quick ? 2_000 : 6_000);

const holding = async (stage: Stage, name: string, { leases, ttl }: Load): Promise<Row> => {
  const ms = (2 * ttl) / 3;
  const { crew, server, admin, quick } = stage;
  crew.dismiss(name); // a heap without a past
  const worker = await crew.one(name, server.url);
  await worker.call('open', [name, server.url, 600]);
  await worker.call('keep', [`${name}:warm`, 1_000]);
  await worker.call('rest', [warming(quick)], 30_000);
  await worker.call('release', []);
  await worker.call('open', [name, server.url, ttl]);
  const idle = await worker.call('rest', [1_000]);
  const before = await worker.call('heap', []);
  const taking = await worker.call('keep', [`${name}:held`, leases], 60_000);
  const after = await worker.call('heap', []);
  const [cost, stats] = await served(admin, () => worker.call('rest', [ms], ms + 20_000));
  const { commands } = sent(stats, contenderNamed(name).sends);
  await worker.call('release', [], 60_000);
  crew.dismiss(name);
  return {
    name,
    bytes: (after - before) / leases,
    taking: taking.ms,
    cpu: (100 * cost.cpu) / cost.ms,
    idle: (100 * idle.cpu) / idle.ms,
    stall: cost.stall,
    commands: commands / (cost.ms / 1e3),
  };
};

/** Waiters, all on one name that another process holds. */
const waiting = async (stage: Stage, name: string, waiters: number): Promise<number> => {
  const { crew, server, quick } = stage;
  crew.dismiss(name);
  const [holder, worker] = await crew.of(name, 2, server.url);
  if (!holder || !worker) throw new Error('Waiting takes two');
  await holder.call('keep', [`${name}:queue`, 1]);
  await worker.call('queue', [`${name}:queue:0`, 500]);
  await worker.call('rest', [1_000]);
  const before = await worker.call('heap', []);
  await worker.call('queue', [`${name}:queue:0`, waiters]);
  await worker.call('rest', [quick ? 1_000 : 3_000], 60_000);
  const after = await worker.call('heap', []);
  crew.dismiss(name);
  return (after - before) / waiters;
};

export const held: Scenario = {
  name: 'held',
  title: 'Many leases held',
  run: async (stage) => {
    const { quick } = stage;
    const load = quick ? { leases: 1_000, ttl: 3_000 } : { leases: 10_000, ttl: 30_000 };
    const who = quick ? [observableFace.name] : names;
    const rows: Row[] = [];
    for (const name of who) {
      stage.say(`${name}: ${load.leases} leases`);
      const row = await holding(stage, name, load);
      rows.push({ ...row, waiter: await waiting(stage, name, load.leases) });
      await stage.admin.flushall();
    }
    const [first] = rows;
    const n = load.leases.toLocaleString('en');
    return {
      tables: [
        {
          id: 'held',
          title: `${n} leases held by one process, ttl ${load.ttl / 1e3} s, each renewed every ${load.ttl / 3e3} s`,
          of: 'contender',
          columns: [
            { key: 'cpu', title: 'of one core, %', digits: 2, better: 'less' },
            { key: 'idle', title: 'holding none, %', digits: 2 },
            { key: 'stall', title: 'longest stall, ms', digits: 1, better: 'less' },
            { key: 'commands', title: 'commands/s', digits: 1, better: 'less' },
            { key: 'taking', title: 'to take all, ms' },
            { key: 'bytes', title: 'bytes a lease', better: 'less' },
            { key: 'waiter', title: 'bytes a waiter', better: 'less' },
          ],
          rows,
          charts: [
            { kind: 'bars', keys: ['bytes', 'waiter'], title: 'Heap of a held lease and of a waiter, in bytes' },
          ],
          note: 'All were taken at once, so that all renewals are due at once. Heap after a collection, everything included that the caller keeps of the lease.',
        },
      ],
      verdicts: [
        atMost(`${n} leases: of one core, in %`, 1.5, Number(first?.cpu)),
        atMost(`${n} leases: longest stall, in ms`, 10, Number(first?.stall), 1),
        ...rows
          .filter(({ name }) => name !== redisSemaphore.name)
          .flatMap((row) => [
            atMost(`${row.name}: bytes a held lease`, BYTES, Number(row.bytes), 0),
            atMost(`${row.name}: bytes a waiter`, BYTES, Number(row.waiter), 0),
          ]),
      ],
    };
  },
};

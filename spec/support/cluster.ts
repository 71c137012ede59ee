/** A Cluster of our own: masters, each with a replica, on free ports, that agree on all slots before it is handed out. */
import { Redis } from 'ioredis';
import { slotOf } from '../../src/store/slot.ts';
import { eventually } from './eventually.ts';
import { onFreePort, type Server, startServer } from './server.ts';

const SLOTS = 16_384;

/** ms in which servers have agreed on the busiest machine. */
const SETTLED = 60_000;

export interface Shards {
  /** The servers: the masters first, then the replica of each in the same order. */
  readonly servers: Server[];
  /** A plain connection to each. */
  readonly nodes: Redis[];
  /** Lets the replica of the master of that number take over. Before, it does not: a busy machine stops a master for long enough. */
  succeed(master: number): Promise<void>;
  stop(): Promise<void>;
}

/** A name in a slot of each master, in their order. */
export const spread = (stem: string, masters = 3): string[] =>
  Array.from({ length: masters }, (_, shard) => {
    let i = 0;
    while (Math.floor((slotOf(`${stem} ${i}`) * masters) / SLOTS) !== shard) i += 1;
    return `${stem} ${i}`;
  });

const settings = (bus: number, args: readonly string[]): string[] => [
  '--cluster-enabled',
  'yes',
  '--cluster-port',
  `${bus}`,
  '--cluster-node-timeout',
  '1000',
  '--cluster-replica-validity-factor',
  '0',
  '--cluster-replica-no-failover',
  'yes',
  '--repl-diskless-sync-delay',
  '0',
  ...args,
];

/** So many servers; where one does not start, the others are stopped. */
const allOrNone = async (count: number, start: () => Promise<Server>): Promise<Server[]> => {
  const started = await Promise.allSettled(Array.from({ length: count }, start));
  const servers = started.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  const failed = started.find((one) => one.status === 'rejected');
  if (!failed) return servers;
  await Promise.all(servers.map((server) => server.stop()));
  throw failed.reason;
};

/** Starts it. @param args more of each server's command line */
export const startCluster = async (masters = 3, args: readonly string[] = []): Promise<Shards> => {
  const servers = await allOrNone(2 * masters, () => onFreePort((bus) => startServer(settings(bus, args))));
  const nodes = servers.map(({ port }) => new Redis(port, { readOnly: true })); // a replica answers, too
  for (const node of nodes) node.on('error', () => undefined);
  const [first] = nodes;
  if (!first) throw new Error('a Cluster needs a master');
  await Promise.all(
    nodes.slice(0, masters).map((node, i) => {
      const from = Math.ceil((i * SLOTS) / masters);
      return node.call('CLUSTER', 'ADDSLOTSRANGE', from, Math.ceil(((i + 1) * SLOTS) / masters) - 1);
    }),
  );
  await Promise.all(nodes.map((node, i) => node.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)));
  const [own] = await portsOf(nodes.slice(0, 1));
  for (const node of nodes.slice(1)) await node.call('CLUSTER', 'MEET', '127.0.0.1', own?.port ?? 0, own?.bus ?? 0);
  await eventually(
    'every node knows every other',
    async () => {
      const known = await Promise.all(nodes.map((node) => node.cluster('NODES') as Promise<string>));
      return known.every((text) => text.trim().split('\n').length === nodes.length && !text.includes('handshake'));
    },
    SETTLED,
  );
  const ids = await Promise.all(nodes.map((node) => node.cluster('MYID') as Promise<string>));
  await Promise.all(nodes.slice(masters).map((node, i) => node.call('CLUSTER', 'REPLICATE', ids[i] ?? '')));
  await eventually(
    'the Cluster is whole',
    async () => {
      const states = await Promise.all(nodes.map((node) => node.cluster('INFO')));
      const links = await Promise.all(nodes.slice(masters).map((node) => node.info('replication')));
      return (
        states.every((state) => String(state).includes('cluster_state:ok')) &&
        links.every((link) => link.includes('master_link_status:up'))
      );
    },
    SETTLED,
  );
  return {
    servers,
    nodes,
    succeed: async (master) => {
      await nodes[masters + master]?.config('SET', 'cluster-replica-no-failover', 'no');
    },
    stop: async () => {
      for (const node of nodes) node.disconnect();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
};

const portsOf = (nodes: readonly Redis[]): Promise<{ port: number; bus: number }[]> =>
  Promise.all(
    nodes.map(async (node) => {
      const [, bus] = (await node.config('GET', 'cluster-port')) as [string, string];
      return { port: Number(node.options.port), bus: Number(bus) };
    }),
  );

/** Where the servers of a fault stand together, and how a client gets at them: behind Sentinels, with a replica, a Cluster, a quorum. */
import { Cluster, Redis } from 'ioredis';
import type { CoordinatorOptions } from '../../src/index.ts';
import { startCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { MASTER, startSentinels } from '../support/sentinel.ts';
import { type Server, startServer } from '../support/server.ts';
import type { Allowance } from './history.ts';
import { acquired, type Recorder } from './recorder.ts';
import { at, type Ground, type Site } from './site.ts';

/** Longer than those of one server alone, for what several need to agree on. */
export const TTL = 2_000;
export const RENEWAL = 600;
export const TIMEOUT = 500;
/** What the docs allow where servers forget: see docs/guarantees. */
export const BOUND = RENEWAL + TIMEOUT;
const SETTINGS = { ttl: TTL, renewEvery: RENEWAL, commandTimeout: TIMEOUT } as const satisfies CoordinatorOptions;

const watched = (port: number): Redis => {
  const redis = new Redis(port, { retryStrategy: () => 50, maxRetriesPerRequest: null });
  redis.on('error', () => undefined);
  return redis;
};

/** A master with two replicas and three Sentinels. */
export const sentinels = async () => {
  const ground = await startSentinels();
  const connect = (): Redis => new Redis({ sentinels: ground.sentinels, name: MASTER, lazyConnect: true });
  return { ...ground, settings: SETTINGS, connect };
};

/** A master, and a replica of it. */
export const replicated = async () => {
  const master = await startServer(['--repl-diskless-sync-delay', '0']);
  const replica = await startServer(['--replicaof', '127.0.0.1', `${master.port}`]);
  const nodes: [Redis, Redis] = [watched(master.port), watched(replica.port)];
  const stop = async (): Promise<void> => {
    for (const node of nodes) node.disconnect();
    await Promise.all([master.stop(), replica.stop()]);
  };
  await eventually('the replica follows', async () => (await nodes[0].info('replication')).includes('state=online'));
  const connect = (): Redis => new Redis(master.port, { lazyConnect: true });
  return { servers: [master, replica], nodes, replica, settings: SETTINGS, connect, stop };
};

/** A Cluster of three masters, each with a replica. */
export const cluster = async () => {
  const ground = await startCluster();
  const addresses = ground.servers.map(({ port }) => ({ host: '127.0.0.1', port }));
  return { ...ground, settings: SETTINGS, connect: () => new Cluster(addresses, { lazyConnect: true }) };
};

/** As many independent servers as there are ways to start them. */
export const quorum = async (...starts: readonly (() => Promise<Server>)[]) => {
  const servers = await Promise.all(starts.map((start) => start()));
  const nodes = servers.map(({ port }) => watched(port));
  const signal = (kind: NodeJS.Signals, ...which: readonly number[]): void => {
    for (const i of which) servers[i]?.process?.kill(kind);
  };
  return {
    servers,
    nodes,
    settings: { ...SETTINGS, delayedRestart: 0 },
    connect: () => servers.map(({ port }) => new Redis(port, { lazyConnect: true })),
    /** Whom each node names as the owner. */
    owners: (name: string): Promise<(string | undefined)[]> =>
      Promise.all(nodes.map(async (node) => (await node.get(name))?.split(' ')[0])),
    /** Kills a node, and starts it empty on the same port. */
    restart: async (which: number): Promise<void> => {
      const port = servers[which]?.port;
      await servers[which]?.stop();
      servers[which] = await startServer([], port);
    },
    halt: (...which: readonly number[]) => signal('SIGSTOP', ...which),
    resume: (...which: readonly number[]) => signal('SIGCONT', ...which),
    stop: async (): Promise<void> => {
      for (const node of nodes) node.disconnect();
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
};

/** Opens all connections to a quorum and learns the clocks, so that what is measured then is not the start. */
export const warm = async (client: Recorder, { owners }: Awaited<ReturnType<typeof quorum>>): Promise<void> => {
  const lease = await acquired(client.mutex('warm'));
  await eventually('all nodes have it', async () => (await owners('warm')).every((owner) => owner === lease.owner));
  await lease.release(); // by a majority
  await eventually('none has it', async () => (await owners('warm')).every((owner) => owner === undefined));
};

/** Runs a spec at a site on a ground of its own. */
export const on = <G extends Ground>(
  start: () => Promise<G>,
  run: (site: Site, ground: G) => Promise<void>,
  allowance: Allowance = {},
): (() => Promise<void>) => {
  let ground: G;
  const open = async (): Promise<G> => {
    ground = await start();
    return ground;
  };
  return at((site) => run(site, ground), { start: open, allowance });
};

/** A master with two replicas of our own, watched by three Sentinels, on free ports. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { eventually } from './eventually.ts';
import { launch, onFreePort, type Server, startServer } from './server.ts';

export const MASTER = 'main';

/** ms for a failover: where a server pauses in the middle of it, a Sentinel tells a replica again whom to follow only after 10 s. */
const PATIENCE = 60_000;

export interface Watched {
  readonly sentinels: { readonly host: string; readonly port: number }[];
  /** The Sentinels' processes, in the same order. */
  readonly watchers: Server[];
  /** The servers, the first master first. */
  readonly servers: Server[];
  readonly nodes: Redis[];
  /** A plain connection to a Sentinel. */
  readonly sentinel: Redis;
  /** Which of the servers the Sentinels hold for the master. */
  master(): Promise<number>;
  /** Has the Sentinels look around much more often, so that an old master follows the new one in a second instead of ten. */
  hurry(): Promise<void>;
  /** Lets another server become the master, and waits until one replica follows it: the old master takes its time. */
  failover(): Promise<void>;
  stop(): Promise<void>;
}

const startSentinel = (master: number): Promise<Server> =>
  onFreePort((port) => {
    const directory = mkdtempSync(join(tmpdir(), 'redisync-'));
    const settings = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${directory}`,
      `sentinel monitor ${MASTER} 127.0.0.1 ${master} 2`,
      `sentinel down-after-milliseconds ${MASTER} 500`,
      `sentinel failover-timeout ${MASTER} 2000`,
    ];
    const file = join(directory, 'sentinel.conf');
    writeFileSync(file, settings.join('\n'));
    return launch(port, directory, [file, '--sentinel']);
  });

const watchedNode = (nodes: readonly Redis[], i: number): Redis => {
  const node = nodes[i];
  if (!node) throw new Error('the Sentinels name a master that is none of the servers');
  return node;
};

export const startSentinels = async (args: readonly string[] = []): Promise<Watched> => {
  const fast = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1', ...args];
  const first = await startServer(fast);
  const replica = ['--replicaof', '127.0.0.1', `${first.port}`];
  const servers = [first, ...(await Promise.all([0, 1].map(() => startServer([...fast, ...replica]))))];
  const nodes = servers.map(({ port }) => new Redis(port));
  const watchers = await Promise.all([0, 1, 2].map(() => startSentinel(first.port)));
  const sentinel = new Redis(watchers[0]?.port ?? 0);
  for (const client of [...nodes, sentinel]) client.on('error', () => undefined);
  const master = async (): Promise<number> => {
    const [, port] = (await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER)) as [string, string];
    return servers.findIndex((server) => server.port === Number(port));
  };
  /** What a Sentinel says of the master, in one answer. */
  const told = async (): Promise<(name: string) => string> => {
    const facts = (await sentinel.call('SENTINEL', 'MASTER', MASTER)) as string[];
    return (name) => facts[facts.indexOf(name) + 1] ?? '';
  };
  const settled = async (): Promise<boolean> => {
    const now = await master();
    const infos = await Promise.all(nodes.map((node) => node.info('replication').catch(() => '')));
    const fact = await told();
    return (
      infos.every((info, i) => (i === now ? info.includes('role:master') : info.includes('master_link_status:up'))) &&
      infos[now]?.includes('connected_slaves:2') === true &&
      fact('flags') === 'master' &&
      fact('num-other-sentinels') === '2' &&
      fact('num-slaves') === '2'
    );
  };
  await eventually('the Sentinels know each other and both replicas', settled, 60_000);
  return {
    sentinels: watchers.map(({ port }) => ({ host: '127.0.0.1', port })),
    watchers,
    servers,
    nodes,
    sentinel,
    master,
    hurry: async () => {
      for (const { port } of watchers) {
        const client = new Redis(port);
        await client.call('SENTINEL', 'DEBUG', 'info-period', 200, 'publish-period', 200);
        client.disconnect();
      }
    },
    failover: async () => {
      const before = (await told())('port');
      const succeeded = async (): Promise<boolean> => {
        const fact = await told();
        if (fact('port') === before) {
          // The Sentinels give a failover up where no replica is promoted within the failover-timeout, so it is asked for again.
          if (!fact('flags').includes('failover_in_progress'))
            await sentinel.call('SENTINEL', 'FAILOVER', MASTER).catch(() => undefined); // no replica is good enough yet
          return false;
        }
        const next = servers.findIndex(({ port }) => port === Number(fact('port')));
        return /connected_slaves:[12]/.test(await watchedNode(nodes, next).info('replication'));
      };
      await eventually('a replica follows another master', succeeded, PATIENCE);
    },
    stop: async () => {
      for (const client of [...nodes, sentinel]) client.disconnect();
      await Promise.all([...watchers, ...servers].map((server) => server.stop()));
    },
  };
};

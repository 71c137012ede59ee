/** Makes a coordinator from URLs, after checking that Redis answers. */
import { Cluster, Redis } from 'ioredis';
import { type CoordinatorOptions, LockCoordinator } from '../index.ts';
import { checked, EXIT, Failure } from './exit.ts';

/** Where Redis is, and what kind of it. */
export interface Where {
  readonly redis?: readonly string[];
  readonly quorum?: boolean;
  readonly cluster?: boolean;
}

interface Target {
  readonly client: Redis;
  readonly url: string;
  /** The URL as it may be shown: without user, password and query. */
  readonly at: string;
}

const LOCAL = 'redis://127.0.0.1:6379';

/** Parses a URL. Errors do not repeat it, for it may contain a password. */
const serverAt = (source: string, text: string): Target => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^rediss?:$/.test(url.protocol) || url.host === '') {
    // written apart, because withoutSecrets would hide USER:PASSWORD@ in a URL
    const forms = 'redis://HOST:PORT or rediss://HOST:PORT, with USER:PASSWORD@ before HOST to log in';
    throw new Failure(EXIT.usage, `${source} is no Redis URL: write it as ${forms}`);
  }
  if (!/^\/?\d*$/.test(url.pathname)) {
    throw new Failure(EXIT.usage, `${source} names no database: write its number, as in redis://HOST:PORT/2`);
  }
  try {
    const client = new Redis(text, {
      lazyConnect: true,
      enableReadyCheck: false, // it needs the right to INFO
      retryStrategy: () => null,
      connectTimeout: 5_000,
      disconnectTimeout: 0, // else a failed connection keeps the process alive for 2 s
      commandTimeout: 5_000,
    });
    return { client, url: text, at: `${url.protocol}//${url.host}${url.pathname}` };
  } catch {
    throw new Failure(EXIT.usage, `${source} is no Redis URL: percent-encode what is special in user and password`);
  }
};

const permitted = (error: Error): void => {
  if (!error.message.startsWith('NOPERM')) throw error;
};

/**
 * One answered command; a refused one is an answer too, unless it is about who we are. A database that is not there would
 * go unnoticed: ioredis goes on in the first one.
 */
const reach = async ({ client, at }: Target): Promise<void> => {
  const { db = 0 } = client.options;
  let lastError: Error | undefined;
  client.on('error', (error: Error) => {
    lastError = error;
  });
  try {
    await client.connect();
    await client.ping().catch(permitted);
    if (db > 0) await client.select(db);
  } catch (error) {
    const { message } = lastError ?? (error as Error);
    const refused = /^(WRONGPASS|NOAUTH)/.test(message);
    const remedy = refused ? 'set user and password in its URL' : 'name another in --redis or REDIS_URL';
    throw new Failure(EXIT.noRedis, `cannot use Redis at ${at}: ${message.replace(/\.$/, '')}; ${remedy}`);
  } finally {
    client.disconnect();
  }
};

/** How many servers must answer: a majority of a quorum; one node of a Cluster, which knows the others. */
const reachEnough = async (servers: readonly Target[], { quorum, cluster }: Where): Promise<void> => {
  const failures = (await Promise.allSettled(servers.map(reach))).filter((end) => end.status === 'rejected');
  const enough = cluster ? 1 : quorum ? Math.floor(servers.length / 2) + 1 : servers.length;
  if (servers.length - failures.length < enough) throw failures[0]?.reason;
};

/** Options for the nodes of a Cluster: the Cluster tells their addresses, but not how to log in. */
const clusterOf = (servers: readonly Target[]): Cluster => {
  const { username, password, tls } = servers[0]?.client.options ?? {};
  const login = Object.fromEntries(Object.entries({ username, password, tls }).filter(([, value]) => value != null));
  return new Cluster(
    servers.map(({ url }) => url),
    { lazyConnect: true, redisOptions: login },
  );
};

const coordinatorOf = (servers: readonly Target[], where: Where, options: CoordinatorOptions): LockCoordinator => {
  const [first] = servers;
  if (where.cluster) return new LockCoordinator(clusterOf(servers), options);
  if (where.quorum || !first)
    return new LockCoordinator(
      servers.map(({ client }) => client),
      options,
    );
  if (servers.length === 1) return new LockCoordinator(first.client, options);
  throw new RangeError('several --redis need --quorum (independent servers) or --cluster (nodes of one Cluster)');
};

/**
 * Makes a coordinator, calls `use`, and closes the coordinator and its connections.
 *
 * @param unseen whether to go on if Redis does not answer
 */
export const withLocks = async <T>(
  where: Where,
  options: CoordinatorOptions,
  use: (locks: LockCoordinator) => Promise<T>,
  unseen = false,
): Promise<T> => {
  const source = where.redis ? '--redis' : 'REDIS_URL';
  const servers = (where.redis ?? [process.env.REDIS_URL || LOCAL]).map((text) => serverAt(source, text));
  const locks = checked(() => coordinatorOf(servers, where, options));
  try {
    if (!unseen) await reachEnough(servers, where);
    return await use(locks);
  } finally {
    await locks.close();
  }
};

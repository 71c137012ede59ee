/** Connections of our own beside the caller's, to the same place and with the same rights, and which of them a key belongs to. */
import type { Cluster, Redis, RedisOptions } from 'ioredis';
import type { Driver } from './driver.ts';
import { slotOf } from './slot.ts';

export type Client = Driver | Cluster;

/** ms before the next attempt to connect. It never ends, and is jittered, so that many processes do not come back at once. */
export const retryStrategy = (times: number): number =>
  Math.min(1_000, 25 * 2 ** Math.min(times, 6)) * (0.5 + Math.random() / 2);

/**
 * Our own settings: what ioredis would send again or later by itself could land behind a release.
 */
const SETTINGS = {
  lazyConnect: true,
  keyPrefix: '',
  stringNumbers: false,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  maxRetriesPerRequest: null,
  disconnectTimeout: 0, // else a socket, or only a timer, outlives close() by 2 s where Redis does not answer
  retryStrategy,
  reconnectOnError: (error: Error): boolean => error.message.startsWith('READONLY'),
} satisfies RedisOptions;

/**
 * A master that is replaced by plan stays one for some ten seconds more, and so do the connections to it: a lease would
 * be renewed there that the new master knows nothing of. With this they end when a Sentinel tells of the new one.
 */
const FOLLOWING = { failoverDetector: true } satisfies RedisOptions;

export const isCluster = (client: Client): client is Cluster => client.isCluster;

/** A connection like the given one that is not open yet. */
export const duplicate = <C extends Client>(client: C): C => {
  const twin = isCluster(client)
    ? client.duplicate([], clusterSettings(client))
    : client.duplicate(client.options.sentinels ? { ...SETTINGS, ...FOLLOWING } : SETTINGS);
  Reflect.deleteProperty(twin.options, 'commandTimeout');
  return twin as C; // ioredis duplicates each kind into its own
};

/** A Cluster's nodes queue what comes while they connect: it opens them one by one, at their first use. */
const clusterSettings = ({ options }: Cluster) => {
  const redisOptions = { ...SETTINGS };
  Object.assign(redisOptions, options.redisOptions, SETTINGS); // ioredis 5 takes them in place of the caller's: user, TLS …
  Reflect.set(redisOptions, 'commandTimeout', undefined); // overrides the caller's
  return { lazyConnect: true, keyPrefix: '', clusterRetryStrategy: SETTINGS.retryStrategy, redisOptions };
};

/** host:port, as ioredis keys the nodes of a Cluster. */
export const placeOf = ({ options }: Driver): string => `${options.host}:${options.port}`;

/**
 * The connection on which to ask about a key: of a Cluster, the one to the master of its slot, if one is known. We ask
 * that node ourselves, so that what is learnt of a server, and WAIT, are about the server that was asked.
 */
export const nodeFor = (client: Client, key: string): Driver | undefined =>
  isCluster(client) ? masterIn(client, key) : client;

export const masterIn = (cluster: Cluster, key: string): Redis | undefined => {
  const [place] = cluster.slots[slotOf(key)] ?? [];
  return cluster.nodes('master').find((node) => placeOf(node) === place);
};

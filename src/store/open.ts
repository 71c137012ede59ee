/** From what the caller has to the store over it: one Redis, a Cluster, or a quorum of independent ones. */
import type { Cluster, Redis } from 'ioredis';
import type { SchedulerLike } from 'rxjs';
import { type CoordinatorOptions, duration, integerIn, reading, show } from '../options.ts';
import { Announcements } from './announcements.ts';
import { type Client, isCluster } from './client.ts';
import { COMMAND_TIMEOUT } from './dial.ts';
import type { Driver } from './driver.ts';
import { NodeRedisDriver } from './node-redis.ts';
import { isNodeRedis, type NodeRedis } from './node-redis-client.ts';
import { QuorumStore } from './quorum.ts';
import { RedisStore } from './redis.ts';
import type { Store } from './store.ts';

/** Fewer than three do not outlive the loss of one. */
const FEWEST_NODES = 3;

/** A client of ioredis, single, behind Sentinels or of a Cluster; or one of node-redis. */
export type Source = Redis | Cluster | NodeRedis;

const own = new WeakSet<object>();

/** Marks a store of ours that is over no Redis, which a coordinator then takes as it is: see testing. */
export const ownStore = (store: Store): Store => {
  own.add(store);
  return store;
};

/** Known by the mark alone: whatever else a caller hands over is a client, or a mistake that is to be told. */
export const isOwnStore = (redis: unknown): redis is Store =>
  typeof redis === 'object' && redis !== null && own.has(redis);

/** What a coordinator is made with: a client, or the independent nodes of a quorum. @throws TypeError */
export const clientsOf = (redis: Source | readonly Source[]): Client | readonly Driver[] => {
  const given = reading('redis', () => (isArray(redis) ? [...redis] : redis));
  if (!isArray(given)) return clientOf('redis', given);
  return given.map((node, i) => independent(`redis[${i}]`, clientOf(`redis[${i}]`, node)));
};

const isArray = <T>(value: T | readonly T[]): value is readonly T[] => Array.isArray(value);

/** @throws TypeError, RangeError */
export const openStore = (
  redis: Client | readonly Driver[],
  scheduler: SchedulerLike,
  ttl: number,
  { quorum, delayedRestart = ttl, commandTimeout = COMMAND_TIMEOUT }: CoordinatorOptions,
): Store => {
  duration('delayedRestart', delayedRestart, 0);
  if (!isArray(redis)) {
    if (quorum !== undefined) throw new TypeError('quorum is for an array of independent Redis, got a single one');
    return new RedisStore(redis, scheduler, commandTimeout);
  }
  const nodes: readonly Driver[] = redis;
  if (nodes.length < FEWEST_NODES) {
    throw new RangeError(`A quorum needs at least ${FEWEST_NODES} nodes, got ${nodes.length}`);
  }
  const twice = nodes.map(placeOf).find((place, i, all) => all.indexOf(place) < i);
  if (twice) throw new RangeError(`The nodes of a quorum must be independent of each other, got ${twice} twice`);
  const majority = Math.floor(nodes.length / 2) + 1;
  if (quorum !== undefined) integerIn('quorum', quorum, majority, nodes.length);
  const stores = nodes.map((node) => new RedisStore(node, scheduler, commandTimeout));
  return new QuorumStore(stores, new Announcements(nodes, { commandTimeout, scheduler }), scheduler, {
    quorum: quorum ?? majority,
    delayedRestart,
  });
};

const clientOf = (argument: string, redis: Source): Client => {
  const client = reading(argument, () => {
    if (isNodeRedis(redis)) return new NodeRedisDriver(redis);
    return typeof redis?.duplicate === 'function' && typeof redis.isCluster === 'boolean' ? redis : undefined;
  });
  if (client) return client;
  throw new TypeError(`${argument} must be an ioredis Redis or Cluster, or a node-redis client, got ${show(redis)}`);
};

const independent = (argument: string, redis: Client): Driver => {
  if (!isCluster(redis)) return redis;
  throw new TypeError(`${argument} must be a single Redis: a Cluster is no independent node of a quorum`);
};

/** Where a node is: its server, whichever of its databases. */
const placeOf = ({ options }: Driver): string =>
  options.path ?? (options.sentinels ? `master ${options.name}` : `${options.host}:${options.port}`);

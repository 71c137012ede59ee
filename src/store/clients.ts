/** Checks what a coordinator is made with. A value that is no client is refused by name, with what to pass instead. */
import type { Cluster, Redis } from 'ioredis';
import { reading, show } from '../options.ts';
import { type Client, isCluster } from './client.ts';
import type { Driver } from './driver.ts';
import type { Source } from './given.ts';
import { NodeRedisDriver } from './node-redis.ts';
import { isNodeRedis } from './node-redis-client.ts';

/** A client, or the independent nodes of a quorum. @throws TypeError */
export const clientsOf = (redis: Source | readonly Source[]): Client | readonly Driver[] => {
  const given = reading('redis', () => (isArray(redis) ? [...redis] : redis));
  if (!isArray(given)) return clientOf('redis', given);
  return given.map((node, i) => independent(`redis[${i}]`, clientOf(`redis[${i}]`, node)));
};

export const isArray = <T>(value: T | readonly T[]): value is readonly T[] => Array.isArray(value);

const isIoredis = (redis: Source): redis is Redis | Cluster =>
  typeof redis?.duplicate === 'function' && 'isCluster' in redis && typeof redis.isCluster === 'boolean';

const clientOf = (argument: string, redis: Source): Client => {
  const client = reading(argument, () => {
    if (isNodeRedis(redis)) return new NodeRedisDriver(redis);
    return isIoredis(redis) ? redis : undefined;
  });
  if (client) return client;
  const got = reading(argument, () => insteadOf(redis));
  throw new TypeError(`${argument} must be an ioredis Redis or Cluster, or a node-redis client, got ${got}`);
};

const independent = (argument: string, redis: Client): Driver => {
  if (!isCluster(redis)) return redis;
  throw new TypeError(`${argument} must be a single Redis: a Cluster is no independent node of a quorum`);
};

/** Properties by which a mistake is recognised, what the value is then, and what to pass instead. */
const MISTAKES: readonly (readonly [has: readonly string[], what: string])[] = [
  [['then'], 'a promise: await it, and pass the client'],
  [['masters'], 'a Cluster of node-redis: pass a Cluster of ioredis'],
  [
    ['getMasterNode', 'getSentinelNode'],
    'a Sentinel client of node-redis: pass a Redis of ioredis with `sentinels` and `name`',
  ],
  [
    ['idleClients', 'clientsInUse'],
    'a pool of node-redis: pass a single client, of which a coordinator makes its own connections',
  ],
  [
    ['sendCommand', 'send_command'],
    'a client of a library or a version that is not supported: pass one of ioredis 5 or 6, or of node-redis 5 or 6',
  ],
  [
    ['host', 'port', 'path', 'url', 'socket', 'sentinels', 'nodes', 'rootNodes'],
    'options of a connection: pass a client that is made with them, as in new Redis({ host, port }) of ioredis',
  ],
];

/** Describes a wrong value. It never shows its contents, which may be a password, or a URL with one. */
const insteadOf = (given: unknown): string => {
  if (typeof given === 'string') return 'a string: pass a client that is made with it, as in new Redis(url) of ioredis';
  if (typeof given !== 'object' || given === null) return show(given);
  return MISTAKES.find(([has]) => has.some((property) => property in given))?.[1] ?? show(given);
};

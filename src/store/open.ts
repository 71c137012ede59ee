/** From what the caller has to the store over it: one Redis, a Cluster, or a quorum of independent ones. */
import type { Redis } from 'ioredis';
import type { SchedulerLike } from 'rxjs';
import { type CoordinatorOptions, duration, integerIn, show } from '../options.ts';
import { Announcements } from './announcements.ts';
import type { Client } from './client.ts';
import { QuorumStore } from './quorum.ts';
import { RedisStore } from './redis.ts';
import type { Store } from './store.ts';

/** Fewer than three do not outlive the loss of one. */
const FEWEST_NODES = 3;

/** @throws TypeError, RangeError */
export const openStore = (
  redis: Client | readonly Redis[],
  scheduler: SchedulerLike,
  ttl: number,
  { quorum, delayedRestart = ttl }: CoordinatorOptions,
): Store => {
  if (!Array.isArray(redis)) {
    if (quorum !== undefined) throw new TypeError('quorum is for an array of independent Redis, got a single one');
    return new RedisStore(clientOf('redis', redis as Client), scheduler);
  }
  const nodes: readonly Redis[] = Array.from(redis, (node, i) =>
    independent(`redis[${i}]`, clientOf(`redis[${i}]`, node)),
  );
  if (nodes.length < FEWEST_NODES) {
    throw new RangeError(`A quorum needs at least ${FEWEST_NODES} nodes, got ${nodes.length}`);
  }
  const twice = nodes.map(placeOf).find((place, i, all) => all.indexOf(place) < i);
  if (twice) throw new RangeError(`The nodes of a quorum must be independent of each other, got ${twice} twice`);
  const majority = Math.floor(nodes.length / 2) + 1;
  if (quorum !== undefined) integerIn('quorum', quorum, majority, nodes.length);
  duration('delayedRestart', delayedRestart, 0);
  const stores = nodes.map((node) => new RedisStore(node, scheduler));
  return new QuorumStore(stores, new Announcements(nodes, scheduler), scheduler, {
    quorum: quorum ?? majority,
    delayedRestart,
  });
};

const clientOf = <C extends Client>(argument: string, redis: C): C => {
  if (typeof redis?.duplicate === 'function') return redis;
  throw new TypeError(`${argument} must be an ioredis Redis or Cluster, got ${show(redis)}`);
};

const independent = (argument: string, redis: Client): Redis => {
  if (!redis.isCluster) return redis as Redis;
  throw new TypeError(`${argument} must be a single Redis: a Cluster is no independent node of a quorum`);
};

/** Where a node is: its server, whichever of its databases. */
const placeOf = ({ options }: Redis): string =>
  options.path ?? (options.sentinels ? `master ${options.name}` : `${options.host}:${options.port}`);

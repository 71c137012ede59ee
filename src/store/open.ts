/** From what the caller has to the store over it: one Redis, a Cluster, or a quorum of independent ones. */
import type { SchedulerLike } from 'rxjs';
import { type CoordinatorOptions, duration, integerIn } from '../options.ts';
import { Announcements } from './announcements.ts';
import type { Client } from './client.ts';
import { COMMAND_TIMEOUT } from './dial.ts';
import type { Driver, Place } from './driver.ts';
import { QuorumStore } from './quorum.ts';
import { RedisStore } from './redis.ts';
import { isArray } from './source.ts';
import type { Store } from './store.ts';

/** Fewer than three do not outlive the loss of one. */
const FEWEST_NODES = 3;

const own = new WeakSet<object>();

/** Marks a store of ours that is over no Redis, which a coordinator then takes as it is: see testing. */
export const ownStore = (store: Store): Store => {
  own.add(store);
  return store;
};

/** Known by the mark alone: whatever else a caller hands over is a client, or a mistake that is to be told. */
export const isOwnStore = (redis: unknown): redis is Store =>
  typeof redis === 'object' && redis !== null && own.has(redis);

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
  const places = nodes.map(placesOf);
  const twice = places.flat().find((place) => places.filter((those) => those.includes(place)).length > 1);
  if (twice) throw new RangeError(`The nodes of a quorum must be independent of each other, got ${twice} twice`);
  const majority = Math.floor(nodes.length / 2) + 1;
  if (quorum !== undefined) integerIn('quorum', quorum, majority, nodes.length);
  const stores = nodes.map((node) => new RedisStore(node, scheduler, commandTimeout));
  return new QuorumStore(stores, new Announcements(nodes, { commandTimeout, scheduler }), scheduler, {
    quorum: quorum ?? majority,
    delayedRestart,
  });
};

/** The most usual names of this machine. */
const LOCAL = new Set([undefined, 'localhost', '127.0.0.1', '::1']);

/** Where a node is: its server, whichever of its databases. One that is behind Sentinels is wherever each of them says. */
const placesOf = ({ options }: Driver): string[] => {
  const { path, host, port, name } = options;
  if (options.sentinels) return options.sentinels.map((sentinel) => `master ${name} of ${placeOf(sentinel, 26_379)}`);
  return [path ?? placeOf({ host, port }, 6_379)];
};

const placeOf = ({ host, port }: Pick<Place, 'host' | 'port'>, usual: number): string =>
  `${LOCAL.has(host) ? 'localhost' : host}:${port ?? usual}`;

/** Makes the store over the caller's clients: one Redis, a Cluster, or a quorum of independent ones. */
import type { SchedulerLike } from 'rxjs';
import { COMMAND_TIMEOUT, type CoordinatorOptions, duration, integerIn } from '../options.ts';
import { Announcements } from './announcements.ts';
import type { Client } from './client.ts';
import { isArray } from './clients.ts';
import type { Driver, ServerOptions } from './driver.ts';
import { QuorumStore } from './quorum.ts';
import { RedisStore } from './redis.ts';
import type { Store } from './store.ts';

/** The fewest nodes of a quorum: fewer than three do not survive the loss of one. */
const FEWEST_NODES = 3;

const own = new WeakSet<object>();

/** Marks a store that needs no Redis, so that a coordinator accepts it in place of a client: see testing. */
export const ownStore = (store: Store): Store => {
  own.add(store);
  return store;
};

/** Whether it is a marked store. Whatever else a caller passes is a client, or a mistake that is reported. */
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
    if (quorum !== undefined)
      throw new TypeError(
        'quorum is for an array of independent Redis, got a single one: pass all nodes, or leave quorum out',
      );
    return new RedisStore(redis, scheduler, commandTimeout);
  }
  const nodes: readonly Driver[] = redis;
  if (nodes.length < FEWEST_NODES) {
    throw new RangeError(
      `A quorum needs at least ${FEWEST_NODES} nodes, got ${nodes.length}: for one Redis pass its client, not an array`,
    );
  }
  const addresses = nodes.map(addressesOf);
  const twice = addresses.flat().find((address) => addresses.filter((those) => those.includes(address)).length > 1);
  if (twice) throw new RangeError(`The nodes of a quorum must be independent of each other, got ${twice} twice`);
  const majority = Math.floor(nodes.length / 2) + 1;
  if (quorum !== undefined) integerIn('quorum', quorum, majority, nodes.length);
  const stores = nodes.map((node) => new RedisStore(node, scheduler, commandTimeout));
  return new QuorumStore(stores, new Announcements(nodes, { commandTimeout, scheduler }), scheduler, {
    quorum: quorum ?? majority,
    delayedRestart,
  });
};

/** The usual names of this machine. */
const LOCAL = new Set([undefined, 'localhost', '127.0.0.1', '::1']);

/** The addresses of a node, by which two nodes are known to be one server, whatever the database. Behind Sentinels: the master's name at each Sentinel. */
const addressesOf = ({ options }: Driver): string[] => {
  const { path, host, port, name } = options;
  if (options.sentinels)
    return options.sentinels.map((sentinel) => `master ${name} of ${hostAndPort(sentinel, 26_379)}`);
  return [path ?? hostAndPort({ host, port }, 6_379)];
};

const hostAndPort = ({ host, port }: Pick<ServerOptions, 'host' | 'port'>, usual: number): string =>
  `${LOCAL.has(host) ? 'localhost' : host}:${port ?? usual}`;

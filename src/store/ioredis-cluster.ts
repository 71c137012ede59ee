/** Makes an ioredis Cluster like the caller's. It starts from the nodes that are known by now, and logs in as the caller's does. */
import type { Cluster, Redis } from 'ioredis';
import { addressOf } from './client.ts';
import { type Duplicate, LOGIN, live, NOT_OURS, SETTINGS, without } from './ioredis.ts';
import { type OpeningTimeout, retryStrategy } from './opening-timeout.ts';
import { SideConnections } from './side-connections.ts';

/** The nodes of a Cluster keep their offline queue: ioredis opens each at its first use, and sends what came meanwhile. */
export const duplicateCluster = (source: Cluster, opening: OpeningTimeout): Duplicate<Cluster> => {
  const redisOptions = { ...SETTINGS };
  Object.assign(redisOptions, source.options.redisOptions, without(NOT_OURS), SETTINGS); // ioredis 5 takes them in place of the caller's
  const client = source.duplicate([], {
    lazyConnect: true,
    keyPrefix: '',
    enableAutoPipelining: false,
    shardedSubscribers: false,
    clusterRetryStrategy: retryStrategy,
    redisOptions,
  });
  Reflect.set(client.options, 'clusterNodeRetryStrategy', null);
  live(client.options, 'slotsRefreshTimeout', () => opening.ms / 2); // otherwise a node that does not answer is awaited for ever
  startAnywhere(client, source);
  const sides = new SideConnections();
  const logIn = loginOf(source);
  client.on('+node', (node: Redis) => {
    logIn(node);
    sides.track(node, 'duplicate'); // to ask it for the slots
  });
  return { client, end: () => sides.end() };
};

/**
 * Chooses the nodes from which to start: on every other attempt those that the caller's client and ours know by now, and
 * in between those that the caller gave. The Cluster may have moved, or may be back where it was.
 */
const startAnywhere = (client: Cluster, source: Cluster): void => {
  const addressesOf = (cluster: Cluster) => cluster.nodes().map(({ options: { host, port } }) => ({ host, port }));
  let last = addressesOf(client);
  let attempts = 0;
  const known = () => (attempts % 2 === 0 ? [...addressesOf(source), ...last] : []);
  client.on('connecting', () => {
    attempts += 1; // the client has read `startupNodes` for this attempt by now
  });
  client.on('ready', () => {
    attempts = 0;
    last = addressesOf(client);
  });
  live(client, 'startupNodes', () => (known().length > 0 ? known() : Reflect.get(source, 'startupNodes')));
  live(client.options, 'useSRVRecords', () => known().length === 0 && source.options.useSRVRecords);
};

/** How to log in to a node: as the caller's client of that node does, or as the caller's options say if these have changed since. */
const loginOf = (source: Cluster): ((node: Redis) => void) => {
  const before = { ...source.options.redisOptions };
  return (node) => {
    const address = addressOf(node);
    for (const option of LOGIN) {
      const own = node.options[option];
      live(node.options, option, () => {
        const now = source.options.redisOptions?.[option];
        if (now !== before[option]) return now;
        const same = source.nodes().find((other) => addressOf(other) === address);
        return same ? same.options[option] : own;
      });
    }
  };
};

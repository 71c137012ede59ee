/** A Cluster of our own beside the caller's, of ioredis: it begins wherever the Cluster is by now, and logs in as the caller's does. */
import type { Cluster, Redis } from 'ioredis';
import { placeOf } from './client.ts';
import { LOGIN, live, NOT_OURS, SETTINGS, type Twin, without } from './ioredis.ts';
import { type Patience, retryStrategy } from './patience.ts';
import { SideConnections } from './side-connections.ts';

/** A Cluster's nodes queue what comes while they connect: it opens them one by one, at their first use. */
export const clusterTwinOf = (source: Cluster, patience: Patience): Twin<Cluster> => {
  const redisOptions = { ...SETTINGS };
  Object.assign(redisOptions, source.options.redisOptions, without(NOT_OURS), SETTINGS); // ioredis 5 takes them in place of the caller's
  const twin = source.duplicate([], {
    lazyConnect: true,
    keyPrefix: '',
    enableAutoPipelining: false,
    shardedSubscribers: false,
    clusterRetryStrategy: retryStrategy,
    redisOptions,
  });
  Reflect.set(twin.options, 'clusterNodeRetryStrategy', null);
  live(twin.options, 'slotsRefreshTimeout', () => patience.ms / 2); // else a node that is silent is waited for
  startAnywhere(twin, source);
  const sides = new SideConnections();
  const logIn = loginOf(source);
  twin.on('+node', (node: Redis) => {
    logIn(node);
    sides.track(node, 'duplicate'); // to ask it for the slots
  });
  return { twin, end: () => sides.end() };
};

/** Begins where the Cluster is by what the caller's and ours know of it; and, in turn with that, where it was said to be. */
const startAnywhere = (twin: Cluster, source: Cluster): void => {
  const placesOf = (cluster: Cluster) => cluster.nodes().map(({ options: { host, port } }) => ({ host, port }));
  let last = placesOf(twin);
  let attempts = 0;
  const known = () => (attempts % 2 === 0 ? [...placesOf(source), ...last] : []);
  twin.on('connecting', () => {
    attempts += 1; // it has read by then where to begin
  });
  twin.on('ready', () => {
    attempts = 0;
    last = placesOf(twin);
  });
  live(twin, 'startupNodes', () => (known().length > 0 ? known() : Reflect.get(source, 'startupNodes')));
  live(twin.options, 'useSRVRecords', () => known().length === 0 && source.options.useSRVRecords);
};

/** How to log in to a node: as the caller's client of that node does, or as its options say where they have changed. */
const loginOf = (source: Cluster): ((node: Redis) => void) => {
  const before = { ...source.options.redisOptions };
  return (node) => {
    const place = placeOf(node);
    for (const option of LOGIN) {
      const own = node.options[option];
      live(node.options, option, () => {
        const now = source.options.redisOptions?.[option];
        if (now !== before[option]) return now;
        const same = source.nodes().find((other) => placeOf(other) === place);
        return same ? same.options[option] : own;
      });
    }
  };
};

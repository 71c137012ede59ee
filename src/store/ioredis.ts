/** Clients of ioredis of our own, beside the caller's: to the same place and with the same rights, by settings of ours. */
import type { Cluster, Redis, RedisOptions } from 'ioredis';
import type { Driver } from './driver.ts';
import { type Patience, retryStrategy } from './patience.ts';

/** Our own settings: what ioredis would send again or later by itself could land behind a release. */
const SETTINGS = {
  lazyConnect: true,
  keyPrefix: '',
  stringNumbers: false,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  maxRetriesPerRequest: null,
  connectTimeout: 0, // our own is that of the whole opening
  disconnectTimeout: 0, // else a socket, or only a timer, outlives close() by 2 s where Redis does not answer
  retryStrategy,
  reconnectOnError: (error: Error): boolean => error.message.startsWith('READONLY'),
} satisfies RedisOptions;

/**
 * A master that is replaced by plan stays one for some ten seconds more, and so do the connections to it: a lease would
 * be renewed there that the new master knows nothing of. With `failoverDetector` they end when a Sentinel tells of the
 * new one. Where no Sentinel answers, the attempt is over; the pause before the next one must end at `close()`.
 */
const BEHIND_SENTINELS = { failoverDetector: true, sentinelRetryStrategy: () => null } satisfies RedisOptions;

/** Meant for the caller's own traffic: bounds of its commands, and what it prepares on each of its connections. */
const NOT_OURS = ['commandTimeout', 'socketTimeout', 'blockingTimeout', 'himportFieldsets'];

/** A client that is not open yet, and what ends that it opens by itself. */
export interface Twin<C> {
  readonly twin: C;
  readonly end: () => void;
}

export const twinOf = (source: Driver, patience: Patience): Twin<Driver> => {
  const behind = source.options.sentinels ? BEHIND_SENTINELS : {};
  const twin = source.duplicate({ ...without(NOT_OURS), ...SETTINGS, ...behind });
  live(twin.options, 'sentinelCommandTimeout', () => patience.ms / 2); // else one that is silent is waited for
  const helpers = new Helpers();
  helpers.track(Reflect.get(twin, 'connector'), 'connectToSentinel');
  return { twin, end: () => helpers.end() };
};

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
  const helpers = new Helpers();
  twin.on('+node', (node: object) => helpers.track(node, 'duplicate')); // to ask it for the slots
  return { twin, end: () => helpers.end() };
};

/** The connections that ioredis opens by itself beside those that it was asked for: to Sentinels, and to ask for slots. */
class Helpers {
  private readonly clients = new Set<Redis>();
  private ended = false;

  /** Those that this method makes are ended with the client that they help, and without its two seconds of grace. */
  track(maker: unknown, method: string): void {
    if (typeof maker !== 'object' || maker === null) return;
    const make: unknown = Reflect.get(maker, method);
    if (typeof make !== 'function') return;
    Reflect.set(maker, method, (...args: unknown[]): unknown => {
      if (this.ended) throw new Error('The connection was ended');
      const client: Redis = make.apply(maker, args);
      Reflect.set(Reflect.get(client, 'connector'), 'disconnectTimeout', 0);
      client.on('error', () => undefined); // ioredis learns of it by the command that fails, and would print it else
      this.clients.add(client);
      client.once('end', () => this.clients.delete(client));
      return client;
    });
  }

  end(): void {
    this.ended = true;
    for (const client of this.clients) client.disconnect();
  }
}

const without = (options: readonly string[]): Record<string, undefined> =>
  Object.fromEntries(options.map((option) => [option, undefined]));

/** Makes it an option that is read anew whenever it is used. */
const live = (options: object, option: string, get: () => unknown): void => {
  Object.defineProperty(options, option, { get, enumerable: true, configurable: true });
};

/** Clients of ioredis of our own, beside the caller's: to the same place and with the same rights, by settings of ours. */
import type { RedisOptions } from 'ioredis';
import type { Driver } from './driver.ts';
import { type Patience, retryStrategy } from './patience.ts';
import { SideConnections } from './side-connections.ts';

/** Our own settings: what ioredis would send again or later by itself could land behind a release. */
export const SETTINGS = {
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
export const NOT_OURS = ['commandTimeout', 'socketTimeout', 'blockingTimeout', 'himportFieldsets'];

/** What may change while a client lives, and is then with ours as it is with the caller's: where the server is, and how to log in. */
const CURRENT = ['host', 'port', 'path', 'family', 'sentinelUsername', 'sentinelPassword'];
export const LOGIN = ['username', 'password', 'tls'] as const;

/** A client that is not open yet, and what ends that it opens by itself. */
export interface Twin<C> {
  readonly twin: C;
  readonly end: () => void;
}

export const twinOf = (source: Driver, patience: Patience): Twin<Driver> => {
  const behind = source.options.sentinels ? BEHIND_SENTINELS : {};
  const twin = source.duplicate({ ...without(NOT_OURS), ...SETTINGS, ...behind, db: databaseOf(source) });
  for (const option of [...CURRENT, ...LOGIN]) live(twin.options, option, () => Reflect.get(source.options, option));
  live(twin.options, 'sentinelCommandTimeout', () => patience.ms / 2); // else one that is silent is waited for
  twin.on('error', (error) => {
    if (isOfSelect(error)) twin.stream?.destroy(); // ioredis would go on in the first database
  });
  const sides = new SideConnections();
  sides.track(Reflect.get(twin, 'connector'), 'connectToSentinel');
  return { twin, end: () => sides.end() };
};

/** The database that the caller's client has selected. ioredis has it with the connection, and with the last one while there is none. */
const databaseOf = (source: Driver): number => {
  for (const kept of ['prevCondition', 'condition']) {
    const condition: unknown = Reflect.get(source, kept);
    const database: unknown = typeof condition === 'object' && condition !== null && Reflect.get(condition, 'select');
    if (typeof database === 'number') return database;
  }
  return source.options.db ?? 0;
};

const isOfSelect = (error: Error): boolean => {
  const command: unknown = Reflect.get(error, 'command');
  return typeof command === 'object' && command !== null && Reflect.get(command, 'name') === 'select';
};

export const without = (options: readonly string[]): Record<string, undefined> =>
  Object.fromEntries(options.map((option) => [option, undefined]));

/** Makes it an option that is read anew whenever it is used. */
export const live = (options: object, option: string, get: () => unknown): void => {
  Object.defineProperty(options, option, { get, enumerable: true, configurable: true });
};

/** Makes clients of ioredis like the caller's: to the same server and with the same rights, but with settings of ours. */
import type { RedisOptions } from 'ioredis';
import type { Driver } from './driver.ts';
import { type OpeningTimeout, retryStrategy } from './opening-timeout.ts';
import { SideConnections } from './side-connections.ts';

/** Our own settings. ioredis must not send anything again or later by itself: it could take effect after a release. */
export const SETTINGS = {
  lazyConnect: true,
  monitor: false,
  keyPrefix: '',
  stringNumbers: false,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  maxRetriesPerRequest: null,
  connectTimeout: 0, // OpeningTimeout bounds the whole opening instead
  disconnectTimeout: 0, // otherwise a socket or a timer outlives close() by 2 s if Redis does not answer
  retryStrategy,
  reconnectOnError: (error: Error): boolean => error.message.startsWith('READONLY'),
} satisfies RedisOptions;

/**
 * After a planned failover the old master stays a master for some ten seconds, and connections to it stay open: leases
 * would be renewed there that the new master does not know. With `failoverDetector` ioredis closes these connections
 * when a Sentinel announces the new master. If no Sentinel answers, the attempt ends at once instead of being repeated
 * inside ioredis, because our own pause before the next attempt ends at `close()`.
 */
const BEHIND_SENTINELS = { failoverDetector: true, sentinelRetryStrategy: () => null } satisfies RedisOptions;

/** Options that are meant for the caller's own traffic and not taken over: bounds of its commands, and what it prepares on each connection. */
export const NOT_OURS = ['commandTimeout', 'socketTimeout', 'blockingTimeout', 'himportFieldsets'];

/** Options that may change while a client lives: where the server is, and how to log in. Ours read the caller's current values. */
const CURRENT = ['host', 'port', 'path', 'family', 'sentinelUsername', 'sentinelPassword'];
export const LOGIN = ['username', 'password', 'tls'] as const;

/** A client that is not open yet, and `end`, which closes the connections that it opens by itself. */
export interface Duplicate<C> {
  readonly client: C;
  readonly end: () => void;
}

export const duplicateRedis = (source: Driver, opening: OpeningTimeout): Duplicate<Driver> => {
  const behind = source.options.sentinels ? BEHIND_SENTINELS : {};
  const client = source.duplicate({ ...without(NOT_OURS), ...SETTINGS, ...behind, db: databaseOf(source) });
  for (const option of [...CURRENT, ...LOGIN]) live(client.options, option, () => Reflect.get(source.options, option));
  live(client.options, 'sentinelCommandTimeout', () => opening.ms / 2); // otherwise a Sentinel that does not answer is awaited for ever
  client.on('error', (error) => {
    if (isOfSelect(error)) client.stream?.destroy(); // otherwise ioredis would continue in database 0
  });
  const sides = new SideConnections();
  sides.track(Reflect.get(client, 'connector'), 'connectToSentinel');
  return { client, end: () => sides.end() };
};

/** The database that the caller's client has selected. ioredis keeps it with the connection, or with the previous one while there is none. */
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

/** Makes `option` a getter, so that its current value is read at each use. */
export const live = (options: object, option: string, get: () => unknown): void => {
  Object.defineProperty(options, option, { get, enumerable: true, configurable: true });
};

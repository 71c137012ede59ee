/** The part of a node-redis client that we use (`redis` 5 and 6, a single client), and how another like it is made. */

/** The part of a node-redis client that we use. */
export interface NodeRedis {
  readonly isReady: boolean;
  readonly options?:
    | { readonly socket?: object; readonly keyPrefix?: unknown; readonly database?: number | undefined }
    | undefined;
  duplicate(overrides: object): NodeRedis;
  on(event: string, listener: (error: Error) => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
  ref(): void;
  unref(): void;
  sendCommand(args: string[]): Promise<unknown>;
  subscribe(channels: string[], listener: (text: string, channel: string) => void): Promise<unknown>;
  unsubscribe(channels: string[]): Promise<unknown>;
}

/** Whether it is a single client. A Cluster (`masters`), a Sentinel client (`acquire`) and a pool (`idleClients`) are not, nor is version 4, which has no `destroy`. */
export const isNodeRedis = (client: unknown): client is NodeRedis =>
  typeof client === 'object' &&
  client !== null &&
  'sendCommand' in client &&
  'isReady' in client &&
  'destroy' in client &&
  !['masters', 'acquire', 'idleClients', 'isCluster'].some((property) => property in client);

/**
 * Our own settings: node-redis must not send anything again or later by itself, and bounds of the caller's traffic do not
 * apply. Each attempt to connect has a new client, which can be abandoned, and which has the caller's current options.
 */
const SETTINGS = {
  url: undefined, // the other options contain it already, and it would overrule them
  disableOfflineQueue: true,
  commandsQueueMaxLength: undefined,
  commandOptions: { timeout: undefined },
  pingInterval: 0,
  clientSideCache: undefined,
  emitInvalidate: false,
};

const SOCKET = { reconnectStrategy: false, connectTimeout: 10_000, socketTimeout: undefined };

/** Makes another client to the same server, for one attempt to connect. */
export const clientLike = (source: NodeRedis, database: number): NodeRedis =>
  source.duplicate({ ...SETTINGS, database, socket: { ...source.options?.socket, ...SOCKET } });

/** The database that the caller's client has selected. node-redis does not expose it, so the server is asked on the caller's connection. */
export const databaseOf = async (source: NodeRedis): Promise<number> => {
  const { isReady, options } = source;
  const info = isReady ? await source.sendCommand(['CLIENT', 'INFO']).catch(() => '') : '';
  return Number(/ db=(\d+)/.exec(String(info))?.[1] ?? options?.database ?? 0);
};

export const destroy = (client: NodeRedis): void => {
  try {
    client.destroy();
  } catch {
    // it throws where it was closed already
  }
};

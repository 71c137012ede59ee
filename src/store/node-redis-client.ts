/** What is used of a client of node-redis (`redis` 5 and 6, single or behind its URL), and how another like it is made. */

/** What is used of node-redis's client. */
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

/** Its Cluster, Sentinel and pool, which have `masters`, `acquire` and `idleClients`, are not among them, nor is version 4, without `destroy`. */
export const isNodeRedis = (client: unknown): client is NodeRedis =>
  typeof client === 'object' &&
  client !== null &&
  'sendCommand' in client &&
  'isReady' in client &&
  'destroy' in client &&
  !['masters', 'acquire', 'idleClients', 'isCluster'].some((property) => property in client);

/**
 * Our own settings: nothing is sent again or later by itself, and no bound is inherited that is meant for the caller's
 * traffic. Each attempt to connect has a client of its own, so that it can be left, and has the caller's options of then.
 */
const SETTINGS = {
  url: undefined, // what it says is among the other options already, and would overrule them
  disableOfflineQueue: true,
  commandsQueueMaxLength: undefined,
  commandOptions: { timeout: undefined },
  pingInterval: 0,
  clientSideCache: undefined,
  emitInvalidate: false,
};

const SOCKET = { reconnectStrategy: false, connectTimeout: 10_000, socketTimeout: undefined };

/** Another to the same place, for one attempt to connect. */
export const clientLike = (source: NodeRedis, database: number): NodeRedis =>
  source.duplicate({ ...SETTINGS, database, socket: { ...source.options?.socket, ...SOCKET } });

/** node-redis tells nobody what the client has selected, so its server is asked, on its own connection. */
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

/** The part of ioredis's Redis that we use, so that another library can be adapted to it: see NodeRedisDriver. */

/** Where a server is, its database, and the prefix of keys. */
export interface ServerOptions {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly path?: string | undefined;
  readonly keyPrefix?: string | undefined;
  /** The database that was asked for. */
  readonly db?: number | undefined;
  /** The Sentinels that watch this master, which they know by `name`. */
  readonly sentinels?: readonly { readonly host?: string; readonly port?: number }[] | null | undefined;
  readonly name?: string | undefined;
}

export interface Driver {
  /** Makes another one to the same server with these settings, not open yet. */
  duplicate(settings: { readonly db: number; readonly retryStrategy: (times: number) => number }): Driver;
  readonly isCluster: boolean;
  readonly options: ServerOptions;
  /** 'ready' when commands can be sent. */
  readonly status: string;
  /**
   * The socket, once there is one. What is sent between cork and uncork is one write. A socket that is destroyed is replaced.
   * It is not writable from when it has ended until `close` is emitted.
   */
  readonly stream: { readonly writable?: boolean; cork(): void; uncork(): void; destroy(): unknown } | undefined;
  /** An attempt to open it emits `connecting`, then `ready` or `close`. After `end` no other attempt follows. */
  on(event: 'connecting' | 'ready' | 'close' | 'end', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'message', listener: (channel: string, text: string) => void): unknown;
  connect(): Promise<unknown>;
  disconnect(): void;
  evalsha(sha: string, keys: number, ...values: (string | number)[]): Promise<unknown>;
  eval(text: string, keys: number, ...values: (string | number)[]): Promise<unknown>;
  eval_ro(text: string, keys: number, ...values: (string | number)[]): Promise<unknown>;
  /** ASKING, of a node of a Cluster: its next command is served although the slot is still moving to it. */
  asking?(): Promise<unknown>;
  wait(replicas: number, ms: number): Promise<number>;
  publish(channel: string, text: string): Promise<unknown>;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  info(): Promise<string>;
  time(): Promise<(number | string)[]>;
  cluster(subcommand: 'INFO'): Promise<unknown>;
  client(subcommand: 'INFO'): Promise<unknown>;
}

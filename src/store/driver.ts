/** What is asked of one connection to one server: so little that another library fits beside ioredis, whose Redis has it all. */

/** Where a server is, and what is put before keys there. */
export interface Place {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly path?: string | undefined;
  readonly keyPrefix?: string | undefined;
  /** The database that was asked for. */
  readonly db?: number | undefined;
  /** Of a master behind Sentinels, which is known to them by its name. */
  readonly sentinels?: readonly { readonly host?: string; readonly port?: number }[] | null | undefined;
  readonly name?: string | undefined;
}

export interface Driver {
  /** Another to the same place, with these settings; not open yet. */
  duplicate(settings: { readonly db: number; readonly retryStrategy: (times: number) => number }): Driver;
  readonly isCluster: boolean;
  readonly options: Place;
  /** 'ready' when commands can be sent. */
  readonly status: string;
  /** The socket, once there is one: what is sent between cork and uncork is one write; destroyed, it is replaced by a new one. */
  readonly stream: { cork(): void; uncork(): void; destroy(): unknown } | undefined;
  /** An attempt to open it is `connecting`, then `ready` or `close`. After `end` no other attempt follows. */
  on(event: 'connecting' | 'ready' | 'close' | 'end', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'message', listener: (channel: string, text: string) => void): unknown;
  connect(): Promise<unknown>;
  disconnect(): void;
  evalsha(sha: string, keys: number, ...values: (string | number)[]): Promise<unknown>;
  eval(text: string, keys: number, ...values: (string | number)[]): Promise<unknown>;
  eval_ro(text: string, keys: number, ...values: (string | number)[]): Promise<unknown>;
  /** Of a node of a Cluster: has the next command served whose slot is on its way to it. */
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

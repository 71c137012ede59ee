/** A client of node-redis (`redis` 5 and 6, single or behind its URL) in the few words that we use of ioredis. */
import { EventEmitter } from 'node:events';
import type { Driver, Place } from './driver.ts';

/** What is used of node-redis's client. */
export interface NodeRedis {
  readonly isReady: boolean;
  readonly options?: { readonly socket?: object; readonly keyPrefix?: unknown } | undefined;
  duplicate(overrides: object): NodeRedis;
  on(event: string, listener: (error: Error) => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
  sendCommand(args: string[]): Promise<unknown>;
  subscribe(channels: string[], listener: (text: string, channel: string) => void): Promise<unknown>;
  unsubscribe(channels: string[]): Promise<unknown>;
}

/** Its Cluster and its Sentinel, which have `masters` and `acquire`, are not among them. */
export const isNodeRedis = (client: unknown): client is NodeRedis =>
  typeof client === 'object' &&
  client !== null &&
  'sendCommand' in client &&
  'isReady' in client &&
  !('masters' in client || 'acquire' in client || 'isCluster' in client);

export class NodeRedisDriver extends EventEmitter implements Driver {
  readonly isCluster = false;
  readonly options: Place;
  readonly stream = {
    cork: (): void => undefined, // it writes what comes in one tick at once
    uncork: (): void => undefined,
    destroy: (): void => this.replace(),
  };
  private readonly source: NodeRedis;
  private readonly settings: object;
  private live: NodeRedis | undefined;
  private closed = false;
  private readonly hear = (text: string, channel: string): void => {
    this.emit('message', channel, text);
  };

  /** @param settings how it reconnects; nothing is sent again or later by itself */
  constructor(source: NodeRedis, settings: { readonly retryStrategy: (times: number) => number }) {
    super();
    const { socket = {}, keyPrefix } = source.options ?? {};
    this.source = source;
    this.options = {
      host: 'localhost',
      port: 6379,
      ...socket,
      keyPrefix: keyPrefix === undefined ? '' : String(keyPrefix),
    };
    this.settings = {
      disableOfflineQueue: true,
      commandOptions: {},
      pingInterval: 0,
      socket: { ...socket, reconnectStrategy: (times: number) => settings.retryStrategy(times + 1) },
    };
  }

  duplicate(settings: { readonly retryStrategy: (times: number) => number }): NodeRedisDriver {
    return new NodeRedisDriver(this.source, settings);
  }

  get status(): string {
    return this.live?.isReady ? 'ready' : 'connecting';
  }

  async connect(): Promise<void> {
    const client = this.source.duplicate(this.settings);
    const tell = (event: string, ...values: unknown[]): void => {
      if (client === this.live) this.emit(event, ...values);
    };
    let ready = false;
    const closed = (): void => {
      if (ready) tell('close');
      ready = false;
    };
    this.live = client;
    client.on('ready', () => {
      ready = true;
      tell('ready');
    });
    client.on('error', (error) => {
      tell('error', error);
      closed();
    });
    client.on('end', closed);
    await client.connect();
  }

  disconnect(): void {
    this.closed = true;
    this.end();
  }

  evalsha(sha: string, keys: number, ...values: (string | number)[]): Promise<unknown> {
    return this.send('EVALSHA', sha, keys, ...values);
  }

  eval(text: string, keys: number, ...values: (string | number)[]): Promise<unknown> {
    return this.send('EVAL', text, keys, ...values);
  }

  eval_ro(text: string, keys: number, ...values: (string | number)[]): Promise<unknown> {
    return this.send('EVAL_RO', text, keys, ...values);
  }

  async wait(replicas: number, ms: number): Promise<number> {
    return Number(await this.send('WAIT', replicas, ms));
  }

  publish(channel: string, text: string): Promise<unknown> {
    return this.send('PUBLISH', channel, text);
  }

  async subscribe(...channels: string[]): Promise<void> {
    await this.live?.subscribe(channels, this.hear);
  }

  async unsubscribe(...channels: string[]): Promise<void> {
    await this.live?.unsubscribe(channels);
  }

  async info(): Promise<string> {
    return String(await this.send('INFO'));
  }

  async time(): Promise<(number | string)[]> {
    const reply = await this.send('TIME');
    return Array.isArray(reply) ? reply.map(String) : [];
  }

  cluster(subcommand: 'INFO'): Promise<unknown> {
    return this.send('CLUSTER', subcommand);
  }

  client(subcommand: 'INFO'): Promise<unknown> {
    return this.send('CLIENT', subcommand);
  }

  private async send(...args: (string | number)[]): Promise<unknown> {
    if (!this.live) throw new Error('The connection is not open');
    return this.live.sendCommand(args.map(String));
  }

  private end(): void {
    const { live } = this;
    this.live = undefined;
    try {
      live?.destroy();
    } catch {
      // it throws where it was closed already
    }
  }

  /** It gives nobody its socket, so a client whose socket hangs is left, with what it was subscribed to. */
  private replace(): void {
    if (this.closed) return;
    this.end();
    this.emit('close');
    this.connect().catch(() => undefined); // told by 'error'
  }
}

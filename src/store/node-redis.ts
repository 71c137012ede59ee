/** Adapts node-redis to the few methods that we use of ioredis. Each attempt to connect uses a new client of node-redis. */
import { EventEmitter } from 'node:events';
import type { Driver, ServerOptions } from './driver.ts';
import { clientLike, databaseOf, destroy, type NodeRedis } from './node-redis-client.ts';
import { retryStrategy } from './opening-timeout.ts';

export class NodeRedisDriver extends EventEmitter implements Driver {
  readonly isCluster = false;
  readonly stream = {
    cork: (): void => undefined, // node-redis writes what comes in one tick at once by itself
    uncork: (): void => undefined,
    destroy: (): void => this.replace(),
  };
  private readonly source: NodeRedis;
  private live: NodeRedis | undefined;
  /** The database that the caller's client had selected when this was first opened. It stays: a lease lives in one database. */
  private database: number | undefined;
  /** The number of the latest attempt to connect. */
  private latest = 0;
  /** Ends the live client. */
  private leave: () => void = () => undefined;
  private attempts = 0;
  private pause: NodeJS.Timeout | undefined;
  private closed = false;
  private readonly hear = (text: string, channel: string): void => {
    this.emit('message', channel, text);
  };

  constructor(source: NodeRedis) {
    super();
    this.source = source;
  }

  get options(): ServerOptions {
    const { socket = {}, keyPrefix } = this.source.options ?? {};
    return {
      host: 'localhost',
      port: 6379,
      ...socket,
      keyPrefix: keyPrefix === undefined ? '' : String(keyPrefix),
      db: this.database,
    };
  }

  duplicate(): NodeRedisDriver {
    return new NodeRedisDriver(this.source);
  }

  get status(): string {
    return this.live?.isReady ? 'ready' : 'connecting';
  }

  /** Begins an attempt to connect; others follow until this is closed. */
  async connect(): Promise<void> {
    const attempt = ++this.latest;
    this.emit('connecting');
    const selected = this.database ?? (await databaseOf(this.source));
    if (attempt !== this.latest) return;
    this.database ??= selected;
    const client = clientLike(this.source, selected);
    let connected = false;
    const isLive = (): boolean => client === this.live;
    const end = (): void => {
      if (connected) destroy(client); // before it is connected, destroy() would not stop node-redis from connecting
    };
    const failed = (error?: Error): void => {
      if (!isLive()) return;
      if (error) this.emit('error', error);
      this.end();
      this.pause = setTimeout(() => this.connect(), retryStrategy(++this.attempts));
    };
    this.live = client;
    this.leave = end;
    client.on('connect', () => {
      connected = true;
      if (isLive()) client.ref();
      else end();
    });
    client.on('ready', () => {
      if (!isLive()) return;
      this.attempts = 0;
      this.emit('ready');
    });
    client.on('error', failed);
    client.on('end', () => failed());
    client.unref(); // a client that is left while it connects must not keep the process alive
    await client.connect().catch(failed);
  }

  disconnect(): void {
    this.closed = true;
    clearTimeout(this.pause);
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
    if (!this.live) throw new Error('The connection to Redis is not open');
    return this.live.sendCommand(args.map(String));
  }

  private end(): void {
    const { live, leave } = this;
    this.latest += 1;
    if (!live) return;
    this.live = undefined;
    leave();
    this.emit('close');
  }

  /** Leaves the client for a new one. node-redis does not expose its socket, so a socket that hangs cannot be destroyed alone. */
  private replace(): void {
    if (this.closed) return;
    clearTimeout(this.pause);
    this.end();
    this.database ??= this.source.options?.database ?? 0; // the caller's connection has not answered CLIENT INFO
    this.connect();
  }
}

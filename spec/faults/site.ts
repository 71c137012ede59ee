/**
 * Where a fault happens: a server of its own, perhaps behind a proxy, or several that stand together; the clients of
 * it, and what they saw. `leave` is the oracle that every fault is held to.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import { type Cluster, Redis } from 'ioredis';
import { filter } from 'rxjs';
import type { CoordinatorOptions, LockEvent } from '../../src/index.ts';
import { Child, type Said } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
import { patience } from '../support/lateness.ts';
import { TcpProxy } from '../support/proxy.ts';
import { type Server, startServer } from '../support/server.ts';
import { type Allowance, type Life, longestOverlap, violations } from './history.ts';
import { Recorder, Register } from './recorder.ts';

/** Short, and in the proportions of the defaults. */
export const TTL = 1_000;
export const RENEWAL = 300;
export const TIMEOUT = 400;
/** How late a busy machine may be at anything. */
export const SLACK = 750;

const SETTINGS = { ttl: TTL, renewEvery: RENEWAL, commandTimeout: TIMEOUT, waiterTtl: TTL } as const;

/** Servers, and how a client gets at them. */
export interface Ground {
  readonly servers: Server[];
  /** A plain connection to each, to look and to do harm. */
  readonly nodes: readonly Redis[];
  /** What locks are asked for with on it, where it is not as above. */
  readonly settings?: CoordinatorOptions;
  /** A client's connection, which opens when it is used; or one to each node of a quorum. */
  connect(): Redis | Cluster | Redis[];
  /** Disconnects the nodes, and stops the servers. */
  stop(): Promise<void>;
}

const alone = (server: Server): Ground => {
  const redis = new Redis(server.url, { retryStrategy: () => 10, maxRetriesPerRequest: null });
  redis.on('error', () => undefined);
  const servers = [server];
  return {
    servers,
    nodes: [redis],
    connect: () => new Redis(server.url, { lazyConnect: true }),
    stop: async () => {
      redis.disconnect();
      await Promise.all(servers.map((one) => one.stop()));
    },
  };
};

const isAlive = (server: Server | undefined): boolean =>
  server?.process?.exitCode === null && server.process.signalCode === null;

/** Connections of servers to each other, by CLIENT LIST: of replication, of Sentinels, of MIGRATE. */
const BETWEEN_SERVERS = / (flags=[MS]|name=sentinel-\S*|cmd=restore\S*) /;

const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

/** Resolves with what the child says by this word, among all the rest that it says of its leases. */
export const hears = async (child: Child, word: string, within = 15_000): Promise<Said> => {
  const said = (): Said | undefined => child.said.find(([first]) => first === word);
  await eventually(`the child says ${word}`, () => said() !== undefined, within);
  return said() ?? [word];
};

/** What is allowed, and as much longer as this machine was late: it hears of a loss, and tells of it, so much later. */
const grown = (ms: number): number => (ms === 0 ? 0 : patience(ms));
const late = ({ overlap, ...others }: Allowance = {}): Allowance => {
  if (overlap === undefined) return others;
  if (typeof overlap === 'number') return { ...others, overlap: grown(overlap) };
  return { ...others, overlap: (...lives) => grown(overlap(...lives)) };
};

export class Site {
  /** The first of the servers. */
  server: Server;
  /** A plain connection to it. */
  readonly redis: Redis;
  readonly proxy: TcpProxy;
  readonly register = new Register();
  readonly lives = new Map<string, Life>();
  /** What went wrong, as the coordinators of this process told it. */
  readonly failures: LockEvent[] = [];
  readonly children: Child[] = [];
  private readonly recorders: Recorder[] = [];
  private readonly sources: (Redis | Cluster)[] = [];
  private readonly rejections: unknown[] = [];
  private readonly ground: Ground;
  private readonly settings: CoordinatorOptions & { readonly ttl: number };
  private readonly timers: number;
  private readonly reject = (reason: unknown): void => void this.rejections.push(reason);

  private constructor(ground: Ground, [server, redis]: [Server, Redis], proxy: TcpProxy, before: number) {
    this.ground = ground;
    this.settings = { ...SETTINGS, ...ground.settings, ttl: ground.settings?.ttl ?? SETTINGS.ttl };
    this.server = server;
    this.redis = redis;
    this.proxy = proxy;
    this.timers = before;
    process.on('unhandledRejection', this.reject);
  }

  static async open(start: () => Promise<Server | Ground> = startServer): Promise<Site> {
    await Promise.resolve(); // a spec's own time-out counts from when it has returned
    const before = timers();
    const started = await start();
    const ground = 'nodes' in started ? started : alone(started);
    const {
      servers: [server],
      nodes: [redis],
    } = ground;
    if (!server || !redis) throw new Error('A site needs a server');
    return new Site(ground, [server, redis], await TcpProxy.to(server.port), before);
  }

  /** A coordinator of this process; of what it sees everything is written down. */
  client(options: CoordinatorOptions = {}, url?: string): Recorder {
    const redis = url === undefined ? this.ground.connect() : new Redis(url, { lazyConnect: true });
    this.sources.push(...[redis].flat());
    const recorder = new Recorder(
      redis,
      { ...this.settings, ...options },
      `client${this.recorders.length}`,
      this.write,
    );
    recorder.locks.events$
      .pipe(filter(({ type }) => /Failed|lost/.test(type)))
      .subscribe((event) => this.failures.push(event));
    this.recorders.push(recorder);
    return recorder;
  }

  /** A client process. Default: it runs programs/client. Resolves when it is ready. */
  async child(
    options: CoordinatorOptions = {},
    program = '../../faults/programs/client',
    url = this.server.url,
  ): Promise<Child> {
    const label = `child${this.children.length}`;
    const child = new Child(program, url, label, JSON.stringify({ ...this.settings, ...options }));
    this.children.push(child);
    child.passing.add('life');
    child.process.on('message', ([word, life]: [string, Life]) => {
      if (word === 'life') this.write(life);
    });
    await hears(child, 'ready', 60_000);
    return child;
  }

  /** Takes the first server away and puts one in its place, on the same port; resolves when it answers. */
  async restart(args: readonly string[] = [], signal: NodeJS.Signals = 'SIGKILL', between = 0): Promise<void> {
    const { process: old, port } = this.server;
    const ended = new Promise((resolve) => old?.once('exit', resolve));
    old?.kill(signal);
    await ended;
    await this.server.stop();
    await sleep(between);
    this.server = await startServer(args, port);
    this.ground.servers[0] = this.server;
  }

  /** Resolves when so many wait for the name. */
  async waiting(name: string, count: number): Promise<void> {
    await eventually(`${count} wait for ${name}`, async () => (await this.waiters(name)) === count);
  }

  /** How many wait for the name: their tickets are above all times. */
  waiters(name: string): Promise<number> {
    return this.redis.zcount(`{${name}}~redisync:claims`, 1e14, '+inf');
  }

  /** The history of all clients that asked for the name. */
  livesOf(name: string): Life[] {
    return [...this.lives.values()].filter((life) => life.name === name);
  }

  /** Of what has ended; a lease that is still held counts until it was last renewed. */
  get overlap(): number {
    return longestOverlap([...this.lives.values()]);
  }

  /** All clients leave. After that and one ttl there is nothing of them, and nothing that they saw is a violation. */
  async leave(allowance?: Allowance): Promise<void> {
    assert.deepEqual(await this.depart(), []);
    const { lives, register } = this;
    assert.deepEqual(
      violations({ lives: [...lives.values()], turns: register.turns, value: register.value }, late(allowance)),
      [],
    );
  }

  /** Ends all clients and closes the site. Resolves with what they have left behind one ttl later. */
  async depart(ttl = this.settings.ttl): Promise<string[]> {
    this.resume();
    await Promise.all(this.recorders.map(({ locks }) => locks.close()));
    await Promise.all(
      this.children.map(async (child) => {
        child.process.send(['close'], () => undefined); // a process that was killed does not receive it
        await child.ended();
      }),
    );
    for (const redis of this.sources) redis.disconnect();
    const found: string[] = [];
    const none = async (what: string, left: () => Promise<readonly string[]>, within: number): Promise<void> =>
      eventually(what, async () => (await left()).length === 0, within).catch(async () => {
        found.push(...(await left()).map((each) => `${what}, but ${each}`));
      });
    const nodes = this.ground.nodes.filter((_, i) => isAlive(this.ground.servers[i]));
    const all = async (look: (node: Redis) => Promise<string[]>): Promise<string[]> =>
      (await Promise.all(nodes.map(look))).flat();
    const keys = async (): Promise<string[]> =>
      (await all((node) => node.keys('*'))).filter((key) => !/~redisync:clock$/.test(key));
    await none('nobody holds or waits', keys, ttl + SLACK);
    const lasting = async (node: Redis): Promise<string[]> => {
      const pairs = (await node.keys('*')).map(async (key) => ((await node.pttl(key)) === -1 ? [key] : []));
      return (await Promise.all(pairs)).flat();
    };
    found.push(...(await all(lasting)).map((key) => `a key without an expiry: ${key}`));
    const clients = (): Promise<string[]> =>
      all(async (node) => {
        const lines = String(await node.client('LIST'))
          .trim()
          .split('\n');
        return lines.filter((line) => !BETWEEN_SERVERS.test(line)).slice(1);
      });
    await none('no connection is left but ours', clients, ttl);
    await this.close();
    found.push(...this.rejections.map((reason) => `unhandled: ${reason}`));
    await none('no timer is left', async () => Array.from({ length: timers() - this.timers }, () => 'a timer'), ttl);
    return found;
  }

  /** Ends it all, whatever happened: harmless after `leave`. */
  async close(): Promise<void> {
    process.off('unhandledRejection', this.reject);
    this.resume();
    for (const child of this.children) child.kill();
    await Promise.all(this.recorders.map(({ locks }) => locks.close()));
    for (const redis of this.sources) redis.disconnect();
    if (this.proxied) await this.proxy.stop();
    this.proxied = false;
    await this.ground.stop();
  }
  private proxied = true;

  /** Lets those go on that were stopped. */
  private resume(): void {
    for (const { process } of this.ground.servers) process?.kill('SIGCONT');
  }

  private readonly write = (life: Life): void => {
    if (this.lives.get(life.owner)?.passable) life.passable = true;
    this.lives.set(life.owner, life);
  };
}

/** Runs a spec at a site of its own, which is cleared away whatever happens. */
export const at =
  (
    run: (site: Site) => Promise<void>,
    { start, allowance }: { start?: () => Promise<Server | Ground>; allowance?: Allowance } = {},
  ) =>
  async (): Promise<void> => {
    const site = await Site.open(start);
    try {
      await run(site);
      await site.leave(allowance);
    } finally {
      await site.close();
    }
  };

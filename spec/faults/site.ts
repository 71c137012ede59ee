/**
 * Where a fault happens: a server of its own, perhaps behind a proxy, the clients of it, and what they saw. `leave` is
 * the oracle that every fault is held to.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { filter } from 'rxjs';
import { LockCoordinator, type LockEvent, type Options } from '../../src/index.ts';
import { Child, type Said } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
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

const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

/** Resolves with what the child says by this word, among all the rest that it says of its leases. */
export const hears = async (child: Child, word: string, within = 15_000): Promise<Said> => {
  const said = (): Said | undefined => child.said.find(([first]) => first === word);
  await eventually(`the child says ${word}`, () => said() !== undefined, within);
  return said() ?? [word];
};

export class Site {
  server: Server;
  /** A connection of the spec's own, to look and to do harm. */
  readonly redis: Redis;
  readonly proxy: TcpProxy;
  readonly register = new Register();
  readonly lives = new Map<string, Life>();
  /** What went wrong, as the coordinators of this process told it. */
  readonly failures: LockEvent[] = [];
  readonly children: Child[] = [];
  private readonly recorders: Recorder[] = [];
  private readonly sources: Redis[] = [];
  private readonly rejections: unknown[] = [];
  private readonly timers = timers();
  private readonly reject = (reason: unknown): void => void this.rejections.push(reason);

  private constructor(server: Server, proxy: TcpProxy) {
    this.server = server;
    this.proxy = proxy;
    this.redis = new Redis(server.url, { retryStrategy: () => 10, maxRetriesPerRequest: null });
    this.redis.on('error', () => undefined);
    process.on('unhandledRejection', this.reject);
  }

  static async open(start: () => Promise<Server> = startServer): Promise<Site> {
    const server = await start();
    return new Site(server, await TcpProxy.to(server.port));
  }

  /** A coordinator of this process; of what it sees everything is written down. */
  client(options: Options = {}, url = this.server.url): Recorder {
    const redis = new Redis(url, { lazyConnect: true });
    this.sources.push(redis);
    const locks = new LockCoordinator(redis, { ...SETTINGS, ...options });
    locks.events$.pipe(filter(({ type }) => /Failed|lost/.test(type))).subscribe((event) => this.failures.push(event));
    const recorder = new Recorder(locks, `client${this.recorders.length}`, this.write);
    this.recorders.push(recorder);
    return recorder;
  }

  /** A client process that runs programs/client, unless told. Resolves when it is ready. */
  async child(options: Options = {}, program = '../../faults/programs/client', url = this.server.url): Promise<Child> {
    const label = `child${this.children.length}`;
    const child = new Child(program, url, label, JSON.stringify({ ...SETTINGS, ...options }));
    this.children.push(child);
    child.passing.add('life');
    child.process.on('message', ([word, life]: [string, Life]) => {
      if (word === 'life') this.write(life);
    });
    await hears(child, 'ready', 60_000);
    return child;
  }

  /** Takes the server away and puts one in its place, on the same port; resolves when it answers. */
  async restart(args: readonly string[] = [], signal: NodeJS.Signals = 'SIGKILL', between = 0): Promise<void> {
    const { process: old, port } = this.server;
    const ended = new Promise((resolve) => old?.once('exit', resolve));
    old?.kill(signal);
    await ended;
    await this.server.stop();
    await sleep(between);
    this.server = await startServer(args, port);
  }

  /** Resolves when so many wait for the name. */
  async waiting(name: string, count: number): Promise<void> {
    const queue = `{${name}}~redisync:queue`;
    await eventually(`${count} wait for ${name}`, async () => (await this.redis.zcard(queue)) === count);
  }

  /** What was seen of all who asked for the name. */
  livesOf(name: string): Life[] {
    return [...this.lives.values()].filter((life) => life.name === name);
  }

  get overlap(): number {
    return longestOverlap([...this.lives.values()]);
  }

  /** All clients leave. After that and one ttl there is nothing of them, and nothing that they saw is a violation. */
  async leave(allowance?: Allowance): Promise<void> {
    assert.deepEqual(await this.depart(), []);
    const { lives, register } = this;
    assert.deepEqual(
      violations({ lives: [...lives.values()], turns: register.turns, value: register.value }, allowance),
      [],
    );
  }

  /** All clients leave, and the site closes. Resolves with what is left of them after that and one ttl. */
  async depart(ttl = TTL): Promise<string[]> {
    await Promise.all(this.recorders.map(({ locks }) => locks.close()));
    await Promise.all(
      this.children.map(async (child) => {
        child.process.send(['close'], () => undefined); // one that was killed does not hear it
        await child.ended();
      }),
    );
    for (const redis of this.sources) redis.disconnect();
    const found: string[] = [];
    const none = async (what: string, left: () => Promise<readonly string[]>, within: number): Promise<void> =>
      eventually(what, async () => (await left()).length === 0, within).catch(async () => {
        found.push(...(await left()).map((each) => `${what}, but ${each}`));
      });
    const keys = async (): Promise<string[]> =>
      (await this.redis.keys('*')).filter((key) => !key.endsWith('~redisync:last'));
    await none('nobody holds or waits', keys, ttl + SLACK);
    for (const key of await this.redis.keys('*')) {
      if ((await this.redis.pttl(key)) <= 0) found.push(`a key without an expiry: ${key}`);
    }
    const clients = async (): Promise<string[]> =>
      String(await this.redis.client('LIST'))
        .trim()
        .split('\n')
        .slice(1);
    await none('no connection is left but ours', clients, ttl);
    await this.close();
    found.push(...this.rejections.map((reason) => `unhandled: ${reason}`));
    await none('no timer is left', async () => Array.from({ length: timers() - this.timers }, () => 'a timer'), ttl);
    return found;
  }

  /** Ends it all, whatever happened: harmless after `leave`. */
  async close(): Promise<void> {
    process.off('unhandledRejection', this.reject);
    this.server.process?.kill('SIGCONT');
    for (const child of this.children) child.kill();
    await Promise.all(this.recorders.map(({ locks }) => locks.close()));
    for (const redis of this.sources) redis.disconnect();
    this.redis.disconnect();
    if (this.proxied) await this.proxy.stop();
    this.proxied = false;
    await this.server.stop();
  }
  private proxied = true;

  private readonly write = (life: Life): void => {
    if (this.lives.get(life.owner)?.passable) life.passable = true;
    this.lives.set(life.owner, life);
  };
}

/** Runs a spec at a site of its own, which is cleared away whatever happens. */
export const at =
  (
    run: (site: Site) => Promise<void>,
    { start, allowance }: { start?: () => Promise<Server>; allowance?: Allowance } = {},
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

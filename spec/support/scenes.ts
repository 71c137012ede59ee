/** A name in the states in which scripts find it, its keys as they are to the byte, and scripts called by hand. */
import { Redis } from 'ioredis';
import { inspect, lease, renew, scan, uptime } from '../../src/lua/scripts.ts';
import { clockKey, keysOf } from '../../src/store/keys.ts';
import { type Server, startServer } from './server.ts';

/** What does what. */
const SCRIPTS = { acquire: lease, release: lease, share: lease, raise: lease, renew, inspect, scan, uptime };

export type Verb = keyof typeof SCRIPTS;
export type Arg = string | number | Buffer;

/** Far enough away for no key to expire within a spec. */
export const LONG = 600_000;
export const LATER = Date.now() + 1_000_000_000;

/** A spec as a coordinator writes it. */
export const specOf = (mode: 'x' | 's', permits = 1, limit = 0): string =>
  `${mode} ${permits} ${limit} ${LONG} ${LONG} -`;

/** What is asked for, by whom, one after the other: a and b hold or wait, and c. */
const ASKED: Readonly<Record<string, readonly (readonly [owner: string, spec: string])[]>> = {
  free: [],
  'held exclusively': [['a', specOf('x')]],
  'held by another': [['b', specOf('x')]],
  shared: [
    ['a', specOf('s', 1, 3)],
    ['b', specOf('s', 2, 3)],
  ],
  'waited for': [
    ['a', specOf('x')],
    ['b', specOf('s')],
    ['c', specOf('x')],
  ],
  'shared and waited for': [
    ['b', specOf('s', 2, 2)],
    ['a', specOf('s', 1, 2)],
    ['c', specOf('x')],
  ],
};
/** A shared holder and a waiter have lapsed: the next call removes them first. */
const LAPSED = 'shared and waited for by some who have lapsed';
/** A client that knows of no keys but the lock's. */
const FOREIGN = 'held by a foreign client';
/** The same, with a token that is also the owner under which we ask. */
const PLAIN = "held by an owner's plain token";
const OVER = 'held over';
export const SCENES: readonly string[] = [...Object.keys(ASKED), LAPSED, FOREIGN, PLAIN, OVER];

const DUMP = `local all = {}
for i, key in ipairs(redis.call('KEYS', '*')) do
  all[i] = { key, redis.sha1hex(redis.call('DUMP', key)) .. ' until ' .. string.format('%.0f', redis.call('PEXPIRETIME', key)) }
end
return all`;

/** Commands that are called together travel together, in the order of the calls. */
export class Stage {
  readonly redis: Redis;
  readonly keys = keysOf('', 'scene');
  readonly clock = clockKey('');
  private readonly server: Server;
  private dump = '';

  static async open(): Promise<Stage> {
    const stage = new Stage(await startServer());
    for (const { text } of Object.values(SCRIPTS)) await stage.redis.script('LOAD', text);
    stage.dump = String(await stage.redis.script('LOAD', DUMP));
    return stage;
  }

  private constructor(server: Server) {
    this.server = server;
    this.redis = new Redis(server.url, { enableAutoPipelining: true });
  }

  async close(): Promise<void> {
    this.redis.disconnect();
    await this.server.stop();
  }

  /** The reply, or the error that stands in its place. */
  raw(verb: Verb, keys: readonly Arg[], args: readonly Arg[]): Promise<unknown> {
    const { sha } = SCRIPTS[verb];
    return this.redis.call('EVALSHA', sha, keys.length, ...keys, ...args).catch((error: unknown) => error);
  }

  /** The answer for the name, or the error that stands in its place. */
  async call(verb: Verb, ...args: readonly Arg[]): Promise<unknown> {
    const reply = await this.raw(verb, this.keysFor(verb), [verb, ...args]);
    return Array.isArray(reply) ? reply[1] : reply;
  }

  async set(scene: string): Promise<void> {
    const [lock, claims, specs] = this.keys;
    const writes = this.redis.pipeline().flushdb();
    const call = (verb: Verb, ...args: readonly Arg[]): void => {
      const keys = this.keysFor(verb);
      writes.call('EVALSHA', SCRIPTS[verb].sha, keys.length, ...keys, verb, ...args);
    };
    const asked = ASKED[scene === LAPSED ? 'shared and waited for' : scene] ?? [];
    for (const [owner, spec] of asked) call('acquire', owner, spec, LATER, '1', '');
    if (scene === LAPSED) writes.zadd(claims, 'XX', 1, 'b').hset(specs, 'a', `${specOf('s', 1, 2)} 1`);
    if (scene === FOREIGN) writes.set(lock, 'foreign', 'PX', LONG);
    if (scene === PLAIN) writes.set(lock, 'a', 'PX', LONG);
    if (scene === OVER) {
      call('acquire', 'a', specOf('x'), LATER, '1', '');
      call('release', 'a', 0, '-', LATER, LONG);
    }
    await writes.exec();
  }

  /** All keys of the server: a digest of their DUMP, and when they expire. */
  async snapshot(): Promise<Record<string, string>> {
    return Object.fromEntries((await this.redis.evalsha(this.dump, 0)) as [string, string][]);
  }

  private keysFor(verb: Verb): readonly string[] {
    const [lock] = this.keys;
    return verb === 'renew' ? [lock] : verb === 'inspect' ? this.keys : [this.clock, ...this.keys];
  }
}

/** What `redis.call` and the scripts themselves end with: an error whose first word says which. */
export const codeOf = (answer: unknown): string | undefined =>
  answer instanceof Error ? (/^[A-Z_]+(?= )/.exec(answer.message)?.[0] ?? `no code: ${answer.message}`) : undefined;

/** Every verb through a slot in each state of its move from one node of a Cluster to another: done, or refused with nothing done. */
import { assert } from 'chai';
import type { Redis } from 'ioredis';
import { lease, renew, type Script } from '../../src/lua/scripts.ts';
import { clockKey, keysOf } from '../../src/store/keys.ts';
import { slotOf } from '../../src/store/slot.ts';
import { type Shards, startCluster } from '../support/cluster.ts';
import { DOCUMENTED } from '../support/replies.ts';
import { type Arg, codeOf, LATER, LONG, specOf } from '../support/scenes.ts';

const NAME = 'moved';
const SLOT = slotOf(NAME);
const KEYS = keysOf('', NAME);
const CLOCK = clockKey('', SLOT);
const ALL = [CLOCK, ...KEYS];

type Verb = keyof typeof DOCUMENTED;

const VERBS: Readonly<Record<string, readonly [Verb, ...Arg[]]>> = {
  acquire: ['acquire', 'd', specOf('x'), LATER, '1', ''],
  'acquire, shared': ['acquire', 'd', specOf('s', 1, 3), LATER, '1', ''],
  'acquire, once': ['acquire', 'd', specOf('x'), LATER, '0', ''],
  'acquire again': ['acquire', 'a', specOf('x'), LATER, '1', ''],
  heartbeat: ['acquire', 'b', specOf('x'), LATER, '1', ''],
  renew: ['renew', 'a', 0, LONG, LATER],
  'renew, shorter': ['renew', 'a', 0, LONG / 2, LATER],
  share: ['share', 'a', 0, specOf('s', 1, 3), LATER],
  release: ['release', 'a', 0, '-', LATER, 0],
  'release, telling in the reply': ['release', 'a', 0, 'pown', LATER, 0],
  'release, keeping': ['release', 'a', 0, '-', LATER, LONG],
  leave: ['release', 'b', 0, '-', LATER, 0],
  break: ['release', '', 0, '-', LATER, 0],
  raise: ['raise', 'a', 0, 1e15],
};

/** Who holds and waits: "a" first. */
const SCENES: Readonly<Record<string, readonly (readonly [owner: string, spec: string])[]>> = {
  free: [],
  held: [['a', specOf('x')]],
  'held, and waited for by one': [
    ['a', specOf('x')],
    ['b', specOf('x')],
  ],
  'held, and waited for by one of another coordinator': [
    ['a', specOf('x')],
    ['b', specOf('x').replace(/-$/, 'cfar')],
  ],
  'held, and waited for by readers': [
    ['a', specOf('x')],
    ['b', specOf('s', 2, 3)],
    ['c', specOf('s', 1, 3)],
  ],
  shared: [
    ['a', specOf('s', 2, 3)],
    ['b', specOf('s', 1, 3)],
  ],
  'shared, and waited for': [
    ['a', specOf('s', 2, 3)],
    ['b', specOf('x')],
  ],
};

/** Which of the keys have moved already. */
const STATES: Readonly<Record<string, readonly string[]>> = {
  'no key': [],
  'the lock': [KEYS[0]],
  'the claims': [KEYS[1]],
  'the clock': [CLOCK],
  'all but the lock': ALL.filter((key) => key !== KEYS[0]),
  'every key': ALL,
};

describe('a slot that moves', function () {
  this.timeout(300_000);
  let shards: Shards;
  let source: Redis;
  let target: Redis;
  let masters: Redis[];

  before(async () => {
    shards = await startCluster();
    masters = shards.nodes.slice(0, 3);
    const home = Math.floor((SLOT * 3) / 16_384);
    [source, target] = [masters[home], masters[(home + 1) % 3]] as [Redis, Redis];
  });

  after(() => shards.stop());

  const run = (node: Redis, [verb, ...args]: readonly [Verb, ...Arg[]], asking = false): Promise<unknown> => {
    const script: Script = verb === 'renew' ? renew : lease;
    const keys = verb === 'renew' ? [KEYS[0]] : ALL;
    const commands = node.pipeline();
    if (asking) commands.call('ASKING');
    commands.eval(script.text, keys.length, ...keys, verb, ...args);
    return commands.exec().then((replies) => {
      const [error, reply] = replies?.at(-1) ?? [];
      return error ?? (reply as unknown[])[1];
    });
  };
  const ids = (): Promise<[string, string]> =>
    Promise.all([source.cluster('MYID'), target.cluster('MYID')]) as Promise<[string, string]>;
  /** Both nodes have the slot at rest at its home, empty. */
  const settle = async (): Promise<void> => {
    const [home] = await ids();
    for (const node of masters) await node.cluster('SETSLOT', SLOT, 'NODE', home);
    await source.del(...ALL);
  };
  const begin = async (moved: readonly string[]): Promise<void> => {
    const [from, to] = await ids();
    await target.cluster('SETSLOT', SLOT, 'IMPORTING', from);
    await source.cluster('SETSLOT', SLOT, 'MIGRATING', to);
    for (const key of moved) {
      await source.call('MIGRATE', '127.0.0.1', target.options.port ?? 0, key, 0, 1_000);
    }
  };
  /** Empties the slot where it is, so that it can be given back. */
  const clear = async (): Promise<void> => {
    for (const key of ALL) {
      await target.pipeline().call('ASKING').del(key).exec();
      await source.del(key).catch(() => 0); // it is not there any more
    }
  };
  const dump = async (): Promise<unknown[]> => {
    const seen: unknown[] = [];
    for (const key of ALL) {
      const [, there] = (await target.pipeline().call('ASKING').dump(key).exec())?.at(-1) ?? [];
      seen.push(String(there), await source.dump(key).catch(() => 'elsewhere'));
    }
    return seen;
  };

  for (const [scene, asked] of Object.entries(SCENES)) {
    it(`has each verb do all or nothing, where a name is ${scene}`, async () => {
      const told: string[] = [];
      const ear = target.duplicate();
      ear.on('message', (_channel: string, text: string) => told.push(text));
      await ear.subscribe('far');
      const outcomes = new Map<string, number>();
      for (const [state, moved] of Object.entries(STATES)) {
        for (const [what, call] of Object.entries(VERBS)) {
          await settle();
          for (const [owner, spec] of asked) await run(source, ['acquire', owner, spec, LATER, '1', '']);
          const present = (await Promise.all(ALL.map((key) => source.exists(key)))).map((there) => there === 1);
          await begin(moved.filter((key) => present[ALL.indexOf(key)]));
          const before = await dump();
          for (const [node, asking] of [
            [source, false],
            [target, true],
          ] as const) {
            const where = `${what} at the ${asking ? 'target' : 'source'}, ${state} moved, ${scene}`;
            const reply = await run(node, call, asking);
            const code = codeOf(reply);
            if (code === undefined) {
              assert.isTrue(DOCUMENTED[call[0]](reply), `${where}: ${JSON.stringify(reply)}`);
              outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
              break; // who is served asks no more
            }
            assert.match(code, /^(ASK|TRYAGAIN|MOVED|REDISYNC_OWNER)$/, `${where}: ${reply}`);
            assert.deepEqual(await dump(), before, where);
          }
          await clear();
        }
      }
      await settle();
      ear.disconnect();
      if (scene.startsWith('held')) {
        const renewals = ['renew', 'renew, shorter'].map((what) => outcomes.get(what));
        assert.deepEqual(
          renewals,
          Object.keys(STATES)
            .map(() => Object.keys(STATES).length)
            .slice(0, 2),
          'a renewal is served in every state',
        );
      }
      if (scene.startsWith('held, and waited for')) {
        assert.isAtLeast(outcomes.get('release') ?? 0, 2, 'with all its keys on one side a release hands over');
      }
      for (const text of told) assert.include(text, '"b"');
    });
  }
});

/** What others have left at a name's keys, of any type and content: each verb answers, or fails with an error of ours. */
import { assert } from 'chai';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { asyncScheduler, lastValueFrom, type Observable } from 'rxjs';
import { RedisyncError } from '../../src/errors.ts';
import { lease, renew } from '../../src/lua/scripts.ts';
import { clockKey, keysOf } from '../../src/store/keys.ts';
import { RedisStore } from '../../src/store/redis.ts';
import type { Request } from '../../src/store/store.ts';
import { type Server, startServer } from '../support/server.ts';

const WITHIN = 10_000;
const OWNERS = ['a', 'b', 'c'];

/** What can stand at one key: the commands that put it there. */
type Content = readonly (readonly [command: string, ...args: (string | number)[]])[];

const owner = fc.constantFrom(...OWNERS, '', 'stranger');
const junk = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    '',
    '0',
    '-1',
    'nan',
    'inf',
    '1e400',
    '9007199254740992',
    'x 1 0 1000 1000 -',
    's 1 2 1000 1000 p 17',
  ),
);
const spec = fc.oneof(
  junk,
  fc.constantFrom(
    'x 1 0 1000 1000 -',
    's 1 2 1000 1000 -',
    's 1 2 1000 1000 - 17',
    's 99999999999999999999 2 1000 1000 - 17',
    'q 1 0 1000 1000 -',
    'x 1 0 99999999999999999999 99999999999999999999 -',
    'x 1 0 0 0 -',
    'x 1 0 1000 1000',
  ),
);
/** What can be taken for a lock's value. */
const value = fc.oneof(
  junk,
  fc.constantFrom(
    'a 17 1000',
    'b 17 1000',
    'a 17 1000 over',
    ' 17 1000',
    'a 17',
    'a 17 1000 above',
    'a 9007199254740991 1000',
    'a 99999999999999999999999 1000',
    'a 17 99999999999999999999',
    'a 17 0',
  ),
);
const number = fc.oneof(junk, fc.constantFrom('17', '1764000000000000', '9007199254740991', '9007199254740990'));
const score = fc.oneof(
  fc.constantFrom<string | number>('inf', '-inf', 0, -1, 1.5, 1e15, 1e300, '9007199254740993'),
  fc.integer({ min: -5_000, max: 5_000 }).map((ms) => Date.now() + ms),
);

const strings = (texts: fc.Arbitrary<string>, expires: fc.Arbitrary<boolean>): fc.Arbitrary<Content> =>
  fc.tuple(texts, expires).map(([text, lapses]) => [lapses ? ['SET', '', text, 'PX', 5_000] : ['SET', '', text]]);
const zset: fc.Arbitrary<Content> = fc
  .array(fc.tuple(score, owner), { minLength: 1, maxLength: 4 })
  .map((entries) => [['ZADD', '', ...entries.flat()]]);
const hash: fc.Arbitrary<Content> = fc
  .array(fc.tuple(owner, spec), { minLength: 1, maxLength: 4 })
  .map((entries) => [['HSET', '', ...entries.flat()]]);
const TYPES: readonly Content[] = [
  [['RPUSH', '', 'a']],
  [['SADD', '', 'a']],
  [['SET', '', 'a', 'PX', 5_000]],
  [['ZADD', '', 1, 'a']],
  [['HSET', '', 'a', 'a']],
  [['XADD', '', '*', 'a', 'a']],
];
const other = fc.constantFrom(...TYPES);
/** What makes a key of the type that it must have. */
const RIGHT = ['SET', 'SET', 'ZADD', 'HSET'];
const nothing = fc.constant<Content>([]);
const mostly = (likely: fc.Arbitrary<Content>): fc.Arbitrary<Content> =>
  fc.oneof({ weight: 6, arbitrary: likely }, { weight: 3, arbitrary: nothing }, { weight: 1, arbitrary: other });

/** clock, lock, claims, specs */
const garbage = fc.tuple(
  mostly(strings(number, fc.boolean())),
  fc.oneof(
    { weight: 3, arbitrary: nothing },
    { weight: 2, arbitrary: strings(fc.oneof(owner, value), fc.boolean()) },
    other,
  ),
  mostly(zset),
  mostly(hash),
);

const request = (mode: 'exclusive' | 'shared'): Request => ({
  name: 'garbage',
  owner: 'a',
  mode,
  permits: 1,
  limit: mode === 'shared' ? 2 : 0,
  ttl: 1_000,
  waiterTtl: 1_000,
});

describe('garbage at the keys of a name', function () {
  this.timeout(300_000);
  let server: Server;
  let redis: Redis;
  let store: RedisStore;
  const keys = [clockKey(''), ...keysOf('', 'garbage')];

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
    store = new RedisStore(redis, asyncScheduler);
  });

  after(async () => {
    store.close();
    redis.disconnect();
    await server.stop();
  });

  const lay = async (contents: readonly Content[]): Promise<void> => {
    await redis.del(...keys);
    const writes = redis.pipeline();
    for (const [i, content] of contents.entries()) {
      for (const [command, , ...args] of content) writes.call(command, keys[i] ?? '', ...args);
    }
    await writes.exec();
  };

  /** All that is there but the clock, of which a number may be drawn in vain: what DUMP tells, but not when it expires. */
  const snapshot = (): Promise<(string | undefined)[]> =>
    Promise.all(keys.slice(1).map(async (key) => (await redis.dumpBuffer(key))?.toString('hex')));

  const verbs: Readonly<Record<string, () => Observable<unknown>>> = {
    acquire: () => store.acquire(request('exclusive'), true, WITHIN),
    'acquire, shared': () => store.acquire(request('shared'), true, WITHIN),
    'acquire, coming back': () => store.acquire({ ...request('exclusive'), ticket: 1e15 }, true, WITHIN),
    'acquire, once': () => store.acquire(request('exclusive'), false, WITHIN),
    renew: () => store.renew(request('exclusive'), 17, WITHIN),
    downgrade: () => store.renew(request('exclusive'), 17, WITHIN, true),
    'renew, shared': () => store.renew(request('shared'), 17, WITHIN),
    release: () => store.release({ name: 'garbage', owner: 'a' }, WITHIN),
    'release by its fence': () => store.release({ name: 'garbage', owner: 'a', fence: 17 }, WITHIN),
    'release, keeping': () => store.release({ name: 'garbage', owner: 'a', keep: 1_000 }, WITHIN),
    raise: () => store.raise({ name: 'garbage', owner: 'a' }, 17, 18, WITHIN),
    'forced release': () => store.release({ name: 'garbage', owner: undefined }, WITHIN),
    inspect: () => store.inspect('garbage', WITHIN),
  };

  const attempt = (call: () => Observable<unknown>): Promise<unknown> =>
    lastValueFrom(call()).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );

  for (const [verb, call] of Object.entries(verbs)) {
    it(`of another type has ${verb} answer, or fail with an error of ours and write nothing`, async () => {
      // The third has more left than its ttl, as where the server's clock has stepped back.
      for (const holder of ['a 17 5000', 'b 17 5000', 'b 17 1000', undefined]) {
        const sound: Content[] = [
          [['SET', '', 17]],
          holder ? [['SET', '', holder, 'PX', 5_000]] : [],
          [['ZADD', '', 1e15, 'c']],
          [['HSET', '', 'c', `x 1 0 1000 1000 - ${Date.now() + 800}`]],
        ];
        for (const [i, key] of keys.entries()) {
          for (const content of TYPES.filter(([write]) => write?.[0] !== RIGHT[i])) {
            await lay(sound.with(i, content));
            const before = await snapshot();
            const error = await attempt(call);
            if (error === undefined) continue;
            const where = `${content[0]?.[0]} at ${key}, held by ${holder}: ${error}`;
            assert.match(error instanceof RedisyncError ? error.code : '', /^LOCK_CORRUPTED$|^OWNER_CONFLICT$/, where);
            assert.deepEqual(await snapshot(), before, where);
          }
        }
      }
    });

    it(`has ${verb} answer, or fail with an error of ours and write nothing`, () =>
      fc.assert(
        fc.asyncProperty(garbage, async (contents) => {
          await lay(contents);
          const before = await snapshot();
          const error = await attempt(call);
          if (error === undefined) return;
          if (!(error instanceof RedisyncError)) assert.fail(`no error of ours: ${error}`);
          assert.notEqual(error.code, 'REDIS_UNREACHABLE', error.message);
          assert.deepEqual(await snapshot(), before, `${error.code}: ${error.message}`);
        }),
        { numRuns: 500 },
      ));
  }

  it('has a script that comes too late write nothing', async () => {
    await lay([[], [['SET', '', 'a 17 5000', 'PX', 5_000]], [], []]);
    const before = await snapshot();
    for (const [script, used, ...args] of [
      [lease, keys, 'acquire', 'a', 'x 1 0 1000 1000 -', 1, '1', ''],
      [lease, keys, 'release', 'a', 17, '-', 1, 0],
      [lease, keys, 'share', 'a', 17, 's 1 0 1000 1000 -', 1],
      [renew, keys.slice(1, 2), 'renew', 'a', 17, 5_000, 1],
    ] as const) {
      const reply = await redis.eval(script.text, used.length, ...used, ...args);
      assert.equal((reply as unknown[])[1], -1);
    }
    assert.deepEqual(await snapshot(), before);
  });
});

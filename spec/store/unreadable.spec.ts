/** Keys of the right types with contents that cannot be read: REDISYNC_CORRUPTED and nothing written, but for a few rules. */
import { assert } from 'chai';
import fc from 'fast-check';
import { DOCUMENTED } from '../support/replies.ts';
import { type Arg, codeOf, LATER, LONG, SCENES, Stage, specOf } from '../support/scenes.ts';

type Write = readonly [command: string, key: number, ...args: (string | number)[]];
const [LOCK, LAST, DUE, QUEUE, SPECS] = [0, 1, 2, 3, 4] as const;

const CALLS: Readonly<Record<string, readonly [keyof typeof DOCUMENTED, ...Arg[]]>> = {
  'acquire, exclusive': ['acquire', 'd', specOf('x'), LATER, '1', ''],
  'acquire, shared': ['acquire', 'd', specOf('s', 1, 3), LATER, '0', ''],
  'acquire by a': ['acquire', 'a', specOf('s', 1, 3), LATER, '1', ''],
  'acquire by c': ['acquire', 'c', specOf('x'), LATER, '1', ''],
  'renew by a': ['renew', 'a', LONG, 0, '', LATER],
  'downgrade by a': ['renew', 'a', LONG, 0, specOf('s'), LATER],
  'release by a': ['release', 'a', '-', LATER],
  'release by c': ['release', 'c', '-', LATER],
  break: ['release', '', '-', LATER],
  inspect: ['inspect'],
};

const SPECS_NO_MORE = [
  '',
  'x',
  's 1 3',
  'q 1 0 1000 1000 -',
  's 1 3 1000 1000 -',
  's 9 3 1000 1000 - 17',
  'x 1 0 1000 1000 - 17',
];
const owner = fc.constantFrom('a', 'b', 'c', '');
const number = fc.constantFrom('', 'many', '-1', '1.5', 'nan', '1e400', '9007199254740992', '0', '1', '3');
const score = fc.constantFrom('inf', '-inf', '-5', '1.5', '1e300', '9007199254740993', '1');
const corruption: fc.Arbitrary<Write> = fc.oneof(
  number.map((value): Write => ['HSET', SPECS, '', value]),
  fc.tuple(owner, fc.constantFrom(...SPECS_NO_MORE)).map(([who, value]): Write => ['HSET', SPECS, who, value]),
  owner.map((who): Write => ['HDEL', SPECS, who]),
  fc.tuple(fc.constantFrom(DUE, QUEUE), score, owner).map(([key, value, who]): Write => ['ZADD', key, value, who]),
  fc.tuple(fc.constantFrom(DUE, QUEUE), owner).map(([key, who]): Write => ['ZREM', key, who]),
  fc.constantFrom(LOCK, LAST, DUE, QUEUE, SPECS).map((key): Write => ['DEL', key]),
  fc.constantFrom(LOCK, LAST, DUE, QUEUE, SPECS).map((key): Write => ['PERSIST', key]),
  fc.constantFrom(LOCK, LAST, DUE, QUEUE, SPECS).map((key): Write => ['PEXPIRE', key, '7000000000000000000']),
  fc
    .constantFrom(
      '',
      '17',
      '17 0 a',
      'x 1000 a',
      '9007199254740991 1000 a',
      '9007199254740992 1000 a',
      '17 9999999999 a',
    )
    .map((value): Write => ['SET', LAST, value]),
);

describe('keys of a name that cannot be read', function () {
  this.timeout(120_000);
  let stage: Stage;

  before(async () => {
    stage = await Stage.open();
  });

  after(() => stage.close());

  const corrupt = async (scene: string, writes: readonly Write[]): Promise<void> => {
    await stage.set(scene);
    for (const [command, key, ...args] of writes) await stage.redis.call(command, stage.keys[key] ?? '', ...args);
  };

  it('make a script answer, or fail with nothing written; broken, the name can be locked again', () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SCENES),
        fc.array(corruption, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...Object.keys(CALLS)),
        async (scene, writes, what) => {
          await corrupt(scene, writes);
          const before = await stage.snapshot();
          const [script, ...args] = CALLS[what] ?? ['inspect'];
          const reply = await stage.call(script, ...args);
          const code = codeOf(reply);
          if (code === undefined) {
            assert.isTrue(DOCUMENTED[script](reply), JSON.stringify(reply));
          } else {
            assert.match(code, /^REDISYNC_(CORRUPTED|OWNER|EXHAUSTED)$/, String(reply));
            assert.notMatch(String(reply), /attempt to|bad argument/);
            assert.deepEqual(await stage.snapshot(), before, String(reply));
          }
          await stage.set(scene);
          for (const [command, key, ...rest] of writes) await stage.redis.call(command, stage.keys[key] ?? '', ...rest);
          assert.isUndefined(codeOf(await stage.call('release', '', '-', LATER)));
          assert.isUndefined(codeOf(await stage.call('inspect')));
          const exhausted = (await stage.redis.get(stage.keys[LAST] ?? ''))?.startsWith('9007199254740991 ');
          const after = codeOf(await stage.call('acquire', 'd', specOf('x'), LATER, '1', ''));
          assert.equal(after, exhausted ? 'REDISYNC_EXHAUSTED' : undefined);
        },
      ),
      { numRuns: 3_000 },
    ));

  /** Corrupted, each call fails with nothing written, but for those named; broken, the name is free. */
  const ALL: readonly (readonly [what: string, scene: string, writes: readonly Write[], but: readonly string[]])[] = [
    ['the memory of the token', 'shared', [['SET', LAST, 'a while ago']], []],
    ['a memory of a token beyond 2^53', 'waited for', [['SET', LAST, '9007199254740992 1000 a']], []],
    // who holds alone leaves, or asks what it has, without the memory: neither needs it
    ['the memory, where one holds alone', 'held exclusively', [['SET', LAST, 'a while ago']], ['release by a']],
    ['the count of permits', 'shared', [['HSET', SPECS, '', 'many']], []],
    ['a count of permits that has gone', 'shared', [['HDEL', SPECS, '']], []],
    // who holds exclusively has its ttl afresh, whatever becomes of the queue
    ['a count of permits that nobody uses', 'waited for', [['HSET', SPECS, '', '2']], ['renew by a']],
    ['a queue of those who are due no more', 'waited for', [['DEL', DUE]], ['renew by a']],
    ['a queue of one who is due no more', 'waited for', [['ZREM', DUE, 'b']], ['renew by a']],
    ['holders that are due no more', 'shared', [['DEL', DUE]], []],
    [
      'an expiry of the lock that is none',
      'held by another',
      [['PERSIST', LOCK]],
      ['inspect', 'renew by a', 'downgrade by a', 'release by a', 'release by c'],
    ],
  ];
  for (const [what, scene, writes, but] of ALL) {
    it(`${what}: REDISYNC_CORRUPTED with nothing written, until it is broken`, async () => {
      for (const [call, [script, ...args]] of Object.entries(CALLS)) {
        await corrupt(scene, writes);
        const before = await stage.snapshot();
        const code = codeOf(await stage.call(script, ...args));
        assert.equal(code, [...but, 'break'].includes(call) ? undefined : 'REDISYNC_CORRUPTED', call);
        if (code !== undefined) assert.deepEqual(await stage.snapshot(), before, call);
      }
      await corrupt(scene, writes);
      assert.deepEqual(await stage.call('release', '', '-', LATER), [1, 0, []]);
      assert.isString(await stage.call('acquire', 'd', specOf('x'), LATER, '1', ''));
    });
  }

  it('with a broken queue, let its waiters come back to their places', async () => {
    await corrupt('waited for', [['SET', LAST, 'a while ago']]);
    const arrivals = await Promise.all(['b', 'c'].map((who) => stage.redis.zscore(stage.keys[QUEUE] ?? '', who)));
    await stage.call('release', '', '-', LATER);
    await stage.call('acquire', 'd', specOf('x'), LATER, '1', '');
    await stage.call('acquire', 'c', specOf('x'), LATER, '1', String(arrivals[1]));
    await stage.call('acquire', 'b', specOf('x'), LATER, '1', String(arrivals[0]));
    assert.deepEqual(await stage.redis.zrange(stage.keys[QUEUE] ?? '', '0', '-1'), ['b', 'c']);
  });

  describe('such as the spec of a shared lease', () => {
    for (const [what, write] of [
      ['unreadable', ['HSET', SPECS, 'a', 's 1']],
      ['without its token', ['HSET', SPECS, 'a', specOf('s', 1, 3)]],
      ['gone', ['HDEL', SPECS, 'a']],
    ] as const satisfies readonly (readonly [string, Write])[]) {
      it(`${what}: is REDISYNC_CORRUPTED with nothing written to its owner and to who looks`, async () => {
        for (const call of [
          'acquire by a',
          'renew by a',
          'downgrade by a',
          ...(what === 'without its token' ? [] : ['inspect']),
        ]) {
          await corrupt('shared', [write]);
          const before = await stage.snapshot();
          const [script, ...args] = CALLS[call] ?? ['inspect'];
          assert.equal(codeOf(await stage.call(script, ...args)), 'REDISYNC_CORRUPTED', call);
          assert.deepEqual(await stage.snapshot(), before, call);
        }
      });

      it(`${what}: keeps others out until the lease lapses, or is given up`, async () => {
        for (const call of ['acquire, exclusive', 'acquire, shared']) {
          await corrupt('shared', [write]);
          const [script, ...args] = CALLS[call] ?? ['inspect'];
          assert.isArray(await stage.call(script, ...args), call);
        }
        for (const end of [
          () => stage.redis.zadd(stage.keys[DUE] ?? '', 'XX', 1, 'a'),
          () => stage.call('release', 'a', '-', LATER),
        ]) {
          await corrupt('shared', [write]);
          await end();
          assert.deepEqual(await stage.call('release', 'b', '-', LATER), [1, 0, []]);
          assert.isString(await stage.call('acquire', 'd', specOf('s', 3, 3), LATER, '1', ''), 'no permit is in use');
        }
      });
    }
  });

  describe('such as the spec of a waiter', () => {
    const NO_SPECS: readonly Write[] = [
      ['HSET', SPECS, 'b', 's 1'],
      ['HSET', SPECS, 'b', `${specOf('s')} 17`],
      ['HDEL', SPECS, 'b'],
    ];

    it('are dropped at its turn, and the next is let in', async () => {
      for (const write of NO_SPECS) {
        await corrupt('waited for', [write]);
        const [held, grants, own] = (await stage.call('release', 'a', '-', LATER)) as [number, number, string[]];
        assert.deepEqual([held, grants, own[0]], [1, 1, 'c']);
        assert.equal(await stage.redis.zcard(stage.keys[DUE] ?? ''), 0);
        assert.equal(await stage.redis.exists(stage.keys[SPECS] ?? ''), 0);
      }
    });

    it('are mended by the waiter, who keeps its place', async () => {
      for (const write of NO_SPECS) {
        await corrupt('waited for', [write]);
        const [, place] = (await stage.call('acquire', 'b', specOf('s'), LATER, '1', '')) as number[];
        assert.equal(place, 0);
        const [, , own] = (await stage.call('release', 'a', '-', LATER)) as [number, number, string[]];
        assert.equal(own[0], 'b');
      }
    });

    it('are left out of what is seen', async () => {
      await corrupt('waited for', [['HDEL', SPECS, 'b']]);
      const [, , waiting] = (await stage.call('inspect')) as [string, unknown[], unknown[]];
      assert.equal(waiting[0], 'c');
    });
  });

  it('such as a token at its highest, stay as they are when the lock is broken', async () => {
    await corrupt('held by another', [['SET', LAST, `${Number.MAX_SAFE_INTEGER} 1000 b`]]);
    await stage.call('release', '', '-', LATER);
    assert.equal(codeOf(await stage.call('acquire', 'd', specOf('x'), LATER, '1', '')), 'REDISYNC_EXHAUSTED');
  });
});

/** Keys of a name with contents that cannot be read: a script answers, or fails with nothing written, and a break clears it away. */
import { assert } from 'chai';
import fc from 'fast-check';
import { DOCUMENTED } from '../support/replies.ts';
import { type Arg, codeOf, LATER, LONG, SCENES, Stage, specOf } from '../support/scenes.ts';

type Write = readonly [command: string, key: number, ...args: (string | number)[]];
const [CLOCK, LOCK, CLAIMS, SPECS] = [0, 1, 2, 3] as const;

const CALLS: Readonly<Record<string, readonly [keyof typeof DOCUMENTED, ...Arg[]]>> = {
  'acquire, exclusive': ['acquire', 'd', specOf('x'), LATER, '1', ''],
  'acquire, shared': ['acquire', 'd', specOf('s', 1, 3), LATER, '0', ''],
  'acquire, coming back': ['acquire', 'd', specOf('x'), LATER, '1', 1e14],
  'acquire by a': ['acquire', 'a', specOf('s', 1, 3), LATER, '1', ''],
  'acquire by c': ['acquire', 'c', specOf('x'), LATER, '1', ''],
  'renew by a': ['renew', 'a', 0, LONG, LATER],
  'share by a': ['share', 'a', 0, specOf('s'), LATER],
  'release by a': ['release', 'a', 0, '-', LATER],
  'release by c': ['release', 'c', 0, '-', LATER],
  'release by a, keeping': ['release', 'a', 0, '-', LATER, LONG],
  break: ['release', '', 0, '-', LATER],
  'raise of a': ['raise', 'a', 0, 17],
  inspect: ['inspect', 0],
};
const BREAK = CALLS.break ?? ['inspect'];

const SPECS_NO_MORE = [
  '',
  'x',
  's 1 3',
  'q 1 0 1000 1000 -',
  's 1 3 1000 1000 -',
  's 9 3 1000 1000 - 17',
  'x 1 0 1000 1000 - 17',
  's 1 3 1000 1000 - 17 over',
  's 1 3 1000 1000 - 17 above',
  's 1 3 1000 1000 - 9007199254740992',
];
const VALUES = ['', 'a', 'a 17', 'a 17 1000', 'b 17 1000 over', 'b 9999999999999999 9999999999', ' 1 1', 'a 17 0'];
const owner = fc.constantFrom('a', 'b', 'c', '');
const key = fc.constantFrom(CLOCK, LOCK, CLAIMS, SPECS);
const score = fc.constantFrom('inf', '-inf', '-5', '0', '1.5', '1e14', '1e300', '9007199254740993', '1');
const number = fc.constantFrom(
  '',
  'many',
  '-1',
  '1.5',
  'nan',
  '1e400',
  '9007199254740992',
  '9007199254740991',
  '0',
  '1',
);
const corruption: fc.Arbitrary<Write> = fc.oneof(
  fc.tuple(owner, fc.constantFrom(...SPECS_NO_MORE)).map(([who, value]): Write => ['HSET', SPECS, who, value]),
  owner.map((who): Write => ['HDEL', SPECS, who]),
  fc.tuple(score, owner).map(([value, who]): Write => ['ZADD', CLAIMS, value, who]),
  owner.map((who): Write => ['ZREM', CLAIMS, who]),
  number.map((value): Write => ['SET', CLOCK, value]),
  fc.constantFrom(...VALUES).map((value): Write => ['SET', LOCK, value]),
  fc.constantFrom(...VALUES).map((value): Write => ['SET', LOCK, value, 'PX', LONG]),
  key.map((at): Write => ['DEL', at]),
  key.map((at): Write => ['PERSIST', at]),
  key.map((at): Write => ['PEXPIRE', at, '7000000000000000000']),
);

describe('keys of a name that cannot be read', function () {
  this.timeout(300_000);
  let stage: Stage;

  before(async () => {
    stage = await Stage.open();
  });

  after(() => stage.close());

  const corrupt = async (scene: string, writes: readonly Write[]): Promise<void> => {
    const keys = [stage.clock, ...stage.keys];
    const write = ([command, at, ...args]: Write): Promise<unknown> =>
      stage.redis.call(command, keys[at] ?? '', ...args);
    await Promise.all([stage.set(scene), ...writes.map(write)]);
  };
  const call = (what: string): Promise<unknown> => {
    const [script, ...args] = CALLS[what] ?? BREAK;
    return stage.call(script, ...args);
  };

  it('make a script answer, or fail with nothing written; broken, the name can be locked again', () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SCENES),
        fc.array(corruption, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...Object.keys(CALLS)),
        async (scene, writes, what) => {
          const [, before, reply, after] = await Promise.all([
            corrupt(scene, writes),
            stage.snapshot(),
            call(what),
            stage.snapshot(),
          ]);
          delete before[stage.clock];
          delete after[stage.clock];
          const [script] = CALLS[what] ?? BREAK;
          const code = codeOf(reply);
          if (code === undefined) {
            assert.isTrue(DOCUMENTED[script](reply), JSON.stringify(reply));
          } else {
            assert.match(code, /^REDISYNC_(CORRUPTED|OWNER|EXHAUSTED)$/, String(reply));
            assert.notMatch(String(reply), /attempt to|bad argument/);
            assert.deepEqual(after, before, String(reply));
          }
          const [, broken, seen, clock, locked] = await Promise.all([
            corrupt(scene, writes),
            call('break'),
            call('inspect'),
            stage.redis.get(stage.clock),
            call('acquire, exclusive'),
          ]);
          assert.isUndefined(codeOf(broken));
          assert.isUndefined(codeOf(seen));
          const exhausted = clock === String(Number.MAX_SAFE_INTEGER);
          assert.equal(codeOf(locked), exhausted ? 'REDISYNC_EXHAUSTED' : undefined);
        },
      ),
      { numRuns: 3_000 },
    ));

  it('leave no key without an expiry that had one, whatever is done', () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SCENES),
        fc.array(
          fc.oneof(
            key.map((at): Write => ['DEL', at]),
            owner.map((who): Write => ['ZREM', CLAIMS, who]),
            owner.map((who): Write => ['HDEL', SPECS, who]),
          ),
          { maxLength: 3 },
        ),
        fc.array(fc.constantFrom(...Object.keys(CALLS)), { minLength: 1, maxLength: 4 }),
        async (scene, writes, calls) => {
          const [, ...left] = await Promise.all([
            Promise.all([corrupt(scene, writes), ...calls.map(call)]),
            ...[stage.clock, ...stage.keys].map((at) => stage.redis.pttl(at)),
          ]);
          assert.notInclude(left, -1, `after ${calls.join(', ')}`);
        },
      ),
      { numRuns: 1_000 },
    ));

  it('such as a lock without an expiry are no lock to who asks, until it is broken', async () => {
    const refused = ['acquire, exclusive', 'acquire, shared', 'acquire, coming back', 'acquire by c'];
    for (const what of refused) {
      await corrupt('held by another', [['PERSIST', LOCK]]);
      const before = await stage.snapshot();
      assert.equal(codeOf(await call(what)), 'REDISYNC_CORRUPTED', what);
      assert.deepEqual(await stage.snapshot(), before, what);
    }
    assert.deepEqual(await call('break'), [1, 0]);
    assert.isString(await call('acquire, exclusive'));
  });

  it('such as garbage at the clock stop nobody: it starts from the time', async () => {
    for (const value of ['', 'many', '-1', '1.5', '9007199254740992', 'a while ago']) {
      await corrupt('free', [['SET', CLOCK, value]]);
      const fence = await call('acquire, exclusive');
      assert.isAtLeast(Number(fence), 1_000 * (Date.now() - 60_000));
      assert.equal(await stage.redis.get(stage.clock), fence);
      assert.isAbove(await stage.redis.pttl(stage.clock), 3_600_000);
    }
  });

  it('such as a clock at its highest are told, and stay as they are when the lock is broken', async () => {
    await corrupt('held by another', [['SET', CLOCK, Number.MAX_SAFE_INTEGER]]);
    assert.equal(codeOf(await call('acquire, exclusive')), 'REDISYNC_EXHAUSTED');
    await call('break');
    assert.equal(codeOf(await call('acquire, exclusive')), 'REDISYNC_EXHAUSTED');
  });

  describe('such as the spec of a shared lease', () => {
    for (const [what, write] of [
      ['unreadable', ['HSET', SPECS, 'a', 's 1']],
      ['without its fence', ['HSET', SPECS, 'a', specOf('s', 1, 3)]],
      ['with the deadline of a waiter for a fence', ['HSET', SPECS, 'a', `${specOf('s', 1, 3)} ${LATER}`]],
      ['gone', ['HDEL', SPECS, 'a']],
    ] as const satisfies readonly (readonly [string, Write])[]) {
      it(`${what}: is REDISYNC_CORRUPTED with nothing written to its owner and to who looks`, async () => {
        for (const by of ['acquire by a', 'share by a', 'inspect']) {
          await corrupt('shared', [write]);
          const before = await stage.snapshot();
          assert.equal(codeOf(await call(by)), 'REDISYNC_CORRUPTED', by);
          assert.deepEqual(await stage.snapshot(), before, by);
        }
      });

      it(`${what}: keeps others out until the lease lapses`, async () => {
        for (const by of ['acquire, exclusive', 'acquire, shared']) {
          await corrupt('shared', [write]);
          assert.isArray(await call(by), by);
        }
        await corrupt('shared', [write, ['ZADD', CLAIMS, 'XX', 1, 'a']]);
        assert.deepEqual(await stage.call('release', 'b', 0, '-', LATER), [1, 0]);
        const all = await stage.call('acquire', 'd', specOf('s', 3, 3), LATER, '1', '');
        assert.isString(all, 'no permit is in use');
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
        const [held, grants, own] = (await call('release by a')) as [number, number, string[]];
        assert.deepEqual([held, grants, own[0]], [1, 1, 'c']);
        assert.equal(await stage.redis.exists(stage.keys[1], stage.keys[2]), 0);
      }
    });

    it('are mended by the waiter, who keeps its place if it tells its ticket', async () => {
      for (const write of NO_SPECS) {
        await corrupt('waited for', [write]);
        const ticket = await stage.redis.zscore(stage.keys[1], 'b');
        const reply = (await stage.call('acquire', 'b', specOf('s'), LATER, '1', ticket ?? '')) as unknown[];
        assert.equal(reply[1], 0);
        assert.equal(String(reply[4]), ticket);
        const [, , own] = (await call('release by a')) as [number, number, string[]];
        assert.equal(own[0], 'b');
      }
    });

    it('beside a score that is no ticket are none: who asks again gets a ticket, at the end', async () => {
      for (const score of [Date.now() + LONG, '1000000000000000.5', 'inf']) {
        await corrupt('waited for', [['ZADD', CLAIMS, score, 'b']]);
        const reply = (await stage.call('acquire', 'b', specOf('s'), LATER, '1', '')) as unknown[];
        assert.equal(reply[1], 1);
        assert.isAtLeast(Number(reply[4]), 1e14);
        assert.equal(await stage.redis.zscore(stage.keys[1], 'b'), String(reply[4]));
      }
    });

    it('are left out of what is seen', async () => {
      await corrupt('waited for', [['HDEL', SPECS, 'b']]);
      const [, waiting] = (await call('inspect')) as [unknown[], unknown[]];
      assert.equal(waiting[0], 'c');
    });
  });

  it('such as specs of another type beside a count of permits: a holder that asks again writes nothing', async () => {
    await corrupt('held exclusively', [
      ['ZADD', CLAIMS, -2, ''],
      ['RPUSH', SPECS, 'a'],
    ]);
    const before = await stage.snapshot();
    assert.equal(codeOf(await stage.call('acquire', 'a', specOf('x'), LATER, '1', '')), 'WRONGTYPE');
    assert.deepEqual(await stage.snapshot(), before);
  });

  it('such as a missing count of permits, count one permit for each holder', async () => {
    await corrupt('shared', [['ZREM', CLAIMS, '']]);
    assert.isString(await call('acquire, shared'), 'two holders are two permits at least');
    assert.isArray(await stage.call('acquire', 'e', specOf('s', 1, 3), LATER, '0', ''));
  });

  it('such as those of a release that failed half-way, have all its permits free when it is tried again', async () => {
    for (const refused of ['zadd', 'zrem']) {
      await stage.set('shared');
      await stage.redis.call('ACL', 'SETUSER', 'default', `-${refused}`);
      const first = await stage.call('release', 'b', 0, '-', LATER);
      await stage.redis.call('ACL', 'SETUSER', 'default', `+${refused}`);
      assert.equal(codeOf(first), 'REDISYNC_UNFINISHED', refused);
      await stage.call('release', 'b', 0, '-', LATER);
      assert.isString(await stage.call('acquire', 'c', specOf('s', 2, 3), LATER, '0', ''), refused);
    }
  });

  it('such as those of a lapsed lease whose removal failed half-way, are counted out once', async () => {
    await stage.set('free');
    await stage.call('acquire', 'a', specOf('s', 2, 5), LATER, '0');
    await stage.call('acquire', 'b', specOf('s', 3, 5), LATER, '0');
    await stage.redis.zadd(stage.keys[1], 'XX', 1, 'b');
    await stage.redis.call('ACL', 'SETUSER', 'default', '-zrem');
    const first = await stage.call('release', 'z', 0, '-', LATER);
    await stage.redis.call('ACL', 'SETUSER', 'default', '+zrem');
    assert.equal(codeOf(first), 'REDISYNC_UNFINISHED');
    assert.isArray(await stage.call('acquire', 'c', specOf('s', 4, 5), LATER, '0'));
    assert.isString(await stage.call('acquire', 'c', specOf('s', 3, 5), LATER, '0'));
  });

  describe('such as a shared lease beside an exclusive one', () => {
    /** The lease of a is written as a shared one, and the lock is still to be deleted. */
    const shareHalfway = async (permits: number, limit: number): Promise<void> => {
      const { redis, keys } = stage;
      const [lock, claims, specs] = keys;
      const fence = (await redis.get(lock))?.split(' ')[1];
      await redis.hset(specs, 'a', `${specOf('s', permits, limit)} ${fence}`);
      await redis.zadd(claims, Date.now() + LONG, 'a');
      if (permits > 1) await redis.zadd(claims, 1 - permits, '');
      assert.equal(await redis.exists(lock), 1);
    };

    it('of a plain client, gives all its permits back when it is released', async () => {
      await stage.set('free');
      await stage.call('acquire', 'a', specOf('s', 3, 5), LATER, '1', '');
      await stage.call('acquire', 'b', specOf('s', 1, 5), LATER, '1', '');
      await stage.redis.set(stage.keys[0], 'foreign', 'PX', LONG);
      assert.deepEqual(await stage.call('release', 'a', 0, '-', LATER), [1, 0]);
      await stage.redis.del(stage.keys[0]);
      assert.isArray(await stage.call('acquire', 'c', specOf('s', 5, 5), LATER, '0'));
      assert.isString(await stage.call('acquire', 'c', specOf('s', 4, 5), LATER, '1'));
    });

    it('of a plain client, is not among those who wait', async () => {
      await stage.set('shared');
      await stage.redis.set(stage.keys[0], 'foreign', 'PX', LONG);
      const ranks: unknown[] = [];
      for (const asker of ['c', 'd', 'c']) {
        const reply = (await stage.call('acquire', asker, specOf('s'), LATER, '1', '')) as unknown[];
        ranks.push(reply[1]);
      }
      assert.deepEqual(ranks, [0, 1, 0]);
    });

    it('of a plain client, is raised', async () => {
      await stage.set('shared');
      await stage.redis.set(stage.keys[0], 'foreign', 'PX', LONG);
      const fence = Number.MAX_SAFE_INTEGER - 1;
      assert.equal(await stage.call('raise', 'a', 0, fence), 1);
      assert.equal(await stage.call('share', 'a', fence, specOf('s', 1, 3), LATER), 1);
    });

    it('by a share that failed half-way, is counted once when that is tried again', async () => {
      await stage.set('free');
      await stage.call('acquire', 'a', specOf('x'), LATER, '1');
      await shareHalfway(3, 5);
      assert.equal(await stage.call('share', 'a', 0, specOf('s', 3, 5), LATER), 1);
      assert.isArray(await stage.call('acquire', 'c', specOf('s', 3, 5), LATER, '0'));
      assert.isString(await stage.call('acquire', 'c', specOf('s', 2, 5), LATER, '1'));
    });

    it('by a share that failed half-way, goes with the lease that is released by its fence', async () => {
      await stage.set('free');
      const fence = await stage.call('acquire', 'a', specOf('x'), LATER, '1');
      await shareHalfway(3, 5);
      assert.deepEqual(await stage.call('release', 'a', String(fence), '-', LATER), [1, 0]);
      assert.isString(await stage.call('acquire', 'c', specOf('x'), LATER, '0'));
    });

    it('by a share that failed half-way, lets in no more than the limit when it is released', async () => {
      await stage.set('free');
      await stage.call('acquire', 'a', specOf('x'), LATER, '1');
      for (const owner of ['b', 'c']) await stage.call('acquire', owner, specOf('s', 1, 1), LATER, '1');
      await shareHalfway(1, 1);
      const released = (await stage.call('release', 'a', 0, '-', LATER)) as unknown[];
      assert.deepEqual(released.slice(0, 3), [1, 1, 'b']);
    });
  });
});

/** The scripts, called by hand with anything: an answer that they document, or a typed error and nothing written. */
import { assert } from 'chai';
import fc from 'fast-check';
import { RedisRefusedError } from '../../src/errors.ts';
import { lease } from '../../src/lua/scripts.ts';
import { errorOf } from '../../src/store/call.ts';
import { DOCUMENTED, isList } from '../support/replies.ts';
import { type Arg, codeOf, LATER, LONG, SCENES, Stage, specOf, type Verb } from '../support/scenes.ts';

const HIGHEST = Number.MAX_SAFE_INTEGER;
const LONGEST = 2 ** 31 - 1;
const FIRST = 1e14;
const RUNS = 1_500;

/** One argument, and whether it is what the script asks for; undefined where Lua may read a number in it, or may not. */
interface Drawn {
  readonly value: Arg;
  readonly sound: boolean | undefined;
}
const sound = (value: Arg): Drawn => ({ value, sound: true });
const unsound = (value: Arg): Drawn => ({ value, sound: false });

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 24 }).map((array) => Buffer.from(array)),
  fc.string({ unit: 'binary', maxLength: 24 }).map((text) => Buffer.from(text)),
  fc.constantFrom('', '\0', '\r\n', ' ', 'x'.repeat(70_000)).map((text) => Buffer.from(text)),
);
const NO_NUMBERS = ['', ' ', '-', 'x', '12x', '1 2', '--1', '0xg', '1e', '0x', 'true', 'nil', '{}', '1,5'];
const NOT_WHOLE = ['nan', '-nan', 'NaN', 'inf', '-inf', 'Infinity', '1e400', '-1e400', '0.5', '1e-300', '1e300'];
const OUT_OF_BOUNDS = ['-1', '-9223372036854775808', '9007199254740992', '9223372036854775807', '9'.repeat(400)];
const LENIENT = [' 5', '5 ', '+5', '0x10', '1e3', '5.0', '007', '5\0x', '-0', '\t7\n'];

/** A whole number within bounds, mostly, or whatever else. */
const whole = (likely: fc.Arbitrary<number>, most: number): fc.Arbitrary<Drawn> =>
  fc.oneof(
    { weight: 12, arbitrary: likely.map((value) => sound(String(value))) },
    { weight: 2, arbitrary: fc.constantFrom(...NO_NUMBERS, ...NOT_WHOLE, ...OUT_OF_BOUNDS).map(unsound) },
    { weight: 1, arbitrary: fc.constant(unsound(String(most + 1))) },
    { weight: 1, arbitrary: fc.constantFrom(...LENIENT).map((value) => ({ value, sound: undefined })) },
    {
      weight: 1,
      arbitrary: bytes.map((value) =>
        /^[\s\d+.\-ni]/i.test(value.toString('latin1')) ? { value, sound: undefined } : unsound(value),
      ),
    },
  );
const text = fc.oneof(fc.constantFrom('a', 'b', 'c', '', '-', '!tell', 'pchannel'), bytes);
const named = (value: Arg): Drawn => ({ value, sound: value.toString() !== '' });
const owner = fc
  .oneof({ weight: 3, arbitrary: fc.constantFrom('a', 'b', 'c', 'd') }, bytes, fc.constant(''))
  .map(named);

/** What the header of include/claims says of a spec, once more. */
const isSpec = (value: string): boolean => {
  const match = /^[xs] ([1-9]\d*) (\d+) ([1-9]\d*) ([1-9]\d*) [psc-][^\t-\r ]*$/.exec(value);
  const [permits = 0, limit = 0, ...times] = match?.slice(1).map(Number) ?? [];
  return match !== null && Math.max(permits, limit, ...times) <= LONGEST && (limit === 0 || permits <= limit);
};
const fields: fc.Arbitrary<readonly string[]> = fc.tuple(
  fc.constantFrom('x', 's'),
  fc.constantFrom('1', '2', '3', '2147483647'),
  fc.constantFrom('0', '3', '2147483647'),
  fc.constantFrom('1000', '600000', '2147483647'),
  fc.constantFrom('1000', '600000', '2147483647'),
  fc.constantFrom('-', 'pchannel', 'schannel', 'cchannel'),
);
/** A spec with a mistake: a field more, less, elsewhere or out of bounds, or a byte more, less or another. */
const nearMiss = fc.tuple(fields, fc.nat(5), fc.nat(40), fc.nat(9), bytes).map(([spec, i, at, how, some]): Buffer => {
  const all = Buffer.from(spec.join(' '));
  const put = (value: string): Buffer => Buffer.from(spec.with(i, value).join(' '));
  const numbers = [...NO_NUMBERS, ...NOT_WHOLE, ...OUT_OF_BOUNDS, ...LENIENT, '0', '2147483648', '00'];
  const [head, tail] = [all.subarray(0, at), all.subarray(at)];
  if (how < 3) return put(numbers[(at * 3 + how) % numbers.length] ?? '');
  if (how === 3) return Buffer.from(spec.toSpliced(i, 1).join(' '));
  if (how === 4) return Buffer.from(spec.toSpliced(i, 0, '1').join(' '));
  if (how === 5) return Buffer.concat([all, Buffer.from(at % 2 ? ' 17' : ' ')]);
  if (how === 6) return Buffer.concat([head, tail.subarray(1)]);
  if (how === 7) return Buffer.concat([head, some, tail]);
  if (how === 8) return Buffer.from(spec.toReversed().join(' '));
  return Buffer.concat([head, some.subarray(0, 1), tail.subarray(1)]);
});
const spec = fc
  .oneof(
    { weight: 4, arbitrary: fields.map((all) => Buffer.from(all.join(' '))) },
    { weight: 5, arbitrary: nearMiss },
    bytes,
  )
  .map((value) => ({ value, sound: isSpec(value.toString('latin1')) }));
const notAfter = whole(fc.constantFrom(LATER, LATER, LATER, LATER, LATER, 0, 1, HIGHEST), HIGHEST);
/** One that is below the first, "0", is none; "" is no ticket. */
const ticket = fc.oneof(
  fc.constant(sound('')),
  whole(fc.constantFrom(FIRST, FIRST + 5, HIGHEST - 1), HIGHEST - 1).map(({ value, sound }) => ({
    value,
    sound: String(value) === '' || (sound === true && Number(value) < FIRST ? false : sound),
  })),
);
const fence = whole(fc.oneof(fc.constant(0), fc.maxSafeNat()), HIGHEST);
/** "" is what stands there in a batch with longer arguments. */
const keep = whole(fc.constantFrom(0, 0, 0, 1, LONG, LONGEST), LONGEST).map(({ value, sound }) => ({
  value,
  sound: String(value) === '' || sound,
}));
const shared = spec.map(({ value, sound }) => ({ value, sound: sound && value.toString().startsWith('s') }));
const ARGUMENTS = {
  acquire: [owner, spec, notAfter, text.map(sound), ticket],
  release: [text.map(sound), fence, text.map(sound), notAfter, keep],
  share: [owner, fence, shared, notAfter],
  raise: [
    owner,
    fence,
    whole(
      fc.oneof(
        fc.constant(1),
        fc.maxSafeNat().map((n) => Math.max(1, n)),
      ),
      HIGHEST,
    ),
  ],
  renew: [owner, fence, whole(fc.integer({ min: 1, max: LONGEST }), LONGEST), notAfter],
  inspect: [whole(fc.integer({ min: 0, max: LONGEST }), LONGEST)],
} as const satisfies Partial<Record<Verb, readonly fc.Arbitrary<Drawn>[]>>;

/** Arguments, as many as asked for, mostly, and whether they are what the script asks for. */
interface Call {
  readonly args: readonly Arg[];
  readonly sound: boolean | undefined;
}
const callOf = (name: keyof typeof ARGUMENTS): fc.Arbitrary<Call> => {
  const all: readonly fc.Arbitrary<Drawn>[] = ARGUMENTS[name];
  return fc.tuple(fc.tuple(...all), fc.integer({ min: -2, max: 30 }), text).map(([drawn, more, extra]) => {
    const args = drawn.map(({ value }) => value);
    const without = more === -1 && (name === 'acquire' || name === 'release'); // the last, which there may not be
    if (more < 0 && !without) return { args: args.slice(0, more), sound: false };
    const widened = (name === 'share' || name === 'raise') && String(extra) === ''; // to the width of an acquire beside it
    if (more === 0 && !widened) return { args: [...args, extra], sound: false };
    const all_ = drawn.slice(0, without ? -1 : undefined).map(({ sound }) => sound);
    return {
      args: without ? args.slice(0, -1) : more === 0 ? [...args, extra] : args,
      sound: all_.includes(false) ? false : all_.includes(undefined) ? undefined : true,
    };
  });
};

/** Where nobody waits, an exclusive request is granted by its ttl: what stands behind that in its spec is not looked at. */
const sooner = (name: string, [, spec]: readonly Arg[]): boolean =>
  name === 'acquire' && /^x 1 0 [1-9]\d{0,8} /.test(String(spec));

const NAMES = Object.keys(ARGUMENTS) as (keyof typeof ARGUMENTS)[];

const COMMAND = { script: lease, keys: [], args: () => [], read: () => undefined };

describe('a script that is called by hand', function () {
  this.timeout(300_000);
  let stage: Stage;

  before(async () => {
    stage = await Stage.open();
  });

  after(() => stage.close());

  for (const name of NAMES) {
    it(`${name}: answers what it documents, or REDISYNC_ARGUMENT with nothing written`, async () => {
      const seen = { answers: 0, errors: 0 };
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...SCENES), callOf(name), async (scene, { args, sound }) => {
          const [, before, reply, after] = await Promise.all([
            stage.set(scene),
            stage.snapshot(),
            stage.call(name, ...args),
            stage.snapshot(),
          ]);
          const code = codeOf(reply);
          if (code === undefined) {
            seen.answers += 1;
            assert.isTrue(DOCUMENTED[name](reply), `no reply of ${name}: ${JSON.stringify(reply)}`);
            const tooLate = reply === -1; // for what is wrong to matter
            assert.isTrue(
              sound !== false || tooLate || sooner(name, args),
              `taken for arguments: ${JSON.stringify(reply)}`,
            );
          } else {
            seen.errors += 1;
            assert.match(code, sound ? /^REDISYNC_OWNER$/ : /^REDISYNC_(ARGUMENT|OWNER)$/, String(reply));
            assert.deepEqual(after, before, String(reply));
          }
        }),
        { numRuns: RUNS },
      );
      assert.isAbove(seen.answers, RUNS / 20);
      assert.isAbove(seen.errors, name === 'inspect' ? 10 : RUNS / 20);
    });
  }

  it('leaves what it wrote readable: whatever came before, a name can be seen, broken and locked again', () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SCENES),
        fc.array(
          fc.constantFrom(...NAMES).chain((name) => callOf(name).map(({ args }) => ({ name, args }))),
          {
            minLength: 1,
            maxLength: 6,
          },
        ),
        async (scene, calls) => {
          const [, seen, broken, clock, reply] = await Promise.all([
            Promise.all([stage.set(scene), ...calls.map(({ name, args }) => stage.call(name, ...args))]),
            stage.call('inspect', 0),
            stage.call('release', '', 0, '-', LATER),
            stage.redis.get(stage.clock), // which the break may have raised, by a grant
            stage.call('acquire', 'z', specOf('x'), LATER, '1', ''),
          ]);
          const exhausted = clock === String(HIGHEST);
          assert.isTrue(DOCUMENTED.inspect(seen));
          assert.isUndefined(codeOf(broken));
          assert.equal(codeOf(reply), exhausted ? 'REDISYNC_EXHAUSTED' : undefined, String(reply));
        },
      ),
      { numRuns: RUNS },
    ));

  it('wants as many KEYS and ARGV for each name: else nothing is written', () =>
    fc.assert(
      fc.asyncProperty(fc.constantFrom(...NAMES), fc.nat(16), fc.nat(16), async (name, some, many) => {
        const [shared, each] = name === 'renew' ? [0, 1] : name === 'inspect' ? [0, 3] : [1, 3];
        const names = (some - shared) / each;
        fc.pre(names < 1 || names % 1 !== 0 || many < names || many % names !== 0);
        await stage.set('waited for');
        const before = await stage.snapshot();
        const keys = Array.from({ length: some }, (_, i) => [stage.clock, ...stage.keys][i] ?? `{scene}${i}`);
        const reply = await stage.raw(
          name,
          keys,
          Array.from({ length: many }, () => '1'),
        );
        if (some + many > 0) assert.equal(codeOf(reply), 'REDISYNC_ARGUMENT');
        assert.deepEqual(await stage.snapshot(), before);
      }),
      { numRuns: 300 },
    ));

  it('answers each name of a batch by itself: what is wrong with one is nothing to the others', async () => {
    await stage.set('free');
    const other = stage.keys.map((key) => key.replace('scene', 'other'));
    const [good, bad] = [
      ['acquire', 'a', specOf('x'), LATER, '1', ''],
      ['acquire', 'a', 'x', LATER, '1', ''],
    ];
    for (const args of [
      [...good, ...bad],
      [...bad, ...good],
    ]) {
      const reply = await stage.raw('acquire', [stage.clock, ...stage.keys, ...other], args);
      assert.sameMembers((reply as unknown[]).slice(1).map(codeOf), [undefined, 'REDISYNC_ARGUMENT']);
    }
  });

  it('answers a waiter that names another ticket than its own with its own, and leaves its place', async () => {
    for (const ticketNamed of [FIRST, HIGHEST - 1]) {
      await stage.set('waited for');
      const stored = await stage.redis.zscore(stage.keys[1], 'c');
      const reply = (await stage.call('acquire', 'c', specOf('x'), LATER, '1', ticketNamed)) as unknown[];
      assert.deepEqual([reply[1], String(reply[4])], [1, stored]);
      assert.equal(await stage.redis.zscore(stage.keys[1], 'c'), stored);
      const [, , first] = (await stage.call('release', 'a', 0, '-', LATER)) as unknown[];
      assert.equal(first, 'b');
    }
  });

  it('leaves an expiry on every key, also where the only waiter is not heard and is passed over', async () => {
    await stage.set('free');
    await stage.call('acquire', 'a', specOf('x'), LATER, '1', '');
    await stage.call('acquire', 'b', specOf('x').replace(/-$/, 'pnobody'), LATER, '1', '');
    assert.deepEqual(await stage.call('release', 'a', 0, '-', LATER), [1, 0]);
    const [, ...side] = stage.keys;
    for (const key of side) assert.isAbove(await stage.redis.pttl(key), 0, key);
  });

  it('is refused by an error of ours, which tells that nothing was done', async () => {
    const reply = await stage.call('release', 'a', 0, '-', 'soon', 0);
    assert.instanceOf(reply instanceof Error && errorOf(COMMAND, reply), RedisRefusedError);
  });

  it('scans and tells the uptime, or fails with an error of Redis: neither writes', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(bytes, fc.constantFrom('0', '*', '17', '1e400', '-1')), { minLength: 3, maxLength: 4 }),
        async (args) => {
          await stage.set('shared and waited for');
          const before = await stage.snapshot();
          const scanned = await stage.raw('scan', [], args);
          if (codeOf(scanned) === undefined) assert.isTrue(isList(scanned, 3));
          else assert.equal(codeOf(scanned), 'ERR');
          assert.match(String(await stage.raw('uptime', [], args)), /^\d+$/);
          assert.deepEqual(await stage.snapshot(), before);
        },
      ),
      { numRuns: 300 },
    ));

  const SOUND: Readonly<Record<string, readonly [Verb, ...Arg[]]>> = {
    acquire: ['acquire', 'a', specOf('x'), LATER, '1', ''],
    'acquire, shared': ['acquire', 'a', specOf('s'), LATER, '0', ''],
    renew: ['renew', 'a', 0, LONG, LATER],
    share: ['share', 'a', 0, specOf('s'), LATER],
    release: ['release', 'a', 0, '-', LATER],
    'release, telling': ['release', 'a', 0, '!told', LATER],
    'release, keeping': ['release', 'a', 0, '-', LATER, 1000],
    break: ['release', '', 0, '-', LATER],
    raise: ['raise', 'a', 0, 1],
    inspect: ['inspect', 0],
    'inspect, few': ['inspect', 1],
  };
  const TYPES = [
    ['RPUSH', 'a'],
    ['SADD', 'a'],
    ['SET', 'a', 'PX', LONG],
    ['ZADD', 1, 'a'],
    ['HSET', 'a', 'a'],
    ['XADD', '*', 'a', 'a'],
  ] as const;
  const RIGHT = ['SET', 'SET', 'ZADD', 'HSET'];

  for (const [what, [script, ...args]] of Object.entries(SOUND)) {
    it(`${what}: any other type at any key is an error with nothing written, or nothing that matters`, async () => {
      for (const scene of SCENES) {
        for (const [i, key] of [stage.clock, ...stage.keys].entries()) {
          for (const [write, ...values] of TYPES.filter(([type]) => type !== RIGHT[i])) {
            const [, before, reply, after] = await Promise.all([
              Promise.all([stage.set(scene), stage.redis.del(key), stage.redis.call(write, key, ...values)]),
              stage.snapshot(),
              stage.call(script, ...args),
              stage.snapshot(),
            ]);
            const where = `${write} at ${key}, ${scene}: ${JSON.stringify(reply)}`;
            const code = codeOf(reply);
            if (code === undefined) {
              if (i < 3) assert.equal(after[key], before[key], where); // what is beside them goes with the last claim
              continue;
            }
            assert.match(code, i === 0 ? /^REDISYNC_(CORRUPTED|OWNER)$/ : /^(WRONGTYPE|REDISYNC_OWNER)$/, where);
            if (i === 0 && code === 'REDISYNC_CORRUPTED') assert.include(String(reply), stage.clock);
            if (i > 0) delete after[stage.clock]; // a number may have been drawn in vain
            if (i > 0) delete before[stage.clock];
            assert.deepEqual(after, before, where);
          }
        }
      }
    });
  }
});

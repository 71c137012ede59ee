/** A lock that is held and waited for goes on by shorter ways than the verbs in full: they must lead to the same. */
import { assert } from 'chai';
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { lease } from '../../src/lua/scripts.ts';
import { keysOf } from '../../src/store/keys.ts';
import { LATER, Stage } from '../support/scenes.ts';

/** Where the script takes its short ways, and the same with none. */
const WAYS = /contended\('(?:join|pass|passon)'\)/g;
const NONE = '(function() end)';

const owner = fc.constantFrom('a', 'b', 'c', 'd', 'e');
/** What those of one history ask for: one kind of lock mostly, as where it is in use, or anything. */
const KINDS = [
  ['x 1 0'],
  ['s 1 2', 's 1 2', 's 1 2', 's 1 0', 's 1 3'],
  ['x 1 0', 's 1 0'],
  ['x 1 0', 'x 1 0', 'x 1 0', 's 1 0', 's 1 2', 's 1 2', 's 1 2', 's 2 3'],
];
const acquireOf = (kind: readonly string[]) =>
  fc.record({
    verb: fc.constant('acquire' as const),
    owner,
    asked: fc.constantFrom(...kind),
    ttl: fc.constantFrom(600_000, 900_000),
    waiterTtl: fc.constantFrom(600_000, 800_000),
    channel: fc.constantFrom('pheard', 'punheard', 'cheard'),
    stay: fc.constantFrom('1', '1', '1', '0'),
    told: fc.boolean(),
  });
const release = fc.record({
  verb: fc.constant('release' as const),
  owner,
  byFence: fc.boolean(),
  channel: fc.constantFrom('pheard', 'pasking'),
  keep: fc.constantFrom(0, 0, 0, 500_000),
});
/** The present holder, or the first of those who share, gives up what it has: else most of a run would be refusals. */
const pass = fc.record({ verb: fc.constant('pass' as const), channel: fc.constantFrom('pheard', 'pasking') });
/** A claim has lapsed; or it, or the exclusive lease, lasts longer than it may, as after a clock that stepped back. */
const age = fc.record({ verb: fc.constant('age' as const), owner, past: fc.boolean(), holds: fc.boolean() });
/** No higher number can be drawn. */
const exhaust = fc.constant({ verb: 'exhaust' as const });
const stepOf = (kind: readonly string[]) =>
  fc.oneof(
    { weight: 80, arbitrary: acquireOf(kind) },
    { weight: 8, arbitrary: release },
    { weight: 24, arbitrary: pass },
    { weight: 12, arbitrary: age },
    { weight: 2, arbitrary: exhaust },
  );
const steps = fc.constantFrom(...KINDS).chain((kind) => fc.array(stepOf(kind), { minLength: 3, maxLength: 24 }));
type Step = typeof steps extends fc.Arbitrary<(infer S)[]> ? S : never;

/** Without what is of its own in each run: fences, tickets and times; and ms as hundreds of seconds, which no machine stands still for. */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'number') return value > 1e12 ? '#' : value >= 100 ? Math.round(value / 100_000) : value;
  return String(value).replace(/\d{13,}/g, '#');
};

describe('the short ways of the scripts', () => {
  let stage: Stage;
  let listener: Redis;
  let full = '';
  const heard: string[] = [];

  before(async () => {
    stage = await Stage.open();
    assert.lengthOf([...lease.text.matchAll(WAYS)], 3);
    full = String(await stage.redis.script('LOAD', lease.text.replaceAll(WAYS, NONE)));
    listener = stage.redis.duplicate();
    listener.on('message', (_, text: string) => heard.push(text));
    await listener.subscribe('heard');
  });

  after(async () => {
    listener.disconnect();
    await stage.close();
  });

  /** What a name answers and comes to, one step after the other, by one script. */
  const told = async (script: string, name: string, all: readonly Step[]): Promise<unknown[]> => {
    const { redis, clock } = stage;
    const [lock, claims, specs] = keysOf('', name);
    const tickets = new Map<string, unknown>();
    const steppedBack = Date.now() + 2_000_000; // one for all steps: who lapses in the same ms stands in the order of the names
    const trace: unknown[] = [];
    for (const step of all) {
      if (step.verb === 'exhaust') {
        await redis.set(clock, Number.MAX_SAFE_INTEGER);
        continue;
      }
      const [value, sharers, texts] = await Promise.all([
        redis.get(lock),
        redis.zrangebyscore(claims, 1, '(1e14'),
        redis.hgetall(specs),
      ]);
      const [holder = '', fence = '7'] = (value ?? '').split(' ');
      const [sharer] = sharers.sort();
      const leaves = step.verb === 'pass' || (step.verb === 'age' && step.holds);
      const leaver = leaves ? holder || sharer || 'a' : step.owner;
      const text = texts[leaver] ?? '';
      if (step.verb === 'age') {
        const shares = Number(await redis.zscore(claims, leaver)) < 1e14;
        const ms = step.past ? 1 : steppedBack;
        if (step.holds && !step.past && holder) await redis.pexpire(lock, 2_000_000);
        else if (shares) await redis.zadd(claims, 'XX', ms, leaver);
        else if (text) await redis.hset(specs, leaver, text.replace(/\d+$/, String(ms)));
        continue;
      }
      const itsFence = holder === leaver ? fence : (/ (\d+)$/.exec(text)?.[1] ?? '7');
      const own = step.verb === 'pass' || (step.verb === 'release' && step.byFence) ? itsFence : '0';
      const args =
        step.verb === 'acquire'
          ? [`${step.asked} ${step.ttl} ${step.waiterTtl} ${step.channel}`, String(LATER), step.stay]
          : [own, step.channel, String(LATER), String((step.verb === 'release' && step.keep) || '')];
      if (step.verb === 'acquire') args.push(String((step.told && tickets.get(step.owner)) || ''));
      const verb = step.verb === 'pass' ? 'release' : step.verb;
      const [reply, shares, queue, specsNow, ...lockNow] = await Promise.all([
        redis.call('EVALSHA', script, 4, clock, lock, claims, specs, verb, leaver, ...args),
        redis.zrangebyscore(claims, '-inf', '(1e14'),
        redis.zrangebyscore(claims, '1e14', '+inf'),
        redis.hgetall(specs),
        redis.get(lock),
        ...[lock, claims, specs].map((key) => redis.pttl(key)),
      ]);
      const [, answer] = reply as unknown[];
      if (step.verb === 'acquire')
        tickets.set(step.owner, Array.isArray(answer) && typeof answer[0] === 'number' ? answer[4] : '');
      trace.push(
        plain(answer instanceof Error ? answer.message : answer),
        plain(lockNow),
        shares.sort(), // who shares may lapse in one ms
        queue,
        plain(Object.entries(specsNow).flat()),
      );
    }
    await redis.del(clock);
    await listener.ping();
    return [...trace, heard.splice(0).map((text) => plain(text.replace(name, 'name')))];
  };

  it('answer, write and publish as the verbs in full do', async function () {
    this.timeout(300_000);
    let i = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        i += 1;
        const short = await told(lease.sha, `short ${i}`, all);
        assert.deepEqual(short, await told(full, `full ${i}`, all));
      }),
      { numRuns: 1_000, includeErrorInReport: true },
    );
  });
});

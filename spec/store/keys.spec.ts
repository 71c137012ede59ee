/** Any text at all makes a good name: one slot a name, no key of two names, and back from the key to the name. */
import { expect } from 'chai';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { CLAIMS, clockKey, keysOf, nameOf, nameOfLock } from '../../src/store/keys.ts';
import { slotOf } from '../../src/store/slot.ts';
import { type Server, startServer } from '../support/server.ts';

/** Text that is likely to be taken for a tag or for a side key, and text of any kind. */
const parts = ['{', '}', '{}', '~', '~redisync', ':', '.', '/', 'claims', 'specs', 'clock', 'x', '0', '9', '{x}'];
const name = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: fc.constantFrom(...parts), minLength: 1, maxLength: 8 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }) },
  { weight: 1, arbitrary: fc.string({ unit: fc.constantFrom('{', '}', 'a'), minLength: 1, maxLength: 8 }) },
);
const prefix = fc.oneof(fc.constant(''), fc.constantFrom('app:', '{app}', '{', '}', '{}', 'a}b', '~redisync:'), name);

/** A name, and one that is made of its keys: the likeliest to collide with it. */
const relatives = fc
  .tuple(prefix, name, fc.nat(3), name, fc.constantFrom('', '~', '~~'), fc.boolean())
  .map(([before, one, which, free, tail, related]): [string, string, string] => {
    const key = keysOf(before, one)[which] ?? clockKey(before);
    const of = key.startsWith(before) ? key.slice(before.length) : key;
    return [before, one, related && of + tail !== '' ? of + tail : free];
  });

describe('The keys of a name', () => {
  let server: Server;
  let redis: Redis;

  before(async () => {
    server = await startServer(['--cluster-enabled', 'yes']);
    redis = new Redis(server.url);
  });
  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  it('share the slot that Redis puts them in', async () => {
    const inOneSlot = async (before: string, of: string): Promise<void> => {
      const keys = keysOf(before, of);
      const slots = await Promise.all(keys.map((key) => redis.cluster('KEYSLOT', key)));
      expect(new Set(slots)).to.deep.equal(new Set([slotOf(keys[0])]));
    };
    await fc.assert(fc.asyncProperty(prefix, name, inOneSlot), { numRuns: 1_000, examples: [['', '{}a}']] });
  });

  it('are no keys of another name', () => {
    fc.assert(
      fc.property(relatives, ([before, one, other]) => {
        fc.pre(one !== other);
        const ours = new Set<string>(keysOf(before, one));
        expect(ours.size).to.equal(3);
        expect(keysOf(before, other).filter((key) => ours.has(key))).to.deep.equal([]);
      }),
      { numRuns: 10_000 },
    );
  });

  it('lead back to it, and to no other', () => {
    fc.assert(
      fc.property(prefix, name, (before, of) => {
        const [lock, ...sides] = keysOf(before, of);
        expect(nameOfLock(before, lock)).to.equal(of);
        for (const side of sides) expect(nameOf(before, side)).to.equal(of);
        expect(nameOf(before, lock)).to.equal(undefined);
      }),
      { numRuns: 5_000 },
    );
  });

  it('are no clock, and a clock leads to no name', () => {
    fc.assert(
      fc.property(prefix, name, fc.nat(16_383), (before, of, slot) => {
        for (const clock of [clockKey(before), clockKey(before, slot)]) {
          expect(keysOf(before, of)).not.to.include(clock);
          expect(nameOf(before, clock)).to.equal(undefined);
          expect(nameOfLock(before, clock)).to.equal(undefined);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('have a clock in their slot, which is the usual one where that is there', () => {
    fc.assert(
      fc.property(prefix, name, (before, of) => {
        const [lock] = keysOf(before, of);
        const clock = clockKey(before, slotOf(lock));
        expect(slotOf(clock)).to.equal(slotOf(lock));
        if (slotOf(clockKey(before)) === slotOf(lock)) expect(clock).to.equal(clockKey(before));
      }),
      { numRuns: 1_000 },
    );
  });

  it('are the only ones that lead to a name', () => {
    fc.assert(
      fc.property(prefix, name, (before, key) => {
        const of = nameOf(before, key);
        if (of !== undefined) expect(keysOf(before, of)).to.include(key);
      }),
      { numRuns: 5_000 },
    );
  });

  it('begin with the name itself, so that every client of plain locks knows it, unless it ends as a side key does', () => {
    fc.assert(
      fc.property(prefix, name, (before, of) => {
        const [lock] = keysOf(before, of);
        if (/~redisync[:./](?:claims|specs|clock)~*$/.test(of)) expect(lock).to.equal(`${before}${of}~`);
        else expect(lock).to.equal(before + of);
      }),
    );
  });

  it('that are claims match the glob by which they are found, and no others', async () => {
    const single = await startServer();
    const plain = new Redis(single.url);
    try {
      const names = fc.sample(name, { numRuns: 300, seed: 1 });
      const all = names.flatMap((of) => keysOf('', of));
      await plain.mset(...all.flatMap((key) => [key, '']));
      const claims = all.filter((key) => key.endsWith('claims') && nameOf('', key) !== undefined);
      expect((await plain.keys(CLAIMS)).sort()).to.deep.equal([...new Set(claims)].sort());
    } finally {
      plain.disconnect();
      await single.stop();
    }
  });
});

/** Patterns mean to us what they mean to Redis, which is asked. */
import { expect } from 'chai';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { globOf } from '../../src/store/glob.ts';
import { patience } from '../support/lateness.ts';
import { type Server, startServer } from '../support/server.ts';

describe('A glob pattern', () => {
  let server: Server;
  let redis: Redis;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
  });
  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  const agrees = async (pattern: string, names: readonly string[]): Promise<void> => {
    await redis.flushdb();
    await redis.mset(...names.flatMap((name) => [name, '']));
    const wanted = globOf(pattern);
    expect(names.filter((name) => wanted.test(name)).sort()).to.deep.equal((await redis.keys(pattern)).sort());
  };

  const text = (...of: string[]): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(...of), minLength: 1, maxLength: 6 });

  it('matches what it matches in Redis, however it is written', async () => {
    const pattern = fc.string({ unit: fc.constantFrom(...'***??[[]]^--\\\\abc'), minLength: 1, maxLength: 10 });
    const name = fc.oneof(text(...'abc'), text(...'ab[]^-\\*?'));
    const names = fc.uniqueArray(name, { minLength: 1, maxLength: 12 });
    await fc.assert(fc.asyncProperty(pattern, names, agrees), {
      numRuns: 1_500,
      examples: [
        ['[z-a]', ['b', '-', 'z']],
        ['[a-]', ['a', '-', '_']],
        ['[abc', ['a', '[abc', 'c']],
        ['[', ['[']],
        ['[^', ['^', 'a']],
        ['[]a]', ['a]', ']', 'a']],
        ['[^]', ['a', '^']],
        ['[\\]]', [']', '\\']],
        ['[a\\-c]', ['b', '-']],
        ['a\\', ['a\\', 'a']],
        ['**a**', ['a', 'ba', 'b']],
      ],
    });
  });

  it('matches letters of any script as they are, and any text by a star', async () => {
    const unit = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 3 })
      .map((some) => some.replace(/[[\]?*\\^-]/g, ''));
    const names = fc.uniqueArray(
      unit.filter((some) => some !== ''),
      { minLength: 1, maxLength: 8 },
    );
    const part = fc.constantFrom('*', '', '**');
    await fc.assert(
      fc.asyncProperty(names, part, part, (all, before, after) => agrees(`${before}${all[0]}${after}`, all)),
      { numRuns: 300 },
    );
  });

  it('takes a character for one, whatever its length in bytes', () => {
    expect(globOf('caf?').test('café')).to.equal(true);
    expect(globOf('[а-я]*').test('ключ')).to.equal(true);
    expect(globOf('?').test('🔒')).to.equal(true);
    expect(globOf('[^a]').test('🔒')).to.equal(true);
  });

  it('of many stars takes no longer than their number times the length of the name', () => {
    const since = performance.now();
    expect(globOf(`${'*a'.repeat(400)}*b`).test('a'.repeat(1_024))).to.equal(false);
    expect(performance.now() - since).to.be.below(patience(1_000));
  });
});

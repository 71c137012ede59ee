/** The bytes that docs/capacity.md gives for a name are those that a Redis of that version needs. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { firstValueFrom } from 'rxjs';
import { type Lock, LockCoordinator } from '../../src/index.ts';
import { clockKey } from '../../src/store/keys.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';

const DOC = readFileSync(new URL('../../docs/capacity.md', import.meta.url), 'utf8');
const [, VERSION = ''] = /Redis (\d+\.\d+)\.\d+ \(64 bit/.exec(DOC) ?? [];

/** What the table says of each state of a name: keys and bytes. */
const told = new Map(
  [...DOC.matchAll(/^\| (.*) \| (\d) \| (\d+) \|$/gm)].map(([, state, keys, bytes]) => [
    state,
    { keys: Number(keys), bytes: Number(bytes) },
  ]),
);

const NAMES = 10_000;
const FIRST = 'order:0000000';

/** Copies all keys of the first name for as many others. */
const COPY = `
for i = 1, tonumber(ARGV[1]) - 1 do
  for _, key in ipairs(KEYS) do redis.call('COPY', key, (string.gsub(key, '0000000', string.format('%07d', i)))) end
end`;

describe('the sizes in docs/capacity.md', function () {
  this.timeout(300_000);
  let server: Server;
  let redis: Redis;
  let locks: LockCoordinator;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
  });

  beforeEach(() => {
    locks = new LockCoordinator(redis, { ttl: 3_600_000, waiterTtl: 3_600_000, identity: 'web-7:4242' }); // nothing changes meanwhile
  });

  afterEach(async () => {
    await redis.flushall();
    await locks.close();
  });

  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  const used = async (): Promise<number> => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);

  const hold = async (lock: Lock, holders: number, waiters = 0): Promise<void> => {
    for (let i = 0; i < holders; i += 1) await lock.acquire();
    for (let i = 0; i < waiters; i += 1) lock.subscribe({ error: () => undefined });
    await eventually('they wait', async () => (await firstValueFrom(locks.inspect(FIRST))).waiting.length === waiters);
  };

  const states: Readonly<Record<string, () => Promise<unknown>>> = {
    'held by one': () => hold(locks.mutex(FIRST), 1),
    'held, and waited for by one': () => hold(locks.mutex(FIRST), 1, 1),
    'held, and waited for by ten': () => hold(locks.mutex(FIRST), 1, 10),
    'a semaphore with one holder': () => hold(locks.semaphore(FIRST, 10), 1),
    'a semaphore with ten holders': () => hold(locks.semaphore(FIRST, 10), 10),
  };

  it('are all measured here', () => {
    expect([...told.keys()]).to.deep.equal(Object.keys(states));
  });

  it('are one key, the clock, once many names were locked and released', async () => {
    const slice = 500;
    for (let from = 0; from < NAMES; from += slice) {
      const leases = Array.from({ length: slice }, (_, i) => locks.mutex(`order:${from + i}`).acquire());
      await Promise.all((await Promise.all(leases)).map((lease) => lease.release()));
    }
    expect(await redis.keys('*')).to.deep.equal([clockKey('')]);
  });

  for (const [state, make] of Object.entries(states)) {
    it(`a name that is ${state}`, async function () {
      const seen = /redis_version:(\d+\.\d+)/.exec(await redis.info('server'))?.[1];
      await make();
      const keys = (await redis.keys('*')).filter((key) => key !== clockKey(''));
      expect(keys).to.have.length(told.get(state)?.keys ?? 0);
      if (seen !== VERSION) this.skip(); // another version keeps keys in other structures
      const before = await used();
      await redis.eval(COPY, keys.length, ...keys, NAMES);
      const bytes = ((await used()) - before) / (NAMES - 1);
      expect(bytes).to.be.closeTo(told.get(state)?.bytes ?? 0, 0.1 * bytes);
    });
  }
});

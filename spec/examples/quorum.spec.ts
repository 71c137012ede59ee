/** The examples that fence their writes do the same over a quorum: its fences rise as those of one Redis do. */
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { type Server, startServer } from '../support/server.ts';
import { grown } from '../support/uptime.ts';
import { run } from './run.ts';

/** ms for which a node has no vote after its start: the ttl of the examples. */
const TTL = 5_000;

const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'saga.ts': [
    'bought; in stock 8, in the account 4',
    'not bought: CHECK constraint failed: amount >= 0; in stock 8, in the account 4',
    'refused: fence 1 is too low; in stock 8, in the account 4',
  ],
  'fenced-redis.ts': ['late: fence N is too low', 'written by the next'],
  'http-if-match.ts': [
    'under the lock: 204',
    'under the lock: 204',
    "with what was read before the other's write: 412",
    'with a lower fence: 409',
    'draft, edited, edited',
  ],
};

describe('over a quorum', function () {
  this.timeout(300_000);
  let servers: Server[];

  before(async () => {
    servers = await Promise.all(Array.from({ length: 3 }, () => startServer()));
    const nodes = servers.map(({ url }) => new Redis(url));
    await grown(nodes, TTL);
    for (const node of nodes) node.disconnect();
  });

  after(() => Promise.all(servers.map((server) => server.stop())));

  for (const [file, lines] of Object.entries(EXAMPLES)) {
    it(`${file} says what it says over one Redis`, async () => {
      const { code, output } = await run(file, servers.map(({ url }) => url).join());
      expect(code, output).to.equal(0);
      expect(output.trim().split('\n')).to.deep.equal(lines);
    });
  }
});

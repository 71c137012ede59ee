/** What a long wait costs in memory: nothing is kept of an attempt that failed, however many there were. */
import { assert } from 'chai';
import { constantBackoff } from '../../src/backoff.ts';
import { Memory, memoryCoordinator } from '../../src/testing.ts';
import { GROWTH, heapUsed } from '../soak/cycles.ts';
import { eventually } from '../support/eventually.ts';

/** Of several looks: a hundred attempts come and go together, and each that is on its way keeps an error's worth alive. */
const least = async (): Promise<number> => {
  const looks: number[] = [];
  for (let i = 0; i < 10; i += 1) looks.push(await heapUsed());
  return Math.min(...looks);
};

describe('a hundred waiters whose every attempt is answered too late', function () {
  this.timeout(120_000);
  const { stackTraceLimit } = Error;
  before(() => {
    Error.stackTraceLimit = 10; // Node's own: mocha's is infinite, and the frames of the one error that is kept hold much alive
  });
  after(() => {
    Error.stackTraceLimit = stackTraceLimit;
  });

  it('use no more memory after 30 000 attempts than after 10 000', async () => {
    // in real time: rxjs's virtual schedulers keep what was unsubscribed
    const memory = new Memory({ latency: 6 });
    await using locks = memoryCoordinator({ memory, ttl: 1_000, commandTimeout: 5, backoff: constantBackoff(10) });
    let failed = 0;
    locks.events$.subscribe(({ type }) => {
      if (type === 'attemptFailed') failed += 1;
    });
    for (let i = 0; i < 100; i += 1) locks.mutex('a').subscribe({ error: () => undefined });
    await eventually('10 000 have failed', () => failed >= 10_000, 60_000);
    const before = await least();
    await eventually('30 000 have failed', () => failed >= 30_000, 60_000);
    assert.isBelow((await least()) - before, GROWTH, 'bytes');
  });
});

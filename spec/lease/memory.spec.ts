/** What a long wait costs in memory: nothing is kept of an attempt that failed, however many there were. */
import { assert } from 'chai';
import { constantBackoff } from '../../src/backoff.ts';
import { Memory, memoryCoordinator } from '../../src/testing.ts';
import { heapUsed, KEPT, keptOf } from '../soak/heap.ts';
import { eventually } from '../support/eventually.ts';

/** Attempts before memory is first looked at, and then from one look to the next. */
const WARM = 10_000;
const BETWEEN = 2_500;
const LOOKS = 8;

/** Of several looks: a hundred attempts come and go together, and each that is on its way keeps an error's worth alive. */
const least = async (): Promise<number> => {
  const looks: number[] = [];
  for (let i = 0; i < 4; i += 1) looks.push(await heapUsed());
  return Math.min(...looks);
};

describe('a hundred waiters whose every attempt is answered too late', function () {
  this.timeout(300_000);
  const { stackTraceLimit } = Error;
  before(() => {
    Error.stackTraceLimit = 10; // Node's own: mocha's is infinite, and the frames of the one error that is kept hold much alive
  });
  after(() => {
    Error.stackTraceLimit = stackTraceLimit;
  });

  it('use no more memory the more attempts have failed', async () => {
    // in real time: rxjs's virtual schedulers keep what was unsubscribed
    const memory = new Memory({ latency: 6 });
    await using locks = memoryCoordinator({ memory, ttl: 1_000, commandTimeout: 5, backoff: constantBackoff(10) });
    let failed = 0;
    locks.events$.subscribe(({ type }) => {
      if (type === 'attemptFailed') failed += 1;
    });
    for (let i = 0; i < 100; i += 1) locks.mutex('a').subscribe({ error: () => undefined });
    const heaps: number[] = [];
    for (let look = 0; look <= LOOKS; look += 1) {
      await eventually('as many more have failed', () => failed >= WARM + look * BETWEEN, 60_000);
      heaps.push(await least());
    }
    assert.isBelow(keptOf(heaps, BETWEEN), KEPT, `bytes of each attempt: ${heaps}`);
  });
});

/** A server whose wall clock steps while its locks are held: by a shim, skipped where that cannot be compiled. */
import { assert } from 'chai';
import { acquired, now } from './recorder.ts';
import { clockShim, type Shim } from './shim.ts';
import { at, hears, RENEWAL, TIMEOUT } from './site.ts';

describe('a server whose clock steps', function () {
  this.timeout(300_000);
  const shim: Shim | string = clockShim();
  if (typeof shim === 'string') {
    it.skip(`is not tried: ${shim}`);
    return;
  }
  const { start, shift, remove } = shim;
  after(remove);
  beforeEach(() => shift(0));
  const bound = RENEWAL + TIMEOUT;

  it(
    'a minute ahead lets two hold for a renewal and a timeout at most, and the later fence is higher',
    at(
      async (site) => {
        const lease = await acquired(site.client().mutex('ahead'));
        const next = acquired(site.client().mutex('ahead'));
        await site.waiting('ahead', 1);
        shift(60);
        const since = now();
        const second = await next;
        assert.isBelow(now() - since, 30_000, 'it did not wait for the minute');
        assert.isAbove(Number(second.fence), Number(lease.fence));
        assert.isTrue(second.held);
      },
      { start, allowance: { overlap: bound } },
    ),
  );

  it(
    'an hour back keeps no lock of a dead holder for longer than its ttl',
    at(
      async (site) => {
        const child = await site.child();
        child.tell('hold', 'back');
        const [, fence] = await hears(child, 'held');
        child.kill();
        await child.ended();
        shift(-3_600);
        const since = now();
        const lease = await acquired(site.client().mutex('back'));
        assert.isBelow(now() - since, 60_000, 'it did not wait for the hour');
        assert.isAbove(Number(lease.fence), Number(fence));
      },
      { start },
    ),
  );
});

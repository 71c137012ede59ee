/** A waiter whose coordinator does not listen yet: what it is granted meanwhile lapses soon, so others may pass it; and not after that. */
import { readFileSync } from 'node:fs';
import { assert } from 'chai';
import { firstValueFrom } from 'rxjs';
import { eventually } from '../support/eventually.ts';
import { UNTOLD } from './heard.ts';
import { type Life, violations } from './history.ts';
import { acquired, now } from './recorder.ts';
import { at } from './site.ts';

/** Long: nothing lapses but what is granted in silence, and nobody asks but when it does. */
const PATIENT = { ttl: 60_000, renewEvery: 20_000, waiterTtl: 60_000, commandTimeout: 60_000 };

describe('a waiter whose coordinator does not listen yet', function () {
  this.timeout(300_000);

  it(
    'loses what it is granted after 300 ms and is passed, keeps its place, and is passed by nobody once it listens',
    at(async (site) => {
      const holder = await acquired(site.client(PATIENT).mutex('silent'));
      const subscribing = site.proxy.hold((bytes) => bytes.toString().toLowerCase().includes('subscribe'));
      const silent = acquired(site.client(PATIENT, site.proxy.url).mutex('silent'));
      const held = await subscribing;
      await site.waiting('silent', 1);
      const other = site.client(PATIENT);
      await firstValueFrom(other.locks.inspect('silent')); // connected
      const since = now();
      await holder.release();
      const passing = await acquired(other.mutex('silent'));
      assert.isAtLeast(now() - since, UNTOLD - 5); // two clocks
      held.deliver();
      const first = (): Life | undefined => site.livesOf('silent')[1];
      await eventually('it has named its channel', () => first()?.deaf?.at(-1)?.until !== undefined);
      const behind = acquired(other.mutex('silent'));
      await site.waiting('silent', 2);
      await passing.release();
      const lease = await silent;
      await lease.release();
      await (await behind).release();
      const life = first();
      assert.isAbove(lease.fence, passing.fence);
      assert.isAbove((await behind).fence, lease.fence);
      assert.lengthOf(life?.deaf ?? [], 1);
      assert.isAtLeast(Number(life?.deaf?.[0]?.until), passing.fence);
      const unknown = site.livesOf('silent').map(({ deaf, ...rest }) => rest);
      assert.match(violations({ lives: unknown }).join(), /passed/, 'what is not known is no excuse');
    }),
  );

  it('is granted it for as long as the checker takes for true', () => {
    const script = readFileSync(new URL('../../src/lua/include/listen.lua', import.meta.url), 'utf8');
    assert.include(script, `UNTOLD = ${UNTOLD} `);
  });
});

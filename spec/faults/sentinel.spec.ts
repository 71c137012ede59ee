/** A master that Sentinels replace, by plan or because it died, under load: losses are reported, waits go on, fences rise. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import { LockLostError } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { BOUND, on, sentinels, TTL } from './grounds.ts';
import type { Held } from './history.ts';
import { again } from './load.ts';
import { acquired, loss, now } from './recorder.ts';

/** A new master may not know of a place in the queue. */
const ALLOWED = { overlap: BOUND, unordered: true };

/** The times in which two masters grant, so that the answers of the old one may come last: from a failover until it is noticed. */
const switches: [from: number, to: number][] = [];
const underway = ({ asked, granted }: Held): boolean =>
  switches.some(([from, to]) => asked < to && granted > from && granted < to);

describe('a master behind Sentinels', function () {
  this.timeout(300_000);

  it(
    'is changed by plan: the holder moves to the new master with all others, although the old one goes on for a while',
    on(
      sentinels,
      async (site, ground) => {
        const lease = await acquired(site.client().mutex('moved'));
        const old = await ground.master();
        await ground.failover();
        const next = acquired(site.client().mutex('moved'));
        await sleep(2 * TTL); // longer than what was replicated of it lasts
        assert.include(await ground.nodes[old]?.info('replication'), 'role:master', 'the old master');
        if (lease.held) await lease.release();
        assert.isAbove(Number((await next).fence), Number(lease.fence));
      },
      ALLOWED,
    ),
  );

  it(
    'is changed by plan twenty times under load: no two hold for longer than a renewal and a timeout, no update is lost',
    on(
      sentinels,
      async (site, ground) => {
        await ground.hurry();
        const { turns } = site.register;
        const errors: unknown[] = [];
        const failures = (): unknown[] => errors.filter((error) => !(error instanceof LockLostError));
        let stopped = false;
        const runs = async (): Promise<void> => {
          const before = turns.length;
          await eventually('the load runs', () => turns.length > before + 20 || failures().length > 0);
          assert.deepEqual(failures(), []);
        };
        /** Takes the lock again and again, for a moment or across renewals. */
        const client = async (name: string, ms: number, leaving: () => boolean): Promise<void> => {
          const recorder = site.client();
          const turn = async (): Promise<void> => {
            const lease = await acquired(recorder.mutex(name));
            if (name === 'short') await site.register.turn(lease, () => sleep(ms));
            else await sleep(ms);
            await lease.release();
          };
          await again(turn, () => stopped || leaving(), errors);
          await recorder.locks.close();
        };
        const running = ['short', 'short', 'short'].map((name) => client(name, 25, () => false));
        running.push(...['long', 'long'].map((name) => client(name, 1_500, () => false)));
        for (let round = 0; round < 20; round += 1) {
          await runs();
          const from = now();
          await ground.failover();
          switches.push([from, now() + BOUND]);
          for (const name of ['short', 'long']) {
            const till = performance.now() + 2_000;
            running.push(client(name, name === 'short' ? 25 : 1_500, () => performance.now() > till)); // knows only the new master
          }
        }
        await runs();
        stopped = true;
        await Promise.all(running);
        assert.deepEqual(failures(), []);
      },
      { ...ALLOWED, underway },
    ),
  ).timeout(300_000);

  it(
    'dies, cut off from its replicas: the holder learns of it within a renewal and a timeout, the next fence is higher',
    on(
      sentinels,
      async (site, ground) => {
        const old = await ground.master();
        for (const [i, node] of ground.nodes.entries()) {
          if (i !== old) await node.config('SET', 'masterauth', 'none'); // refused, so they do not come back
        }
        await ground.nodes[old]?.client('KILL', 'TYPE', 'REPLICA');
        const lease = await acquired(site.client().mutex('cut'));
        const next = acquired(site.client().mutex('cut'));
        await site.waiting('cut', 1);
        const lost = loss(lease);
        const copies = await Promise.all(ground.nodes.map((node) => node.get('cut')));
        assert.lengthOf(
          copies.filter((owner) => owner !== null),
          1,
        );
        ground.servers[old]?.process?.kill('SIGKILL');
        assert.isAbove(Number((await next).fence), Number(lease.fence));
        await lost;
        assert.isTrue((await next).held);
      },
      ALLOWED,
    ),
  );
});

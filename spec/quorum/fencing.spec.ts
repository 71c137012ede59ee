/** The fences of a quorum rise, whatever chance makes of grants, crashes, restarts, partitions, delays and clocks that are hours apart. */
import { assert } from 'chai';
import fc from 'fast-check';
import { throwError } from 'rxjs';
import { RedisUnreachableError } from '../../src/errors.ts';
import { Announcements } from '../../src/store/announcements.ts';
import { QuorumStore } from '../../src/store/quorum.ts';
import type { Request } from '../../src/store/store.ts';
import { VirtualTime } from '../contract/virtual-time.ts';
import { TIMEOUT, TTL } from './client.ts';
import { SimLink, SimServer } from './node.ts';
import { falls, HOUR, type Outcome, overlaps, type Regime, run, settings, type Variant } from './run.ts';

/** Clocks that are up to two hours apart. */
const spread = HOUR;
const RESTARTS: readonly (readonly [when: string, regime: Regime])[] = [
  ['no node forgets', { spread, delayedRestart: 0, keeps: fc.constant(true) }],
  [
    'nodes forget, and have no vote for as long as their clocks are apart',
    { spread, delayedRestart: 2 * HOUR, keeps: fc.boolean() },
  ],
  ['clocks are no further apart than the ttl', { spread: TTL / 2, delayedRestart: TTL, keeps: fc.boolean() }],
];

/** What is not done as it should be, and must be found. */
const MUTANTS: Readonly<Record<string, Variant>> = {
  'no node is raised': (servers) => {
    for (const server of servers) server.lifts = () => undefined;
  },
  'a minority is raised': (servers) => {
    for (const server of servers.slice(Math.floor(servers.length / 2))) server.lifts = () => undefined;
  },
  'nodes are raised after the lease is emitted': (servers, time) => {
    for (const server of servers) server.lifts = (fence) => void time.schedule(() => server.advance(fence), 500);
  },
  'a majority is raised, and not the one that granted the lease': (servers) => {
    for (const [i, server] of servers.entries()) {
      server.lifts = (fence) => servers[(i + 1) % servers.length]?.advance(fence);
    }
  },
};

/** Whether something is wrong in one of many runs of three nodes, which are always the same ones. */
const found = (regime: Regime, wrong: (outcome: Outcome) => readonly unknown[], variant?: Variant): boolean =>
  fc.check(
    fc.property(settings(3, regime), (setting) => wrong(run(setting, variant)).length === 0),
    { seed: 15, numRuns: 1_000, endOnFailure: true },
  ).failed;

describe('on a quorum', function () {
  this.timeout(300_000);

  for (const nodes of [3, 5]) {
    for (const [when, regime] of RESTARTS) {
      it(`of ${nodes}, where ${when}, one holds at a time, each with a higher fence, and a fenced register loses nothing`, () => {
        let emitted = 0;
        fc.assert(
          fc.property(settings(nodes, regime), (setting) => {
            const outcome = run(setting);
            const { emissions, register } = outcome;
            emitted += emissions.length;
            assert.deepEqual(overlaps(outcome), []);
            assert.deepEqual(falls(outcome), []);
            assert.deepEqual([register.lost, register.refused], [0, 0]);
          }),
          { numRuns: 100 },
        );
        assert.isAbove(emitted, 100);
      });
    }
  }

  it('of 3, a lease is given back where a node that granted it cannot be raised, though a majority could be', () => {
    const time = new VirtualTime();
    const servers = [HOUR, 0, 0].map((skew) => new SimServer(time, skew));
    const request = (owner: string): Request => ({
      name: 'n',
      owner,
      mode: 'exclusive',
      permits: 1,
      limit: 0,
      ttl: TTL,
      waiterTtl: TTL,
    });
    servers[2]?.acquire(request('another'));
    const links = servers.map((server) => new SimLink(server, time, { delay: () => 1 }));
    const [, cannot] = links;
    if (cannot) cannot.raise = () => throwError(() => new RedisUnreachableError('n', 'cut', 0));
    const announcements = new Announcements([], { commandTimeout: TIMEOUT, scheduler: time });
    const store = new QuorumStore(links, announcements, time, { quorum: 2, delayedRestart: 0 });
    const outcomes: unknown[] = [];
    store.acquire(request('me'), false, TIMEOUT).subscribe({
      next: (answer) => outcomes.push(answer),
      error: (error: RedisUnreachableError) => outcomes.push(error.code),
    });
    time.pass(TIMEOUT);
    assert.deepEqual(outcomes, ['REDIS_UNREACHABLE']);
    assert.deepEqual(
      servers.map((server) => server.release({ name: 'n', owner: 'me' })),
      [false, false, false],
    );
  });

  for (const [what, variant] of Object.entries(MUTANTS)) {
    it(`it is found where ${what}`, () => {
      assert.isTrue(found({ spread, delayedRestart: 0, keeps: fc.constant(true) }, falls, variant));
    });
  }

  it('fences can fall where nodes that forgot vote before their time has passed what they forgot', () => {
    assert.isTrue(found({ spread, delayedRestart: TTL, keeps: fc.constant(false) }, falls));
  });

  it('two can hold at once where nodes that forgot vote at once', () => {
    assert.isTrue(found({ spread: 0, delayedRestart: 0, keeps: fc.constant(false) }, overlaps));
  });
});

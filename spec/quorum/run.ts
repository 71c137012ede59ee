/** A run of a simulated quorum under faults, and what must hold of the leases that were emitted in it. */
import fc from 'fast-check';
import { Announcements } from '../../src/store/announcements.ts';
import { QuorumStore } from '../../src/store/quorum.ts';
import { VirtualTime } from '../contract/virtual-time.ts';
import { type Emission, FencedRegister, type Plan, SimClient, TIMEOUT } from './client.ts';
import { SimLink, SimServer } from './node.ts';

export const HOUR = 3_600_000;
export const CLIENTS = 3;

export type Step =
  | ({ readonly type: 'take'; readonly client: number } & Plan)
  | { readonly type: 'restart'; readonly node: number; readonly keeps: boolean; readonly down: number }
  | { readonly type: 'cut'; readonly client: number; readonly node: number; readonly ms: number }
  | {
      readonly type: 'slow';
      readonly client: number;
      readonly node: number;
      readonly lag: number;
      readonly ms: number;
    };

/** A step, and the ms until it. */
export type Timed = readonly [number, Step];

export interface Setting {
  /** ms by which the clock of each node is off. */
  readonly skews: readonly number[];
  readonly delayedRestart: number;
  /** ms that each message takes, starting over after the last one. */
  readonly delays: readonly number[];
  readonly steps: readonly Timed[];
}

const below = (count: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: count - 1 });

const stepOf = (nodes: number, keeps: fc.Arbitrary<boolean>): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant('take' as const),
        client: below(CLIENTS),
        mode: fc.constantFrom('exclusive' as const, 'exclusive' as const, 'shared' as const),
        hold: fc.constantFrom(0, 10, 100, 700, 2_000),
        dies: fc.constantFrom(false, false, true),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('restart' as const),
        node: below(nodes),
        keeps,
        down: fc.constantFrom(0, 50, 500, 2_000),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('cut' as const),
        client: below(CLIENTS),
        node: below(nodes),
        ms: fc.constantFrom(100, 1_000, 5_000),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('slow' as const),
        client: below(CLIENTS),
        node: below(nodes),
        lag: fc.integer({ min: 1, max: 120 }),
        ms: fc.constantFrom(100, 1_000, 5_000),
      }),
    },
  );

export interface Regime {
  /** ms by which a clock is off at the most, either way. */
  readonly spread: number;
  readonly delayedRestart: number;
  /** Whether a node that restarts has its data. */
  readonly keeps: fc.Arbitrary<boolean>;
}

export const settings = (nodes: number, { delayedRestart, spread, keeps }: Regime): fc.Arbitrary<Setting> =>
  fc.record({
    skews: fc.array(fc.constantFrom(0, -spread, spread, -1, 1, 20), { minLength: nodes, maxLength: nodes }),
    delayedRestart: fc.constant(delayedRestart),
    delays: fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 12, size: 'max' }),
    steps: fc.array(fc.tuple(fc.constantFrom(0, 1, 5, 30, 60, 100, 400, 1_000, delayedRestart), stepOf(nodes, keeps)), {
      minLength: 1,
      maxLength: 40,
      size: 'max',
    }),
  });

/** Makes something else of what the servers do, to see whether that is found. */
export type Variant = (servers: readonly SimServer[], time: VirtualTime) => void;

export interface Outcome {
  readonly emissions: readonly Emission[];
  readonly register: FencedRegister;
}

export const run = ({ skews, delayedRestart, delays, steps }: Setting, variant?: Variant): Outcome => {
  const time = new VirtualTime();
  const servers = skews.map((skew) => new SimServer(time, skew));
  variant?.(servers, time);
  let sent = 0;
  const weather = {
    delay: (): number => {
      sent += 1;
      return delays[sent % delays.length] ?? 0;
    },
  };
  const emissions: Emission[] = [];
  const register = new FencedRegister();
  const quorum = Math.floor(servers.length / 2) + 1;
  const clients = Array.from({ length: CLIENTS }, (_, i) => {
    const links = servers.map((server) => new SimLink(server, time, weather));
    const store = new QuorumStore(links, new Announcements([], { commandTimeout: TIMEOUT, scheduler: time }), time, {
      quorum,
      delayedRestart,
    });
    return { links, client: new SimClient(`client${i}`, store, time, emissions, register) };
  });
  const take = (step: Step): void => {
    if (step.type === 'take') clients[step.client]?.client.take(step);
    else if (step.type === 'restart') {
      const server = servers[step.node];
      if (!server?.up) return;
      server.crash();
      time.schedule(() => server.start(step.keeps), step.down);
    } else {
      const link = clients[step.client]?.links[step.node];
      if (!link) return;
      if (step.type === 'cut') link.open = false;
      else link.lag = step.lag;
      time.schedule(() => {
        if (step.type === 'cut') link.open = true;
        else link.lag = 0;
      }, step.ms);
    }
  };
  for (const [ms, step] of steps) {
    time.pass(ms);
    take(step);
  }
  time.pass(HOUR);
  return { emissions, register };
};

const exclude = (a: Emission, b: Emission): boolean => a.mode === 'exclusive' || b.mode === 'exclusive';

/** Pairs of leases that exclude each other and were believed at once. */
export const overlaps = ({ emissions }: Outcome): [Emission, Emission][] =>
  emissions.flatMap((a, i) =>
    emissions.slice(i + 1).flatMap((b): [Emission, Emission][] => (exclude(a, b) && b.at < a.until ? [[a, b]] : [])),
  );

/**
 * Pairs of which the one that was emitted later has no higher fence, though it excludes the other or was asked for after
 * that had been emitted.
 */
export const falls = ({ emissions }: Outcome): [Emission, Emission][] =>
  emissions.flatMap((a, i) =>
    emissions
      .slice(i + 1)
      .flatMap((b): [Emission, Emission][] =>
        (exclude(a, b) || b.asked > a.at) && b.fence <= a.fence ? [[a, b]] : [],
      ),
  );

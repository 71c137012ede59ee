/** Which faults a soak makes, and when: decided by the seed alone. */
import { Draw } from './draw.ts';
import { TTL } from './terms.ts';

/** Who is at fault: two faults at once have different ones. */
export type Culprit = 'client' | 'server' | 'network';

interface Made {
  readonly culprit: Culprit;
  /** The shortest and the longest time that it takes, in ms. */
  readonly ms: readonly [least: number, most: number];
  /** Whether the server forgets what it granted, so that leases may overlap. Such a fault comes alone. */
  readonly forgets?: true;
}

export const FAULTS = {
  'client killed': { culprit: 'client', ms: [0, 0] },
  'client stopped': { culprit: 'client', ms: [TTL / 4, 1.5 * TTL] },
  'client busy': { culprit: 'client', ms: [TTL / 4, 1.5 * TTL] },
  'client clock stepped': { culprit: 'client', ms: [TTL / 4, 1.5 * TTL] },
  'server stopped': { culprit: 'server', ms: [TTL / 20, TTL / 2] },
  'server stopped beyond the ttl': { culprit: 'server', ms: [TTL, 1.5 * TTL] },
  'server killed, back with its data': { culprit: 'server', ms: [0, TTL / 2] },
  'server killed, back empty': { culprit: 'server', ms: [0, TTL / 4], forgets: true },
  'everything flushed': { culprit: 'server', ms: [0, 0], forgets: true },
  'scripts flushed': { culprit: 'server', ms: [TTL / 2, TTL / 2] },
  'connections killed': { culprit: 'server', ms: [TTL / 20, TTL / 2] },
  'subscribers killed': { culprit: 'server', ms: [TTL / 20, TTL / 2] },
  'clients paused': { culprit: 'server', ms: [TTL / 20, 1.2 * TTL] },
  'network cut': { culprit: 'network', ms: [0, 0] },
  'network down': { culprit: 'network', ms: [TTL / 20, 1.5 * TTL] },
  'network half-open': { culprit: 'network', ms: [TTL / 4, TTL] },
  'network frozen': { culprit: 'network', ms: [TTL / 20, 1.2 * TTL] },
  'network slow': { culprit: 'network', ms: [TTL / 4, TTL] },
  'frames out of order': { culprit: 'network', ms: [TTL / 4, TTL] },
  'frames split': { culprit: 'network', ms: [TTL / 4, TTL / 2] },
} as const satisfies Readonly<Record<string, Made>>;

export type Kind = keyof typeof FAULTS;

export interface Fault {
  readonly kind: Kind;
  readonly ms: number;
  /** Whom it hits, of those that it can hit: from 0 to below 1. */
  readonly whom: number;
}

/** Some quiet, and then faults that begin together. */
export interface Round {
  readonly quiet: number;
  readonly faults: readonly Fault[];
}

/** Between faults, ms: long enough for all to be back at work, and to be judged without an excuse. */
const QUIET = [1_800, 2_600] as const;
/** One round in so many has two faults. */
const TWO_IN = 3;

const KINDS = Object.keys(FAULTS) as Kind[];
const madeOf = (kind: Kind): Made => FAULTS[kind];

/** Rounds without end. Kinds are dealt as cards are: each comes once before any comes again. */
export const schedule = function* (seed: number): Generator<Round> {
  const draw = new Draw(seed);
  let deck: Kind[] = [];
  const fault = (fits: (kind: Kind) => boolean = () => true): Fault | undefined => {
    if (deck.length === 0) deck = draw.shuffled(KINDS);
    const kind = deck.find(fits);
    if (kind === undefined) return undefined;
    deck.splice(deck.indexOf(kind), 1);
    return { kind, ms: draw.integer(...madeOf(kind).ms), whom: draw.fraction() };
  };
  for (;;) {
    const quiet = draw.integer(...QUIET);
    const first = fault();
    if (!first) continue;
    const { culprit, forgets } = madeOf(first.kind);
    const beside = (kind: Kind): boolean => madeOf(kind).culprit !== culprit && !madeOf(kind).forgets;
    const second = !forgets && draw.integer(1, TWO_IN) === 1 ? fault(beside) : undefined;
    yield { quiet, faults: second ? [first, second] : [first] };
  }
};

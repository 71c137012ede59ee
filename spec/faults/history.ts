/**
 * Decides whether what the clients saw of their leases can have been a lock: one checker for every fault.
 *
 * What is not known is read both ways, so only what no reading excuses is a violation: a lease whose end nobody told
 * counts until it was last known to be held, a grant whose answer was lost counts for nothing, and a turn at the
 * register that was not answered may or may not have happened.
 */
import type { LossReason } from '../../src/index.ts';
import { linearizable, type Operation } from './linearizable.ts';

/** One request for a lease and what became of it. All times are ms of one monotonic clock that all processes share. */
export interface Life {
  readonly name: string;
  readonly owner: string;
  readonly mode: 'exclusive' | 'shared';
  readonly permits: number;
  /** 0 for none. */
  readonly limit: number;
  readonly asked: number;
  /** By when its place in the queue was acknowledged. */
  queued?: number;
  /** When its lease was emitted. */
  granted?: number;
  fence?: number;
  /** By when it was last told to be held for longer: until then, at least, it could be believed. */
  seen?: number;
  /** Until when the client believes the lease: what `remaining()` said when it was granted or last renewed. */
  until?: number;
  /** When the client stopped believing: a release began, a loss was reported, a deadline passed. Absent if the client was killed. */
  ended?: number;
  /** Why its lease was lost, where it was. */
  lost?: LossReason;
  /** When it stopped waiting without a lease. */
  left?: number;
  /** When its coordinator may not have heard of a grant, in the order of time: see heard.ts. */
  deaf?: readonly Deaf[];
  /** Others may have passed it: it was stopped, cut off, or forgotten by the server. */
  passable?: boolean;
}

/** A time in which a waiter may be passed by right: its coordinator does not listen. */
export interface Deaf {
  /** ms from which on it may have been. */
  readonly since: number;
  /** The server's clock when it was known to listen again: it was passed by no grant with a higher fence. */
  readonly until?: number;
}

/** A read and a write of the register under one lease: an increment that no other may come between. */
export interface Turn {
  readonly fence: number;
  readonly asked: number;
  readonly saw: number;
  /** Absent where the write was not answered. */
  done?: number;
}

export interface Allowance {
  /**
   * ms for which leases that exclude each other may overlap: 0 unless the server's data or clock was broken. Of two
   * leases, where it depends on when they were held.
   */
  readonly overlap?: number | ((earlier: Held, later: Held) => number);
  /**
   * Whether a grant may have been on its way when the server forgot it: whoever was granted the lock next may have been
   * told sooner, with a higher fence.
   */
  readonly underway?: (life: Held) => boolean;
  /** There is no queue, or a new master need not know of it: any waiter may be passed. */
  readonly unordered?: boolean;
}

export type Held = Life & { readonly granted: number };
/** A lease whose fence is known; a history without fences is not checked for their order. */
type Fenced = Held & { readonly fence: number };

export const isHeld = (life: Life): life is Held => life.granted !== undefined;
const isFenced = (life: Life): life is Fenced => isHeld(life) && life.fence !== undefined;
/** Until when it was certainly believed. */
export const endOf = ({ granted, seen, ended }: Held): number => ended ?? seen ?? granted;
const byGrant = (a: Held, b: Held): number => a.granted - b.granted || (a.fence ?? 0) - (b.fence ?? 0);
const told = ({ owner, fence }: Life): string => `${owner} (${fence ?? 'no fence'})`;

export const byName = (lives: readonly Life[]): Life[][] => {
  const names = new Map<string, Life[]>();
  for (const life of lives) {
    const same = names.get(life.name);
    if (same) same.push(life);
    else names.set(life.name, [life]);
  }
  return [...names.values()];
};

/** Two leases on one name that exclude each other, and were held at once. */
export interface Overlap {
  readonly earlier: Held;
  readonly later: Held;
  readonly ms: number;
}

/** Each lease in the order of their grants, and those before it that were still held then. */
const together = function* (held: readonly Held[]): Generator<[life: Held, others: readonly Held[]]> {
  let active: Held[] = [];
  for (const life of held) {
    active = active.filter((other) => endOf(other) > life.granted);
    yield [life, active];
    active = [...active, life];
  }
};

const overlapMs = (life: Held, other: Held): number => Math.min(endOf(life), endOf(other)) - life.granted;

export const overlapsOf = (lives: readonly Life[]): Overlap[] =>
  byName(lives)
    .map((of) => of.filter(isHeld).sort(byGrant))
    .flatMap((held) => [...together(held)].flatMap(([later, others]) => exclusions(later, others)));

const exclusions = (later: Held, others: readonly Held[]): Overlap[] =>
  others
    .filter(({ mode }) => mode === 'exclusive' || later.mode === 'exclusive')
    .map((earlier) => ({ earlier, later, ms: overlapMs(later, earlier) }))
    .filter(({ ms }) => ms > 0);

/** The longest time for which leases that exclude each other were held at once, in ms. */
export const longestOverlap = (lives: readonly Life[]): number =>
  overlapsOf(lives).reduce((longest, { ms }) => Math.max(longest, ms), 0);

const overlaps = (held: readonly Held[], allowed: (earlier: Held, later: Held) => number): string[] => {
  const found: string[] = [];
  for (const [life, others] of together(held)) {
    for (const { earlier, later, ms } of exclusions(life, others)) {
      if (ms > allowed(earlier, later))
        found.push(`overlap of ${ms.toFixed(1)} ms: ${told(earlier)} and ${told(later)}`);
    }
    if (life.mode === 'exclusive' || life.limit === 0) continue;
    const shared = others.filter((other) => other.mode === 'shared' && overlapMs(life, other) > allowed(other, life));
    const used = shared.reduce((sum, { permits }) => sum + permits, life.permits);
    if (used > life.limit) {
      found.push(`${used} permits in use of ${life.limit}: ${[...shared, life].map(told).join(', ')}`);
    }
  }
  return found;
};

/** Fences are given once, and rise: from one lease to a later that it excludes, and to any that was asked for later. */
const fences = (held: readonly Fenced[], underway: (life: Held) => boolean): string[] => {
  const found: string[] = [];
  const seen = new Map<number, Fenced>();
  let exclusive: Fenced | undefined;
  let highest: Fenced | undefined;
  for (const life of held) {
    const same = seen.get(life.fence);
    if (same) found.push(`one fence twice: ${told(same)} and ${told(life)}`);
    seen.set(life.fence, life);
    const before = life.mode === 'exclusive' ? highest : exclusive;
    if (before && before.fence > life.fence && !underway(life))
      found.push(`a fence fell: ${told(before)}, then ${told(life)}`);
    if (!highest || life.fence > highest.fence) highest = life;
    if (life.mode === 'exclusive' && (!exclusive || life.fence > exclusive.fence)) exclusive = life;
  }
  const asked = [...held].sort((a, b) => a.asked - b.asked);
  let next = 0;
  let earlier: Fenced | undefined;
  for (const life of asked) {
    for (let other = held[next]; other && other.granted < life.asked; other = held[++next]) {
      if (!earlier || other.fence > earlier.fence) earlier = other;
    }
    if (earlier && earlier.fence > life.fence) found.push(`a fence fell: ${told(earlier)}, then asked ${told(life)}`);
  }
  return found;
};

/** Whether the other was passed by right. */
const mayHavePassed = (life: Fenced, { deaf = [] }: Life): boolean =>
  deaf.some(({ since, until = Number.POSITIVE_INFINITY }) => life.granted >= since && life.fence <= until);

/** Whoever was told its place before another asked is served before that other. */
const order = (lives: readonly Life[]): string[] => {
  const found: string[] = [];
  const queue = lives
    .filter(({ queued, passable }) => queued !== undefined && !passable)
    .sort((a, b) => Number(a.queued) - Number(b.queued));
  const asked = [...lives].sort((a, b) => a.asked - b.asked);
  let next = 0;
  let last: Fenced | undefined;
  let deaf: Fenced[] = [];
  let unserved: Life[] = [];
  for (const life of asked) {
    unserved = unserved.filter(({ left = Number.POSITIVE_INFINITY }) => left > life.asked);
    for (let other = queue[next]; other && Number(other.queued) < life.asked; other = queue[++next]) {
      if (!isFenced(other)) unserved.push(other);
      else if (other.deaf) deaf.push(other);
      else if (!last || other.fence > last.fence) last = other;
    }
    if (!isFenced(life)) continue;
    deaf = deaf.filter(({ granted }) => granted > life.asked);
    const first = deaf.find((other) => other.fence > life.fence && !mayHavePassed(life, other));
    const passed = last && last.fence > life.fence ? last : first;
    if (passed) found.push(`${told(life)} passed ${told(passed)}, who waited before it asked`);
    for (const other of unserved) {
      if (life.mode === 'shared' && other.mode === 'shared') continue; // it may have been served beside it, and left untold
      if (mayHavePassed(life, other)) continue;
      if ((other.left ?? Number.POSITIVE_INFINITY) > life.granted) {
        found.push(`${told(life)} passed ${told(other)}, who still waited`);
      }
    }
  }
  return found;
};

/** What the register held is what the turns, one at a time and by rising fences, have counted. */
const register = (turns: readonly Turn[], value: number): string[] => {
  interface State {
    readonly value: number;
    readonly fence: number;
  }
  const operations = turns.map(
    ({ asked, done, saw, fence }): Operation<State> => ({
      asked,
      ...(done === undefined ? {} : { done }),
      apply: (state) => (state.value === saw && fence >= state.fence ? { value: saw + 1, fence } : undefined),
    }),
  );
  const ends = (state: State): boolean => state.value === value;
  if (linearizable(operations, { value: 0, fence: 0 }, ends)) return [];
  return [`the register holds ${value}, which no order of its ${turns.length} turns explains`];
};

/** Everything about the history that no lock explains; nothing is what a spec asks for. */
export const violations = (
  { lives, turns = [], value = turns.length }: Partial<History> & { readonly lives: readonly Life[] },
  { overlap = 0, underway = () => false, unordered = false }: Allowance = {},
): string[] => {
  const allowed = typeof overlap === 'number' ? () => overlap : overlap;
  return [
    ...byName(lives).flatMap((of) => {
      const held = of.filter(isHeld).sort(byGrant);
      return [...overlaps(held, allowed), ...fences(held.filter(isFenced), underway), ...(unordered ? [] : order(of))];
    }),
    ...register(turns, value),
  ];
};

export interface History {
  readonly lives: readonly Life[];
  readonly turns: readonly Turn[];
  /** What the register holds in the end. */
  readonly value: number;
}

/** The result of a soak: its figures, and everything in its history that no fault excuses. */
import {
  byName,
  endOf,
  type Held,
  type History,
  isHeld,
  type Life,
  overlapsOf,
  violations,
} from '../faults/history.ts';
import type { Complaint, Trouble } from './arena.ts';
import { FAULTS, type Kind } from './schedule.ts';
import { BOUND, RECOVERY, STALL, TIMEOUT, TTL } from './terms.ts';

export interface Seen {
  readonly lives: readonly Life[];
  /** Of each name that has one. */
  readonly registers: readonly Pick<History, 'turns' | 'value'>[];
  readonly troubles: readonly Trouble[];
  readonly complaints: readonly Complaint[];
}

export interface Verdict {
  readonly grants: number;
  /** Waits that nothing excuses from being served in order. */
  readonly inOrder: number;
  /** By reason. */
  readonly losses: ReadonlyMap<string, number>;
  /** ms of the overlaps that the docs allow, where the server forgot. */
  readonly allowed: readonly number[];
  /** The others. */
  readonly overlaps: number;
  /** The longest time, troubled times not counted, for which a name was waited for and held by nobody. */
  readonly stall: number;
  readonly findings: readonly string[];
}

/** These cost nobody a lease, nor a waiter its place. */
const HARMLESS: readonly Trouble['kind'][] = ['scripts flushed', 'network slow', 'frames out of order', 'frames split'];

const labelOf = (owner: string): string => /^child\d+/.exec(owner)?.[0] ?? owner;

const hits = ({ labels }: Trouble, label: string): boolean => labels?.includes(label) ?? true;

const isFault = ({ kind }: Trouble): boolean => kind in FAULTS;

const forgets = (trouble: Trouble): boolean => isFault(trouble) && 'forgets' in FAULTS[trouble.kind as Kind];

/** How much of a span was troubled, in ms. The troubles come in the order of their beginnings. */
const troubled = (troubles: readonly Trouble[], from: number, to: number): number => {
  let until = from;
  let sum = 0;
  for (const trouble of troubles) {
    sum += Math.max(0, Math.min(trouble.to, to) - Math.max(trouble.from, until));
    until = Math.max(until, trouble.to);
  }
  return sum;
};

/** For how long a name was waited for, at a stretch, while nobody held it. */
const stallsOf = function* (lives: readonly Life[]): Generator<[from: number, to: number]> {
  const steps: { at: number; waiting: number; holding: number }[] = [];
  for (const life of lives) {
    const until = life.granted ?? life.left;
    if (life.queued !== undefined && until !== undefined) {
      steps.push({ at: life.queued, waiting: 1, holding: 0 }, { at: until, waiting: -1, holding: 0 });
    }
    if (!isHeld(life)) continue;
    steps.push({ at: life.granted, waiting: 0, holding: 1 }, { at: endOf(life), waiting: 0, holding: -1 });
  }
  steps.sort((a, b) => a.at - b.at);
  let [waiting, holding] = [0, 0];
  let since: number | undefined;
  for (const step of steps) {
    waiting += step.waiting;
    holding += step.holding;
    if (waiting > 0 && holding === 0) since ??= step.at;
    else if (since !== undefined) {
      yield [since, step.at];
      since = undefined;
    }
  }
};

/** What the docs allow two leases to overlap: something where the server forgot one of them, else nothing. */
const allowance =
  (troubles: readonly Trouble[]) =>
  (earlier: Held, later: Held): number => {
    let most = 0;
    for (const { from, to } of troubles.filter(forgets)) {
      if (later.granted < from) continue;
      for (const forgotten of [earlier, later]) {
        if (forgotten.asked > to || forgotten.granted > to + TIMEOUT || endOf(forgotten) < from) continue;
        const hit = troubles.filter((trouble) => !forgets(trouble) && hits(trouble, labelOf(forgotten.owner)));
        const bound = Math.min(TTL, BOUND + troubled(hit, from, endOf(forgotten))); // a process that stands still does not renew
        if (later.granted <= to + RECOVERY + bound) most = Math.max(most, bound);
      }
    }
    return most;
  };

/** Whether the server may have granted it before it forgot, and its client have been told after: within one command's time. */
const underway =
  (troubles: readonly Trouble[]) =>
  ({ asked, granted }: Held): boolean =>
    troubles.some(
      (trouble) => forgets(trouble) && asked < trouble.to && granted > trouble.from && granted < trouble.to + TIMEOUT,
    );

export const verdictOn = ({ lives, registers, troubles: unsorted, complaints }: Seen): Verdict => {
  const troubles = [...unsorted].sort((a, b) => a.from - b.from);
  const harmful = troubles.filter((trouble) => isFault(trouble) && !HARMLESS.includes(trouble.kind));
  const stills = troubles.filter((trouble) => !isFault(trouble));
  /** Whether a fault can have done it to the owner in that time, or that processes stood still, since `before` ms sooner, for more than `least`. */
  const excused = (owner: string, [from, to]: readonly [number, number], before: number, least: number): boolean => {
    const hit = (trouble: Trouble): boolean => trouble.from <= to && hits(trouble, labelOf(owner));
    if (harmful.some((trouble) => from <= trouble.to + RECOVERY && hit(trouble))) return true;
    const since = from - before;
    return (
      troubled(
        stills.filter((still) => since <= still.to && hit(still)),
        since,
        to,
      ) > least
    );
  };
  const waits = lives.filter(({ queued }) => queued !== undefined);
  for (const life of waits) {
    const until = life.granted ?? life.left ?? Number.POSITIVE_INFINITY;
    if (excused(life.owner, [life.asked, until], 0, TTL / 2)) life.passable = true;
  }

  const overlap = allowance(troubles);
  const overlaps = overlapsOf(lives);
  const findings = violations({ lives }, { overlap, underway: underway(troubles) });
  for (const register of registers) findings.push(...violations({ lives: [], ...register }));

  const losses = new Map<string, number>();
  for (const { name, owner, lost, ended = 0 } of lives) {
    if (lost === undefined) continue;
    losses.set(lost, (losses.get(lost) ?? 0) + 1);
    if (!excused(owner, [ended, ended], TTL, TTL / 2))
      findings.push(`${owner} lost ${name} (${lost}) when nothing was wrong`);
  }
  for (const { at, label, manner, error } of complaints) {
    const told =
      manner === 'once' && /^REDIS_(UNREACHABLE|REFUSED)/.test(error) && excused(label, [at, at], TIMEOUT, 0);
    if (!told) findings.push(`${label} (${manner}) was told ${error}`);
  }
  for (const { name, owner, deaf, granted, left } of waits) {
    const last = deaf?.at(-1);
    const until = granted ?? left;
    if (!last || last.until !== undefined || until === undefined) continue;
    if (until - last.since - troubled(troubles, last.since, until) > STALL)
      findings.push(`${owner} waited for ${name}, and its coordinator did not listen`);
  }
  let stall = 0;
  for (const of of byName(lives)) {
    for (const [from, to] of stallsOf(of)) {
      const ms = to - from - troubled(troubles, from, to);
      stall = Math.max(stall, ms);
      if (ms > STALL) findings.push(`${of[0]?.name} was wanted for ${ms.toFixed(0)} ms, and held by nobody`);
    }
  }
  const allowed = overlaps.filter(({ earlier, later, ms }) => ms <= overlap(earlier, later)).map(({ ms }) => ms);
  return {
    grants: lives.filter(isHeld).length,
    inOrder: waits.filter(({ passable }) => !passable).length,
    ...{ losses, allowed, stall, findings },
    overlaps: overlaps.length - allowed.length,
  };
};

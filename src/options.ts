/** What callers may set, its bounds, and the checks that run when a lock is made. Durations are integer ms. */
import type { SchedulerLike } from 'rxjs';
import { quote } from './errors.ts';
import { namesIn, namesOf } from './option-names.ts';

/**
 * ms to wait after the attempt with this number; the first is 1.
 *
 * @example const linear: Backoff = (attempt) => Math.min(100 * attempt, 2_000);
 */
export type Backoff = (attempt: number) => number;

/** The longest delay that a Node timer can wait: 2^31 - 1 ms, almost 25 days. */
export const LONGEST = 2_147_483_647;

/** The default commandTimeout, in ms. */
export const COMMAND_TIMEOUT = 2_000;

/**
 * How many replicas must have what was written, and for how long to wait for them, in ms.
 *
 * @example const locks = new LockCoordinator(redis, { replicas: { count: 1, timeout: 100 } });
 */
export interface Replicas {
  readonly count: number;
  readonly timeout: number;
}

/**
 * Defaults of a coordinator, which each lock may override.
 *
 * @example const patient: Options = { ttl: 60_000, backoff: constantBackoff(1_000), identity: `worker ${process.pid}` };
 */
export interface Options {
  /** How long a lease outlives its last renewal. 10 to 2^31 - 1 ms; default: 30 000. */
  readonly ttl?: number | undefined;
  /** ms between renewals: from 1 to less than the ttl less 1 % and 2 ms, for which a lease is believed. Default: ttl / 3. */
  readonly renewEvery?: number | undefined;
  /** How long to wait between attempts if no hand-off can be announced: another client holds, a quorum, Redis is failing. */
  readonly backoff?: Backoff | undefined;
  /** The longest time for which a lease may be held, in ms, after which it is lost as `maxHold`. Default: no bound. */
  readonly maxHold?: number | undefined;
  /**
   * If a lease is released before it was held for so many ms, the lock stays taken until then. For a job that many hosts
   * start a little apart, and that only one is to run. At most `maxHold`. Default: 0.
   */
  readonly minHold?: number | undefined;
  /** How long Redis keeps the place of a waiter that it does not hear of. 30 to 2^31 - 1 ms. Default: 10 000. */
  readonly waiterTtl?: number | undefined;
  /** Timeout of one command, after which its outcome counts as unknown. 1 to 2^31 - 1 ms. Default: 2 000. */
  readonly commandTimeout?: number | undefined;
  /**
   * A grant, a renewal and a hand-off count only once `count` replicas have confirmed them (WAIT), within `timeout` ms: 1 to
   * `commandTimeout`. A grant that too few confirm is released, and the attempt fails with a NotReplicatedError. So a replica
   * that is promoted has the lease, if it is one of those that confirmed (see docs/guarantees.md). Default: none.
   */
  readonly replicas?: Replicas | undefined;
  /** A label that is put before the uuid of each owner, so that people can see who holds. 1 to 128 bytes; default: `host:pid`. */
  readonly identity?: string | undefined;
  /** The scheduler of all waits. With a virtual one locks run in virtual time. Default: `asyncScheduler`. */
  readonly scheduler?: SchedulerLike | undefined;
}

/**
 * Settings of a coordinator.
 *
 * @example const settings: CoordinatorOptions = { ttl: 10_000, quorum: 3, delayedRestart: 60_000 };
 */
export interface CoordinatorOptions extends Options {
  /** How many nodes of a quorum must agree: from a majority to all. Default: a majority. */
  readonly quorum?: number | undefined;
  /**
   * ms after its start for which a node of a quorum has no vote, because it may have forgotten leases that are still held.
   * Set it to the longest ttl that anyone uses on these nodes; or, if that is longer, to the difference of their clocks, so
   * that fences rise. Default: the coordinator's `ttl`; it is never less than the ttl of the lock that is asked for. 0 turns
   * it off, which is right only if every node runs with `appendfsync always`.
   */
  readonly delayedRestart?: number | undefined;
}

/**
 * Settings of one lock.
 *
 * @example const brief: LockOptions = { ttl: 1_000, maxHold: 10_000, owner: 'job 42' };
 */
export interface LockOptions extends Options {
  /** The owner, 1 to 256 bytes. Without it every subscription is its own owner. The same owner twice is one lease. */
  readonly owner?: string | undefined;
}

const OPTIONS = {
  ttl: true,
  renewEvery: true,
  backoff: true,
  maxHold: true,
  minHold: true,
  waiterTtl: true,
  commandTimeout: true,
  replicas: true,
  identity: true,
  scheduler: true,
} as const;

/** The options of a coordinator, of one over a store of its own, and of a lock. */
export const COORDINATOR = namesOf<CoordinatorOptions>({ ...OPTIONS, quorum: true, delayedRestart: true });
export const DEFAULTS = namesOf<Options>(OPTIONS);
export const LOCK = namesOf<LockOptions>({ ...OPTIONS, owner: true });

/** A value of any kind, for a message. */
export const show = (value: unknown): string => {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'object' && value !== null) return 'an object'; // not even asked whether an array: a revoked proxy throws
  return typeof value === 'function' ? 'a function' : String(value);
};

/** Calls `look`, which reads an argument. If a getter or a proxy throws meanwhile, that is a TypeError about the argument. */
export const reading = <T>(argument: string, look: () => T): T => {
  try {
    return look();
  } catch (cause) {
    throw new TypeError(`${argument} cannot be read: a getter or a proxy in it throws`, { cause });
  }
};

/**
 * How a coordinator closes.
 *
 * @example const gently: CloseOptions = { drain: 10_000 };
 */
export interface CloseOptions {
  /** ms for which leases that are held may go on. Default: 0, they end at once. */
  readonly drain?: number | undefined;
}

/**
 * Checks that options are an object with known names, and returns a copy, so that getters are called once. Options may be
 * inherited, as those of a class are that has getters. What is no record and has no options, such as a promise that was not
 * awaited or a Map, is refused: it would count as no options at all.
 */
export const optionsIn = <T extends object>(argument: string, value: T, names: readonly string[]): T => {
  if (typeof value !== 'object' || value === null) {
    throw new TypeError(`${argument} must be an object, got ${show(value)}`);
  }
  const kind = reading(argument, () => Object.prototype.toString.call(value).slice('[object '.length, -1));
  const given = reading(argument, () => {
    const own = { ...value };
    if (kind !== 'Object') return own; // an array inherits `every`, which is an option of `watch`
    const inherited = names.filter((name) => name in value && !Object.hasOwn(own, name));
    for (const name of inherited) Reflect.set(own, name, Reflect.get(value, name));
    return own;
  });
  if (kind !== 'Object' && Object.keys(given).length === 0) {
    throw new TypeError(`${argument} must be an object with options, got a ${kind} without any`);
  }
  namesIn(argument, given, names);
  return given;
};

/** Checks a scheduler. */
export const schedulerIn = (value: SchedulerLike): void => {
  if (typeof reading('scheduler', () => value?.schedule) === 'function') return;
  throw new TypeError(`scheduler must be a scheduler of rxjs, got ${show(value)}`);
};

/** Checks a number: TypeError for anything else, RangeError outside the bounds. */
export const numberIn = (argument: string, value: unknown, least: number, most: number): void => {
  if (typeof value !== 'number') {
    throw new TypeError(`${argument} must be a number from ${least} to ${most}, got ${show(value)}`);
  }
  if (!(value >= least && value <= most)) {
    throw new RangeError(`${argument} must be from ${least} to ${most}, got ${value}`);
  }
};

/** Checks an integer within bounds. */
export const integerIn = (argument: string, value: unknown, least: number, most: number): void => {
  numberIn(argument, value, least, most);
  if (!Number.isInteger(value)) {
    throw new RangeError(`${argument} must be an integer from ${least} to ${most}, got ${value}`);
  }
};

/** Checks a duration in ms. */
export const duration = (argument: string, value: unknown, least = 1, most = LONGEST): void =>
  integerIn(`${argument} (ms)`, value, least, most);

/** Checks text of 1 to `most` bytes in UTF-8. */
export const text = (argument: string, value: unknown, most: number): void => {
  if (typeof value !== 'string') throw new TypeError(`${argument} must be a string, got ${show(value)}`);
  const bytes = Buffer.byteLength(value);
  if (bytes < 1 || bytes > most) {
    throw new RangeError(`${argument} must be 1 to ${most} bytes long, got ${bytes}: ${quote(value)}`);
  }
  if (!value.isWellFormed()) throw new RangeError(`${argument} must be well-formed Unicode, got ${quote(value)}`);
};

/** The name of a lock: any well-formed text of 1 to 1 024 bytes. */
export const lockName = (value: unknown): void => text('name', value, 1_024);

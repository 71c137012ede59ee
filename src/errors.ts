/**
 * All errors of redisync. There is a class for each thing that a caller can do about an error; `code` distinguishes them without
 * `instanceof`. Each message says what happened, to which lock, and after the last semicolon what to do: see docs/errors.md.
 */

/**
 * Why a lease was lost.
 *
 * @example const ours = (reason: LossReason): boolean => reason === 'maxHold';
 */
export type LossReason = 'expired' | 'taken' | 'unreachable' | 'maxHold' | 'released';

/**
 * The base of all errors of this package. `lock` is the name of the lock that the error is about, if there is one.
 *
 * @example const status = (error: unknown): number => (error instanceof RedisyncError ? 503 : 500);
 */
export abstract class RedisyncError extends Error {
  abstract readonly code: string;
  /** That of its class, spelled out: a bundler may shorten the names of classes. */
  abstract override name: string;
  readonly lock: string | undefined;

  constructor(message: string, lock?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.lock = lock;
  }
}

/**
 * The lease ended before the work under it. That is final; acquire again if the work is still wanted.
 *
 * - `expired`: its time ran out, by the clocks of this process
 * - `taken`: Redis does not have the lease any more: granted to another, broken by `forceRelease`, deleted, flushed
 * - `unreachable`: it could not be renewed in time, because Redis did not answer
 * - `maxHold`: it was held for as long as its `maxHold` allows
 * - `released`: it was released while work went on under it: by `lease.release()` elsewhere, by another subscription of the
 *   same owner, or by the end of the subscription that kept it
 *
 * @example
 * const lost = (error: unknown): void => {
 *   if (error instanceof LockLostError) report(error.reason);
 * };
 * charge$.pipe(withLock(locks.mutex('order:42'))).subscribe({ error: lost });
 */
export class LockLostError extends RedisyncError {
  readonly code = 'LOCK_LOST';
  override name = 'LockLostError';
  readonly reason: LossReason;

  constructor(lock: string, reason: LossReason, cause?: unknown, hint?: string) {
    super(
      `The lease on ${quote(lock)} is lost: ${reason}${hint === undefined ? LOSSES[reason] : `; ${hint}`}`,
      lock,
      cause,
    );
    this.reason = reason;
  }
}

const AGAIN = 'acquire the lock again if the work is still wanted';

/** What each reason means, and what to do. */
const LOSSES: Readonly<Record<LossReason, string>> = {
  expired: ` (its time ran out before it was renewed); ${AGAIN}`,
  taken: ` (Redis does not have it any more); ${AGAIN}`,
  unreachable: ` (Redis confirmed no renewal in time); ${AGAIN}`,
  maxHold: ' (it was held for as long as maxHold allows); shorten the work, or raise maxHold',
  released: ` (it was released while work went on under it); ${AGAIN}`,
};

/** What is known of a lock that was not granted in time: of several, of all of them. */
export interface Busy {
  readonly owners: readonly string[];
  readonly since?: Date | undefined;
  readonly remaining?: number | undefined;
  readonly rank?: number | undefined;
  readonly heldHere?: boolean;
}

/**
 * The `timeout` of a wait was over while others held the lock. If Redis never answered during the wait, the error is a
 * RedisUnreachableError instead. When the time is over, Redis is asked who holds. If it does not answer within 250 ms, there
 * are no owners here.
 *
 * The `cause` is undefined if others held the lock and Redis answered. If Redis has failed since its last answer, `cause` is
 * the last error of the connection while there is none, or otherwise the error of the last attempt.
 *
 * @example
 * const told = (error: unknown): void => {
 *   if (error instanceof LockTimeoutError) console.log(error.owners, error.since, error.rank, error.heldHere);
 * };
 */
export class LockTimeoutError extends RedisyncError {
  readonly code = 'LOCK_TIMEOUT';
  override name = 'LockTimeoutError';
  /** Who holds it, at most eight: each the `identity` of its coordinator and a UUID, unless an `owner` was given. */
  readonly owners: readonly string[];
  /** When the last of them was granted its lease, by the clock of Redis; undefined if no fence is known, as of another client. */
  readonly since: Date | undefined;
  /** ms until the first of their leases lapses, unless it is renewed or released. */
  readonly remaining: number | undefined;
  /**
   * How many were ahead in the queue at the last answer, at most `waiterTtl / 3` before; after a single attempt, how many wait,
   * up to eight less the holders. Undefined where there is no queue.
   */
  readonly rank: number | undefined;
  /** Whether this coordinator is among those who hold it: a lock within itself waits for ever. */
  readonly heldHere: boolean;

  constructor(lock: string | undefined, timeout: number, cause?: unknown, busy: Busy = { owners: [] }) {
    const what = lock === undefined ? 'No lock' : `The lock ${quote(lock)}`;
    super(
      `${what} was ${lock === undefined ? '' : 'not '}granted within ${timeout} ms${told(busy, cause)}`,
      lock,
      cause,
    );
    this.owners = busy.owners;
    this.since = busy.since;
    this.remaining = busy.remaining;
    this.rank = busy.rank;
    this.heldHere = busy.heldHere ?? false;
  }
}

const told = ({ owners, since, remaining = 0, rank, heldHere }: Busy, cause: unknown): string => {
  const by = heldHere ? 'held by this coordinator, as' : 'held by';
  const from = since ? ` since ${since.toISOString()}` : '';
  const held = `${by} ${owners.map(quote).join(' and ')}${from}, for ${remaining} ms more unless it is renewed`;
  const ahead = rank === undefined ? [] : [`${rank} ahead in the queue`];
  const failing = cause instanceof Error ? [`Redis fails now: ${happened(cause)}`] : [];
  const facts = [...(owners.length > 0 ? [held] : []), ...ahead, ...failing];
  const within = heldHere ? 'take the lock only once if this wait is part of the work under it, else ' : '';
  const remedy = cause instanceof Error ? remedyOf(cause) : 'try again, or raise the timeout';
  return `${facts.length > 0 ? `: ${facts.join(', ')}` : ''}; ${within}${remedy}`;
};

/**
 * `acquire({ signal })` was aborted; `cause` is the signal's reason. Its `name` is `AbortError`, like that of the platform's own error.
 *
 * @example const left = (error: unknown): boolean => error instanceof LockAbortedError;
 */
export class LockAbortedError extends RedisyncError {
  readonly code = 'LOCK_ABORTED';
  override name = 'AbortError';

  constructor(lock: string, cause?: unknown) {
    super(
      `The wait for the lock ${quote(lock)} was aborted by its signal; nothing is held, and nothing is to be done`,
      lock,
      cause,
    );
  }
}

/**
 * The key with the lock's name, or one of its side keys, is no lock: it has another type, no expiry, or contents that cannot
 * be read (`forceRelease` removes these). Nothing was written.
 *
 * @example const notOurs = (error: unknown): unknown => error instanceof LockCorruptedError && error.lock;
 */
export class LockCorruptedError extends RedisyncError {
  readonly code = 'LOCK_CORRUPTED';
  override name = 'LockCorruptedError';

  constructor(lock: string, cause?: unknown) {
    const remedy = 'if nothing else uses that key, break the lock (forceRelease), or delete a key of another type';
    super(`A key of the lock ${quote(lock)} is not what a lock has${because(cause)}; ${remedy}`, lock, cause);
  }
}

/**
 * This `owner` already has or awaits a lease on the name, in the other mode, with fewer permits or by another
 * `scheduler`. An owner has one lease on a name.
 *
 * @example
 * const { read, write } = locks.readWriteLock('catalog', { owner: 'me' });
 * merge(read, write).subscribe({ error: (error) => console.error(error instanceof OwnerConflictError) }); // true
 */
export class OwnerConflictError extends RedisyncError {
  readonly code = 'OWNER_CONFLICT';
  override name = 'OwnerConflictError';

  constructor(lock: string, owner: string, otherwise = 'in another mode') {
    const remedy = 'release that one first, or use another owner';
    super(`The owner ${quote(owner)} already has or awaits a lease on ${quote(lock)} ${otherwise}; ${remedy}`, lock);
  }
}

/**
 * The server's clock, from which fences are drawn, has reached 2^53 - 1, so there is no higher fence. Delete the key `~redisync:clock` to start over.
 *
 * @example const ended = (error: unknown): boolean => error instanceof FenceExhaustedError; // in 2255, or by a hand
 */
export class FenceExhaustedError extends RedisyncError {
  readonly code = 'FENCE_EXHAUSTED';
  override name = 'FenceExhaustedError';

  constructor(lock: string) {
    const remedy = 'delete the key ~redisync:clock (see docs/errors.md)';
    super(`The clock that draws the fences of ${quote(lock)} has reached 2^53 - 1; ${remedy}`, lock);
  }
}

/**
 * The coordinator is closed, or was closed while the lock was held or awaited.
 *
 * @example const over = (error: unknown): boolean => error instanceof CoordinatorClosedError;
 */
export class CoordinatorClosedError extends RedisyncError {
  readonly code = 'COORDINATOR_CLOSED';
  override name = 'CoordinatorClosedError';

  constructor(lock?: string) {
    const what = lock === undefined ? 'The coordinator' : `The coordinator of ${quote(lock)}`;
    super(`${what} is closed; make a new LockCoordinator to go on`, lock);
  }
}

/**
 * Redis did not answer in time, or not at all. A wait goes on and asks again; `try()` and `inspect()` error with it.
 *
 * @example const silent = (error: unknown): boolean => error instanceof RedisUnreachableError;
 */
export class RedisUnreachableError extends RedisyncError {
  readonly code = 'REDIS_UNREACHABLE';
  override name = 'RedisUnreachableError';
  /** Server time, in ms, until which the command may still take effect; undefined if it was never sent. */
  readonly notAfter: number | undefined;

  constructor(lock: string | undefined, message: string, notAfter?: number, cause?: unknown, remedy = REACH) {
    super(`${message}${of(lock)}${because(cause)}; ${remedy}`, lock, cause);
    this.notAfter = notAfter;
  }
}

const REACH = 'check that Redis is up, and can be reached from here';

/** What to do after a reply that passes, unless the client was made for the wrong server. */
const WRONG_SERVER = [
  [/^(?:MOVED|ASK)\b/, 'try again, or pass a Cluster of ioredis if this is a node of a Cluster'],
  [/^READONLY\b/, 'try again after the failover, or pass a client of the master if this is always a replica'],
] as const;

/**
 * Redis answered with an error. After a `transient` one (loading, busy, read-only, failing over) a wait goes on and asks again; other errors end it.
 *
 * @example const worthTrying = (error: unknown): boolean => error instanceof RedisRefusedError && error.transient;
 */
export class RedisRefusedError extends RedisyncError {
  readonly code = 'REDIS_REFUSED';
  override name = 'RedisRefusedError';
  readonly transient: boolean;

  constructor(lock: string | undefined, transient: boolean, cause: Error) {
    const [, known = 'this passes by itself, so try again'] =
      WRONG_SERVER.find(([reply]) => reply.test(cause.message)) ?? [];
    const remedy = transient ? known : 'this does not pass by itself: see docs/errors.md';
    super(`Redis refused a command${of(lock)}${because(cause)}; ${remedy}`, lock, cause);
    this.transient = transient;
  }
}

/**
 * Fewer replicas than `replicas.count` confirmed a grant, which was released, or a renewal. A wait or a lease goes on and tries again; `try()` errors with it.
 *
 * @example const lagging = (error: unknown): boolean => error instanceof NotReplicatedError;
 */
export class NotReplicatedError extends RedisyncError {
  readonly code = 'NOT_REPLICATED';
  override name = 'NotReplicatedError';

  constructor(lock: string, wanted: number, confirmed: number) {
    const remedy = 'check the replicas, or lower replicas.count';
    super(`Only ${confirmed} of ${wanted} replicas confirmed the lease on ${quote(lock)}; ${remedy}`, lock);
  }
}

/** Whether a retry can succeed without anybody's intervention. */
export const isTransient = (error: unknown): boolean =>
  error instanceof RedisUnreachableError ||
  error instanceof NotReplicatedError ||
  (error instanceof RedisRefusedError && error.transient);

/** Whether `retryWithBackoff` retries by default: all errors except those of ours that are final. */
export const mayPass = (error: unknown): boolean =>
  !(error instanceof RedisyncError) ||
  isTransient(error) ||
  error instanceof LockLostError ||
  error instanceof LockTimeoutError;

/** A value for a message: quoted, and cut to a readable length. */
export const quote = (value: string): string => JSON.stringify(value.length > 80 ? `${value.slice(0, 79)}…` : value);

/** Which lock a message is about, if it is about one. */
const of = (lock: string | undefined): string => (lock === undefined ? '' : ` (lock ${quote(lock)})`);

/** What a cause says happened. */
const because = (cause: unknown): string => (cause instanceof Error ? `: ${happened(cause)}` : '');

const happened = (cause: Error): string =>
  cause instanceof RedisyncError
    ? cause.message.slice(0, cause.message.lastIndexOf('; ')) // without what to do, which the outer error says
    : cause.message.replace(/\.$/, '');

/** What a cause says is to be done; one that is not ours is an error of the connection. */
const remedyOf = (cause: Error): string =>
  cause instanceof RedisyncError ? cause.message.slice(cause.message.lastIndexOf('; ') + 2) : REACH;

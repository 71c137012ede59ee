/** Options, checked and complete: the terms on which every subscription to a lock holds. Locks without options of their own share the coordinator's. */
import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { type Backoff, exponentialBackoff } from '../backoff.ts';
import { type Clock, clockOf } from '../clock.ts';
import {
  duration,
  integerIn,
  LONGEST,
  type LockOptions,
  optionsIn,
  type Replicas,
  schedulerIn,
  show,
  text,
} from '../options.ts';
import type { Request } from '../store/store.ts';

const BACKOFF = exponentialBackoff({ initial: 50, max: 1_000 });

export interface Terms {
  readonly ttl: number;
  readonly waiterTtl: number;
  readonly replicas: Replicas | undefined;
  readonly owner: string | undefined;
  readonly identity: string | undefined;
  readonly renewEvery: number;
  readonly backoff: Backoff;
  readonly maxHold: number | undefined;
  readonly commandTimeout: number;
  readonly scheduler: SchedulerLike;
  readonly clock: Clock;
}

/** What kind of lease a lock gives. */
export type Kind = Pick<Request, 'mode' | 'permits' | 'limit'>;

/** Checks every option, of those that `optionsIn` has read, and fills in the defaults. @throws TypeError, RangeError */
export const termsOf = (options: LockOptions): Terms => {
  const { ttl = 30_000, waiterTtl = 10_000, commandTimeout = 2_000, scheduler = asyncScheduler } = options;
  const { owner, identity, maxHold, backoff = BACKOFF } = options;
  const replicas = options.replicas === undefined ? undefined : optionsIn('replicas', options.replicas);
  duration('ttl', ttl, 10);
  duration('waiterTtl', waiterTtl, 30);
  duration('commandTimeout', commandTimeout);
  const { renewEvery = Math.max(1, Math.floor(ttl / 3)) } = options;
  duration('renewEvery', renewEvery, 1, ttl - 1);
  if (maxHold !== undefined) duration('maxHold', maxHold);
  if (replicas !== undefined) {
    integerIn('replicas.count', replicas.count, 1, LONGEST);
    duration('replicas.timeout', replicas.timeout, 1, commandTimeout);
  }
  if (owner !== undefined) text('owner', owner, 256);
  if (identity !== undefined) text('identity', identity, 128);
  if (typeof backoff !== 'function')
    throw new TypeError(`backoff must be a function of the attempt, got ${show(backoff)}`);
  schedulerIn(scheduler);
  return {
    ttl,
    waiterTtl,
    replicas,
    owner,
    identity,
    renewEvery,
    backoff,
    maxHold,
    commandTimeout,
    scheduler,
    clock: clockOf(scheduler),
  };
};

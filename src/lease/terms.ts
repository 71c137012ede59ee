/** A lock's options, checked and completed by their defaults. Locks without options of their own share the coordinator's. */
import { hostname } from 'node:os';
import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { exponentialBackoff } from '../backoff.ts';
import { type Clock, clockOf, validity } from '../clock.ts';
import {
  type Backoff,
  COMMAND_TIMEOUT,
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

/** A host's name may contain any characters, so those that do not print are replaced. */
const HOST = hostname().replace(/[^\x21-\x7e]/g, '?') || 'host';
const IDENTITY = `${HOST.slice(0, 64)}:${process.pid}`;

const REPLICAS = ['count', 'timeout'];
const BACKOFF = exponentialBackoff({ initial: 50, max: 1_000 });

export interface Terms {
  readonly ttl: number;
  readonly waiterTtl: number;
  readonly replicas: Replicas | undefined;
  readonly owner: string | undefined;
  readonly identity: string;
  readonly renewEvery: number;
  readonly backoff: Backoff;
  readonly maxHold: number | undefined;
  readonly minHold: number;
  readonly commandTimeout: number;
  readonly scheduler: SchedulerLike;
  readonly clock: Clock;
}

/** The kind of lease that a lock gives; `writes` if it is a write lock's, which can be downgraded. */
export type Kind = Pick<Request, 'mode' | 'permits' | 'limit'> & { readonly writes?: true };

/** Checks every option that `optionsIn` has read, and fills in the defaults. @throws TypeError, RangeError */
export const termsOf = (options: LockOptions): Terms => {
  const { ttl = 30_000, waiterTtl = 10_000, commandTimeout = COMMAND_TIMEOUT, scheduler = asyncScheduler } = options;
  const { owner, identity = IDENTITY, maxHold, minHold = 0, backoff = BACKOFF } = options;
  const replicas = options.replicas === undefined ? undefined : optionsIn('replicas', options.replicas, REPLICAS);
  duration('ttl', ttl, 10);
  duration('waiterTtl', waiterTtl, 30);
  duration('commandTimeout', commandTimeout);
  const { renewEvery = Math.max(1, Math.floor(ttl / 3)) } = options;
  duration('renewEvery', renewEvery, 1, Math.ceil(validity(ttl)) - 1); // later there is nothing left to renew
  if (maxHold !== undefined) duration('maxHold', maxHold);
  duration('minHold', minHold, 0, maxHold);
  if (replicas !== undefined) {
    integerIn('replicas.count', replicas.count, 1, LONGEST);
    duration('replicas.timeout', replicas.timeout, 1, commandTimeout);
  }
  if (owner !== undefined) text('owner', owner, 256);
  text('identity', identity, 128);
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
    minHold,
    commandTimeout,
    scheduler,
    clock: clockOf(scheduler),
  };
};

let warned = false;

/** Warns, once in a process, of a ttl that may have been meant in seconds. Not if another time is set as well: then the caller knows the unit. */
export const warnOfSeconds = ({ ttl = 1_000, renewEvery, waiterTtl, commandTimeout, maxHold }: LockOptions): void => {
  const known = [renewEvery, waiterTtl, commandTimeout, maxHold].some((ms) => ms !== undefined);
  if (warned || known || ttl >= 1_000) return;
  warned = true;
  const detail = 'If so short a lease is meant, set renewEvery as well.';
  const message = `ttl is in ms, and a lease of ${ttl} ms is lost in a short pause`;
  process.emitWarning(message, { code: 'REDISYNC_TTL', detail });
};

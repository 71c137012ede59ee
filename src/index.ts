/** The public face of redisync; nothing else exports. */
export { constantBackoff, exponentialBackoff, retryWithBackoff } from './backoff.ts';
export { LockCoordinator } from './coordinator.ts';
export type { Finding, FindingCode, Severity } from './diagnose/finding.ts';
export {
  CoordinatorClosedError,
  FenceExhaustedError,
  LockAbortedError,
  LockCorruptedError,
  LockLostError,
  LockTimeoutError,
  type LossReason,
  NotReplicatedError,
  OwnerConflictError,
  RedisRefusedError,
  RedisUnreachableError,
  RedisyncError,
} from './errors.ts';
export type { LockEvent } from './lease/events.ts';
export type { Detached, Lease } from './lease/lease.ts';
export type { Acquirable } from './locks/acquirable.ts';
export type { AcquireOptions } from './locks/acquire.ts';
export { type AllOf, allOf } from './locks/all-of.ts';
export { type AnyOf, anyOf } from './locks/any-of.ts';
export type { Lock } from './locks/lock.ts';
export type { Held } from './operators/held.ts';
export type { WhileHeldOptions } from './operators/timeout.ts';
export { whileHeld } from './operators/while-held.ts';
export { withLock } from './operators/with-lock.ts';
export type { Backoff, CloseOptions, CoordinatorOptions, LockOptions, Options, Replicas } from './options.ts';
export type { Holder, Inspection, Mode, Waiter } from './store/store.ts';

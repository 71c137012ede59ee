/** What a coordinator tells about its locks while they work. Watching never influences locking. */
import type { LossReason } from '../errors.ts';

interface About {
  /** The lock's name. */
  readonly name: string;
  readonly owner: string;
  /** Wall-clock ms of this process. */
  readonly at: number;
}

/**
 * - `waiting`: others hold the lock; a place in the queue is taken
 * - `acquired`: a lease was emitted, after `waited` ms
 * - `renewed`: it has its full ttl again
 * - `renewalFailed`: one renewal failed; it is tried again for as long as the lease is valid
 * - `attemptFailed`: one attempt to acquire failed; it is tried again
 * - `hindered`: a wait goes on, but worse than it should, as `error` says: Redis has been out of reach for longer than the ttl,
 *   or does not let us subscribe, so that hand-offs are not heard. Once a wait; and once a coordinator, as a warning of the
 *   process whose code is REDISYNC_HINDERED
 * - `lost`: the lease ended without being released
 * - `released`: it was given back after `held` ms; `acknowledged` is false where it had gone already or Redis did not answer
 * - `detached`: it was let go after `held` ms, without being released, for another process to go on with
 * - `handedOver`: that release, or the leaving of a waiter, made `to` waiters holders
 * - `abandoned`: a waiter left before its turn, after `waited` ms; `timedOut` where that was its `timeout`
 *
 * @example const level = ({ type }: LockEvent): string => (type === 'lost' ? 'error' : 'info');
 */
export type LockEvent = About &
  (
    | { readonly type: 'waiting' }
    | { readonly type: 'acquired'; readonly waited: number; readonly fence: number }
    | { readonly type: 'renewed' }
    | { readonly type: 'renewalFailed'; readonly error: Error }
    | { readonly type: 'attemptFailed'; readonly error: Error }
    | { readonly type: 'hindered'; readonly error: Error }
    | { readonly type: 'lost'; readonly reason: LossReason; readonly held: number }
    | { readonly type: 'released'; readonly held: number; readonly acknowledged: boolean }
    | { readonly type: 'detached'; readonly held: number }
    | { readonly type: 'handedOver'; readonly to: number }
    | { readonly type: 'abandoned'; readonly waited: number; readonly timedOut?: true }
  );

/** An event before the fields that all events share. */
export type Told<E = LockEvent> = E extends LockEvent ? Omit<E, 'name' | 'owner' | 'at'> : never;

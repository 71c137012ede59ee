/** The events of a coordinator's locks. Watching never influences locking. */
import type { LossReason } from '../errors.ts';

interface About {
  /** The lock's name. */
  readonly name: string;
  readonly owner: string;
  /** Wall-clock ms of this process. */
  readonly at: number;
}

/**
 * - `waiting`: others hold the lock; the owner has joined the queue
 * - `acquired`: a lease was granted, after `waited` ms, and is about to be emitted
 * - `renewed`: it has its full ttl again
 * - `renewalFailed`: one renewal failed; it is tried again for as long as the lease is valid
 * - `attemptFailed`: one attempt to acquire failed; it is tried again
 * - `hindered`: a wait goes on, but more slowly than it should, as `error` says: Redis has been out of reach for longer than
 *   the ttl, or refuses the subscription to messages, so that hand-offs are not heard. Once for each wait. The first one of a
 *   coordinator is also a warning of the process, with the code REDISYNC_HINDERED
 * - `lost`: the lease ended without being released
 * - `released`: it was released after `held` ms; `acknowledged` is false if Redis did not have it any more, or did not answer
 * - `detached`: it was let go after `held` ms, without being released, for another process to go on with
 * - `handedOver`: this release, or a waiter that left, made `to` waiters holders
 * - `abandoned`: a waiter left before it was granted the lock, after `waited` ms; `timedOut` if its `timeout` ended the wait
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
export type EventBody<E = LockEvent> = E extends LockEvent ? Omit<E, 'name' | 'owner' | 'at'> : never;

/** A lease as its user sees it. */
import type { Mode } from '../store/store.ts';

/**
 * A lock that is held, renewed until it is released or lost.
 *
 * @example
 * const charge = async ({ fence, signal }: Lease): Promise<void> => {
 *   await fetch('https://example.com/charge', { method: 'POST', body: `${fence}`, signal });
 * };
 */
export interface Lease {
  /** The lock's name. */
  readonly name: string;
  /** The value under which Redis knows this holder. An identifier, not a secret. */
  readonly owner: string;
  /**
   * The fencing token: higher than that of every earlier grant of this name. Hand it to what you write to, and
   * have that refuse a lower one than it has seen (Kleppmann, "How to do distributed locking", 2016).
   */
  readonly fence: number;
  readonly mode: Mode;
  /** Whether the lease can be believed now, by this process's clocks alone. Never true again once it was false. */
  readonly held: boolean;
  /** Aborted with the LockLostError when the lease is lost; on release that is named `AbortError`, its reason `released`. */
  readonly signal: AbortSignal;
  /** ms for which the lease can be believed without being renewed; 0 when it is over. */
  remaining(): number;
  /**
   * Throws unless the lease can be believed for more than `minimum` ms. Call it right before what must not be done twice.
   * The `cause` tells of a lease that is held for too short a time yet.
   * @throws LockLostError
   * @example lease.assertHeld(500); await charge(order);
   */
  assertHeld(minimum?: number): void;
  /**
   * Renews now, and from now on with `ttl` ms if given (10 to 2^31 - 1).
   * @throws LockLostError, RedisUnreachableError, RedisRefusedError
   */
  renew(ttl?: number): Promise<void>;
  /**
   * Gives the lock back. False if it was not ours any more, or if Redis did not answer within `commandTimeout`
   * (then it goes on in the background until the lease has lapsed). Never throws; the lease's stream completes.
   */
  release(): Promise<boolean>;
  /**
   * Turns the lease of a write lock into a shared one without a gap, and lets waiting readers in; no other can be.
   * Never the reverse: two readers that wait for each other to leave would wait for ever.
   * @throws TypeError where it is no write lock's; LockLostError, RedisUnreachableError, RedisRefusedError
   */
  downgrade(): Promise<void>;
  /**
   * Renews once more and lets go without releasing: the stream completes, nothing is renewed, and the lease is for whoever
   * goes on with it by its owner, in this process or another, within `remaining` ms.
   * @throws LockLostError, RedisUnreachableError, RedisRefusedError
   * @example const { owner } = await lease.detach(); await send(owner); // there: locks.mutex(name, { owner })
   */
  detach(): Promise<Detached>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A lease that was let go without being released: another process goes on with it by `mutex(name, { owner })`, for as long
 * as `remaining` ms.
 *
 * @example const hand = async (lease: Lease): Promise<string> => JSON.stringify(await lease.detach());
 */
export interface Detached {
  readonly name: string;
  readonly owner: string;
  readonly fence: number;
  readonly remaining: number;
}

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
  /** The identifier under which Redis knows this holder. It is no secret. */
  readonly owner: string;
  /**
   * The fencing token: higher than that of every earlier grant of this name. Hand it to what you write to, and
   * have that refuse a lower one than it has seen (Kleppmann, "How to do distributed locking", 2016).
   */
  readonly fence: number;
  readonly mode: Mode;
  /** Whether the lease can be believed now, by this process's clocks alone. Once false, it is never true again. */
  readonly held: boolean;
  /** Aborted when the lease ends: with the LockLostError on a loss; on a release the error's `name` is `AbortError` and its `reason` is `released`. */
  readonly signal: AbortSignal;
  /** ms for which the lease can be believed without being renewed; 0 when it is over. */
  remaining(): number;
  /**
   * Throws unless the lease can be believed for more than `minimum` ms. Call it right before what must not be done twice.
   * If the lease is held but has less than that left, the `cause` says so.
   * @throws LockLostError
   * @example lease.assertHeld(500); await charge(order);
   */
  assertHeld(minimum?: number): void;
  /**
   * Renews now, and uses `ttl` ms from now on if given (10 to 2^31 - 1).
   * @throws LockLostError, RedisUnreachableError, RedisRefusedError
   */
  renew(ttl?: number): Promise<void>;
  /**
   * Releases the lock. Resolves to false if Redis did not have the lease any more, or did not answer within `commandTimeout`
   * (then the release is repeated in the background until the lease has lapsed). Never rejects; the lease's stream completes.
   */
  release(): Promise<boolean>;
  /**
   * Turns the lease of a write lock into a shared one without a gap, and lets waiting readers in. There is no upgrade: two
   * readers that wait for each other to leave would wait for ever.
   * @throws TypeError for any other lease; LockLostError, RedisUnreachableError, RedisRefusedError
   */
  downgrade(): Promise<void>;
  /**
   * Renews once more and lets the lease go without releasing it: the stream completes, and nothing is renewed. Another
   * subscription, in this process or another, continues the lease by its `owner`, within `remaining` ms.
   * @throws LockLostError, RedisUnreachableError, RedisRefusedError
   * @example const { owner } = await lease.detach(); await send(owner); // there: locks.mutex(name, { owner })
   */
  detach(): Promise<Detached>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A lease that was let go without being released. Another process continues it by `mutex(name, { owner })`, within
 * `remaining` ms.
 *
 * @example const hand = async (lease: Lease): Promise<string> => JSON.stringify(await lease.detach());
 */
export interface Detached {
  readonly name: string;
  readonly owner: string;
  readonly fence: number;
  readonly remaining: number;
}

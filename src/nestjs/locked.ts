/** `@Locked`: a method that runs under a lock, or under several. */
import { type Acquirable, allOf, type Held, type LockCoordinator, type LockOptions, whileHeld } from '../index.ts';
import { decorated, type MethodDecoratorOf, type MethodOptions } from './method.ts';

type Names = string | readonly string[];

/** The name of a lock, or names of several that are all taken; or a function that returns them. */
export type NameOf<A extends readonly unknown[]> = Names | ((...args: A) => Names);

/**
 * Settings of the lock, and how long to wait for it.
 *
 * @example const options: WaitOptions = { ttl: 10_000, timeout: 5_000 };
 */
export interface WaitOptions extends LockOptions {
  /** How long to wait for the lock, in ms, before a LockTimeoutError; 0 for a single attempt. Default: without a bound. */
  readonly timeout?: number | undefined;
}

/**
 * Settings of `@Locked`.
 *
 * @example const options: LockedOptions = { skip: true, ttl: 60_000 };
 */
export interface LockedOptions extends WaitOptions, MethodOptions {
  /** Whether a call that finds the lock busy does nothing, and resolves with undefined (or completes empty). Default: false. */
  readonly skip?: boolean | undefined;
}

/** The lock, or all of several. */
export const lockOf = (
  locks: LockCoordinator,
  name: NameOf<never>,
  args: readonly unknown[],
  options: LockOptions,
): Acquirable<Held> => {
  const given: Names = typeof name === 'function' ? Reflect.apply(name, undefined, args) : name;
  const [first, ...others] = [given].flat().map((one) => locks.mutex(one, options));
  return first && others.length === 0 ? first : allOf(first ? [first, ...others] : []);
};

/**
 * Waits for a lock and runs the method under it. A method that returns an Observable runs when that is subscribed to; it is
 * unsubscribed from when the lease is lost. Any other returns a promise, which rejects with the LockLostError then. The code
 * behind a promise goes on: give it the lease by `@InjectLease()`, and end it by `lease.signal`.
 *
 * With `skip` the method runs only if the lock is free: for `@Cron` on every instance.
 *
 * @param name the lock, or several; or a function of the method's arguments
 * @example
 * ```ts
 * class Orders {
 *   @Locked((id: string) => `order:${id}`, { timeout: 5_000 })
 *   async charge(id: string): Promise<string> {
 *     return charge({ id });
 *   }
 * }
 * ```
 */
export const Locked = <A extends readonly unknown[] = []>(
  name: NameOf<A>,
  { coordinator, stream, skip = false, timeout, ...options }: LockedOptions = {},
): MethodDecoratorOf<A> =>
  decorated({ coordinator, stream }, (locks, args, call) => {
    const lock = lockOf(locks, name, args, options);
    return skip ? lock.try().pipe(whileHeld(call)) : lock.pipe(whileHeld(call, { timeout }));
  });

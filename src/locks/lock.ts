/** A lock: a cold Observable with a promise face. The kind of a lock is data: mode, limit, permits. */
import { Observable } from 'rxjs';
import { showOther } from '../copies.ts';
import type { Lease } from '../lease/lease.ts';
import type { LockDefinition } from '../lease/session-view.ts';
import { reading } from '../options.ts';
import { Acquirable } from './acquirable.ts';

/**
 * A lock. Subscribing acquires it, first come, first served. It emits one lease, keeps that renewed, errors with a
 * LockLostError when it is lost, and releases on unsubscribe. Each subscription is an owner of its own, unless `owner` was
 * given.
 * It stays open: it completes only after `lease.release()`.
 *
 * @example const subscription = locks.mutex('report').subscribe(lease => build(lease.fence));
 */
export class Lock extends Acquirable<Lease> {
  readonly name: string;
  /** Private at run time too (#): a log of the lock must not show the connection behind it, with its password. */
  readonly #wanted: LockDefinition;

  constructor(wanted: LockDefinition) {
    super((subscriber) => wanted.sessions.subscribe(subscriber, wanted, true));
    this.name = wanted.name;
    this.#wanted = wanted;
  }

  /** @internal */
  get wanted(): LockDefinition {
    return this.#wanted;
  }

  override try(): Observable<Lease> {
    const wanted = this.#wanted;
    return new Observable((subscriber) => wanted.sessions.subscribe(subscriber, wanted, false));
  }

  /** @internal */
  override get parts(): readonly LockDefinition[] {
    return [this.#wanted];
  }
}

/**
 * Reads locks that are given one by one or as an array, at least one.
 *
 * @param within returns the locks of an argument that consists of several, such as an AllOf
 * @throws TypeError, RangeError
 */
export const locksIn = (
  argument: string,
  given: readonly unknown[],
  within: (one: unknown) => readonly Lock[] | undefined = () => undefined,
): readonly Lock[] => {
  const flat = reading(`a lock of ${argument}`, () => {
    const [first] = given;
    const all: readonly unknown[] = given.length === 1 && Array.isArray(first) ? [...first] : given;
    return all.flatMap((one): readonly unknown[] => (one instanceof Lock ? [one] : (within(one) ?? [one])));
  });
  if (flat.length === 0) throw new RangeError(`${argument} needs at least 1 lock, got 0`);
  const locks = flat.filter((one) => one instanceof Lock);
  const other = flat.find((one) => !(one instanceof Lock));
  if (locks.length < flat.length) {
    const several = other instanceof Acquirable && 'several locks as one, of anyOf or allOf';
    throw new TypeError(`${argument} takes only locks, got ${several || showOther('a lock', other, 'tryAcquire')}`);
  }
  return locks;
};

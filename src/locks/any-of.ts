/** One of several locks: a pool of equal resources. */
import { concat, defer, EMPTY, type Observable, race, tap } from 'rxjs';
import type { Lease } from '../lease/lease.ts';
import type { LockDefinition } from '../lease/session-view.ts';
import { Acquirable } from './acquirable.ts';
import { type Lock, locksIn } from './lock.ts';

/**
 * Any one of some locks.
 *
 * @example const printer: AnyOf = anyOf(locks.mutex('printer:1'), locks.mutex('printer:2'));
 */
export class AnyOf extends Acquirable<Lease> {
  readonly locks: readonly Lock[];

  constructor(locks: readonly Lock[]) {
    const lease$ = race(...locks);
    super((subscriber) => lease$.subscribe(subscriber));
    this.locks = locks;
  }

  /** One attempt at each, in the order given, until one is free: emits its lease, or completes empty when all are busy. */
  override try(): Observable<Lease> {
    return defer(() => {
      let granted = false;
      const tries = this.locks.map((lock) => defer(() => (granted ? EMPTY : lock.try())));
      return concat(...tries).pipe(
        tap(() => {
          granted = true; // needed, because a lease that is released completes as a busy lock does
        }),
      );
    });
  }

  /** @internal */
  override get parts(): readonly LockDefinition[] {
    return this.locks.map(({ wanted }) => wanted);
  }
}

/**
 * The first of the given locks that is granted; the others leave their queues, and one that was granted in the same
 * moment is released. `lease.name` tells which it is. Takes an array as well. An error of one before a grant is the error
 * of all.
 *
 * @throws TypeError for anything but locks; RangeError for none
 * @example anyOf(locks.mutex('printer:1'), locks.mutex('printer:2')).pipe(whileHeld(({ name }) => print(name)))
 */
export function anyOf(locks: readonly Lock[]): AnyOf;
export function anyOf(...locks: readonly Lock[]): AnyOf;
export function anyOf(...given: readonly unknown[]): AnyOf {
  return new AnyOf(locksIn('anyOf', given));
}

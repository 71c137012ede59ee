/** One of several locks: a pool of equal resources. */
import { type Observable, race } from 'rxjs';
import type { Lease } from '../lease/lease.ts';
import { reading, show } from '../options.ts';
import { Lock } from './lock.ts';

/**
 * The first of the given locks that is granted; the others leave their queues, and one that was granted in the same
 * moment is released. `lease.name` tells which it is. An error of one before a grant is the error of all.
 *
 * @throws TypeError for anything but locks; RangeError for none
 * @example anyOf(locks.mutex('printer:1'), locks.mutex('printer:2')).pipe(whileHeld(({ name }) => print(name)))
 */
export const anyOf = (...locks: readonly Lock[]): Observable<Lease> => {
  if (locks.length === 0) throw new RangeError('anyOf needs at least 1 lock, got 0');
  for (const lock of locks) {
    if (!reading('a lock of anyOf', () => lock instanceof Lock))
      throw new TypeError(`anyOf takes locks, got ${show(lock)}`);
  }
  return race(...locks);
};

/** What work is given to be done under: one lease, or those of several locks, and nothing else. */
import { showOther } from '../copies.ts';
import { quote } from '../errors.ts';
import { type HeldLease, leasesIn } from '../lease/held-lease.ts';
import type { Lease } from '../lease/lease.ts';

/**
 * What a lock emits: one lease, or those of `allOf`.
 *
 * @example const stillHeld = (held: Held): boolean => [held].flat().every((lease) => lease.held);
 */
export type Held = Lease | readonly Lease[];

/** The leases of what was emitted, at least one: without one, as with the null of a leadership, work would run without a lock. @throws TypeError */
export const leasesOf = (held: Held): readonly HeldLease[] => {
  const leases = leasesIn(held);
  if (leases.length > 0 && leases.length === (Array.isArray(held) ? held.length : 1)) return leases;
  const other: unknown = Array.isArray(held) ? held.find((one) => !leases.includes(one)) : held;
  throw new TypeError(
    `whileHeld and withLock need a lease, got ${showOther('a lease', other, 'assertHeld')}: filter out what is none, as the null of a leadership`,
  );
};

/** The error for a second lease: working under it would cut off the work under the first. */
export const tooMany = (leases: readonly HeldLease[]): TypeError => {
  const names = leases.map(({ name }) => quote(name)).join(', ');
  return new TypeError(
    `whileHeld and withLock work under one lease, and were given a second: ${names}; give each lock its own`,
  );
};

/** Several locks as one: all or none, without deadlock. */
import { defaultIfEmpty, Observable, of, switchMap, takeWhile } from 'rxjs';
import type { Hold } from '../lease/hold.ts';
import type { Lease } from '../lease/lease.ts';
import { reading, show } from '../options.ts';
import { type AcquireOptions, acquire } from './acquire.ts';
import { Lock } from './lock.ts';

/**
 * All of some locks. Emits their leases in the order in which the locks were given.
 *
 * @example const both: AllOf = allOf(locks.mutex('a'), locks.mutex('b'));
 */
export class AllOf extends Observable<Lease[]> {
  readonly locks: readonly Lock[];

  constructor(locks: readonly Lock[]) {
    const leases$ = chain(locks, (lock) => lock);
    super((subscriber) => leases$.subscribe(subscriber));
    this.locks = locks;
  }

  /** One attempt at each: emits all leases, or completes empty, with none kept, when one of the locks is busy. */
  try(): Observable<Lease[]> {
    return chain(this.locks, (lock) => lock.try());
  }

  /** For promise code; see Lock.acquire. */
  acquire(options: AcquireOptions = {}): Promise<Lease[]> {
    let last: Hold | undefined; // the one that is waited for: those before it are held
    const keep = (life: Hold): void => {
      last = life;
    };
    const source = {
      name: this.locks.map((lock) => lock.name).join(', '),
      scheduler: this.locks[0]?.wanted.terms.scheduler,
      open: (patient: boolean): Observable<Lease[]> => chain(this.locks, (lock) => lock.open(patient, keep)),
      late: (timeout: number) => last?.late(timeout),
    };
    return acquire(source, options);
  }
}

/**
 * Takes the locks one after another, in the order of their names whatever the order given: everyone who takes
 * several through it takes them in one order, so nobody waits in a circle. What is held already is renewed while the
 * rest is waited for. One lost errors the whole, and the others are released.
 */
const chain = (locks: readonly Lock[], open: (lock: Lock) => Observable<Lease>): Observable<Lease[]> => {
  const sorted = [...locks].sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
  const inOrderGiven = (held: ReadonlyMap<Lock, Lease>): Lease[] => locks.flatMap((lock) => held.get(lock) ?? []);
  const take = (rest: readonly Lock[], held: ReadonlyMap<Lock, Lease>): Observable<Lease[] | undefined> => {
    const [lock, ...others] = rest;
    if (!lock) return of(inOrderGiven(held));
    return open(lock).pipe(
      switchMap((lease) => take(others, new Map([...held, [lock, lease]]))),
      defaultIfEmpty(undefined),
    );
  };
  return take(sorted, new Map()).pipe(takeWhile((leases) => leases !== undefined));
};

/**
 * All of the given locks, of any kinds, or none of them; deadlock-free whatever order callers name them in. Emits
 * `Lease[]` once. One lost is all lost. Nests: `allOf(allOf(a, b), c)`. Not one atomic step: the locks are taken in
 * turn, by name, and all are held when the leases are emitted.
 *
 * @throws TypeError for anything but locks; RangeError for none, or for two of one name, which would wait for each other
 * @example transfer$.pipe(withLock(allOf(locks.mutex('account:1'), locks.mutex('account:2'))))
 */
export const allOf = (...locks: readonly (Lock | AllOf)[]): AllOf => {
  const flat = reading('a lock of allOf', () => locks.flatMap((lock) => (lock instanceof AllOf ? lock.locks : [lock])));
  if (flat.length === 0) throw new RangeError('allOf needs at least 1 lock, got 0');
  const seen = new Set<string>();
  for (const lock of flat) {
    if (!(lock instanceof Lock)) throw new TypeError(`allOf takes locks, got ${show(lock)}`);
    if (seen.has(lock.name)) throw new RangeError(`allOf takes a name once, got ${JSON.stringify(lock.name)} twice`);
    seen.add(lock.name);
  }
  return new AllOf(flat);
};

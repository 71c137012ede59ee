/** Several locks as one: all or none, without deadlock. */
import { Observable } from 'rxjs';
import { quote } from '../errors.ts';
import { type End, HeldLease } from '../lease/held-lease.ts';
import type { Lease } from '../lease/lease.ts';
import type { LockDefinition } from '../lease/session-view.ts';
import { Acquirable } from './acquirable.ts';
import { type Lock, locksIn } from './lock.ts';

type Open = (lock: Lock) => Observable<Lease>;

/** What `allOf` takes: locks, and results of `allOf`, which stand for their locks. */
type Several = readonly (Lock | AllOf<readonly Lease[]>)[];

/** The type of the leases of given locks: a tuple in their order, if their number is known. */
type LeasesOf<T extends Several> = T extends readonly []
  ? []
  : T extends readonly [infer First, ...infer Rest extends Several]
    ? [...(First extends AllOf<infer L> ? L : [Lease]), ...LeasesOf<Rest>]
    : Lease[];

/**
 * All of some locks. Emits their leases in the order in which the locks were given.
 *
 * @example const both: AllOf<[Lease, Lease]> = allOf(locks.mutex('a'), locks.mutex('b'));
 */
export class AllOf<L extends readonly Lease[] = readonly Lease[]> extends Acquirable<L> {
  readonly locks: readonly Lock[];

  constructor(locks: readonly Lock[]) {
    const leases$ = taken<L>(locks, (lock) => lock);
    super((subscriber) => leases$.subscribe(subscriber));
    this.locks = locks;
  }

  /** One attempt at each: emits all leases, or completes empty, with none kept, when one of the locks is busy. */
  override try(): Observable<L> {
    return taken(this.locks, (lock) => lock.try());
  }

  /** @internal */
  override get parts(): readonly LockDefinition[] {
    return this.locks.map(({ wanted }) => wanted);
  }
}

/**
 * Takes the locks one after another, in the order of their names, whatever the order given. All callers take them in that
 * order, so there is no deadlock. Leases that are held are renewed while the other locks are waited for. The loss of one
 * errors the whole, and the others are released. It is a loop, because a recursion over thousands of locks would overflow
 * the stack.
 */
const taken = <L extends readonly Lease[]>(locks: readonly Lock[], open: Open): Observable<L> =>
  new Observable((subscriber) => {
    const sorted = [...locks].sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
    const held = new Map<Lock, Lease>();
    const rest = sorted.values();
    let completed = 0;
    let looping = false;

    /** One of the leases is over. A loss is a loss of all: the others get the same error, before any subscriber is told. */
    const over = (lease: HeldLease, end: End): void => {
      if (end === 'released') {
        if (held.size < sorted.length) subscriber.error(lease.loss);
        return;
      }
      for (const other of held.values()) if (other instanceof HeldLease) other.loseWith(end);
    };

    const ask = (lock: Lock): void => {
      const lease$ = open(lock);
      const subscription = lease$.subscribe({
        next: (lease) => {
          held.set(lock, lease);
          if (lease instanceof HeldLease) subscriber.add(lease.end$.subscribe((end) => over(lease, end)));
          takeRest();
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          completed += 1;
          if (!held.has(lock) || completed === sorted.length) subscriber.complete();
        },
      });
      subscriber.add(subscription);
    };

    /** Asks for the locks that are left. A grant may come during the call: then the running loop goes on. */
    const takeRest = (): void => {
      if (looping) return;
      looping = true;
      for (let asked = held.size; !subscriber.closed && held.size === asked; asked += 1) {
        const next = rest.next();
        if (next.done) break;
        ask(next.value);
      }
      looping = false;
      if (held.size < sorted.length) return;
      const leases: readonly Lease[] = locks.flatMap((lock) => held.get(lock) ?? []);
      subscriber.next(leases as L); // one for each lock, in their order
    };

    takeRest();
  });

/**
 * All of the given locks, of any kinds, or none of them; deadlock-free whatever order callers name them in. Emits their
 * leases once, as a tuple. The loss of one is the loss of all. Takes an array as well, and nests: `allOf(allOf(a, b), c)`. It
 * is not one atomic step: the locks are taken one after another, in the order of their names, and all are held when the
 * leases are emitted. Locks of one name from two coordinators are taken in the order given, so give them in one order
 * everywhere.
 *
 * @throws TypeError for anything but locks; RangeError for none, or for one lock twice, which would wait for itself
 * @example transfer$.pipe(withLock(allOf(locks.mutex('account:1'), locks.mutex('account:2'))))
 */
export function allOf<const T extends Several>(locks: T): AllOf<LeasesOf<T>>;
export function allOf<const T extends Several>(...locks: T): AllOf<LeasesOf<T>>;
export function allOf(...given: readonly unknown[]): AllOf {
  const locks = locksIn('allOf', given, (one) => (one instanceof AllOf ? one.locks : undefined));
  const seen = new Map<string, Set<object>>();
  for (const { name, wanted } of locks) {
    const coordinators = seen.get(name) ?? new Set();
    if (coordinators.has(wanted.sessions)) {
      throw new RangeError(`allOf takes each name once, got ${quote(name)} twice`);
    }
    seen.set(name, coordinators.add(wanted.sessions));
  }
  return new AllOf(locks);
}

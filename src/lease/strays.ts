/** Releases grants that arrive after their waiter has left. Redis does not know that it has: its release was lost, or a failover has forgotten it. */
import type { Grant, Store } from '../store/store.ts';

/** Timeout of such a release, in ms. If it fails, the grant lapses by itself. */
const GIVE_BACK = 500;

export class Strays {
  /** Owners whose grants are left alone, since another process may hold under them: the time until which a grant may still arrive. */
  private readonly left = new Map<string, number>();
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /** Leaves late grants of this owner alone for a while. @param now monotonic ms */
  leave(key: string, now: number, waiterTtl: number): void {
    for (const [other, until] of this.left) {
      if (until >= now) break;
      this.left.delete(other);
    }
    this.left.delete(key); // and set again below: the entries stand in the order of their times
    this.left.set(key, now + 2 * waiterTtl);
  }

  /** Releases a grant, unless its owner is to be left alone. @param keys the keys by which that may be recorded */
  take({ name, owner, fence }: Grant, keys: readonly string[]): void {
    if (fence === undefined || keys.some((key) => this.left.has(key))) return;
    this.store.release({ name, owner, fence }, GIVE_BACK).subscribe({ error: () => undefined });
  }
}

/** Releases grants that arrive after their waiter has left. Redis does not know that it has: its release was lost, or a failover has forgotten it. */
import type { Clock } from '../clock.ts';
import type { Grant, Store } from '../store/store.ts';

/** Timeout of such a release, in ms. If it fails, the grant lapses by itself. */
const TIMEOUT = 500;

export class Strays {
  /** By session key: until when a grant to that owner is left alone, since another process may hold under it. */
  private readonly left = new Map<string, { readonly clock: Clock; readonly until: number }>();
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /** Leaves late grants of this owner alone for so many ms. */
  ignore(key: string, clock: Clock, ms: number): void {
    for (const [other, left] of this.left) {
      this.left.delete(other);
      if (left.clock.now() > left.until) continue;
      this.left.set(other, left); // at the end: each call looks at another one, since their times are in no order
      break;
    }
    this.left.set(key, { clock, until: clock.now() + ms });
  }

  /** Releases a grant, unless its owner is to be left alone. */
  release(key: string, { name, owner, fence }: Grant): void {
    const left = this.left.get(key);
    if (fence === undefined || (left && left.clock.now() <= left.until)) return;
    this.store.release({ name, owner, fence }, TIMEOUT).subscribe({ error: () => undefined });
  }
}

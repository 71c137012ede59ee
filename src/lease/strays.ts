/** Grants that are told when their waiter has gone: Redis does not know that its release was lost, or a failover has forgotten it. */
import type { Grant, Store } from '../store/store.ts';

/** ms to give one back; it lapses by itself otherwise. */
const GIVE_BACK = 500;

export class Strays {
  /** Whose grants are to be left alone, since another process may hold by them: until when one may still be told. */
  private readonly left = new Map<string, number>();
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /** @param now monotonic ms */
  leave(key: string, now: number, waiterTtl: number): void {
    for (const [other, until] of this.left) {
      if (until >= now) break;
      this.left.delete(other);
    }
    this.left.delete(key); // to the end: they stand in the order of their time
    this.left.set(key, now + 2 * waiterTtl);
  }

  /** @param keys by which its owner may have been left */
  take({ name, owner, fence }: Grant, keys: readonly string[]): void {
    if (fence === undefined || keys.some((key) => this.left.has(key))) return;
    this.store.release({ name, owner, fence }, GIVE_BACK).subscribe({ error: () => undefined });
  }
}

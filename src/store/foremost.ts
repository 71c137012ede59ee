/**
 * Knows, for each name that this coordinator waits for, which of its waiters is the foremost.
 *
 * If the holder and the first waiters have died, no message is sent. A living waiter has to ask once the holder's lease has
 * lapsed; any request makes the first living waiter the holder. One waiter of each coordinator is enough, because if a
 * coordinator is alive, so are all its waiters. So with c coordinators c waiters ask, and the first three in the queue:
 * 3 + c, for 10, 1,000 or 10,000 waiters alike. See lease/pace for when they ask.
 */
export class Foremost {
  private readonly names = new Map<string, { owner: string; rank: number }>();

  /** Takes a waiter's new rank, and returns whether that makes it the foremost. */
  isAt(name: string, owner: string, rank: number): boolean {
    const known = this.names.get(name);
    if (known && known.owner !== owner && known.rank < rank) return false;
    this.names.set(name, { owner, rank });
    return true;
  }

  /** Forgets a waiter that waits no more. The next waiter that is told its rank becomes the foremost. */
  leave(name: string, owner: string): void {
    if (this.names.get(name)?.owner === owner) this.names.delete(name);
  }
}

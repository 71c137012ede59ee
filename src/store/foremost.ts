/**
 * Which waiter of this coordinator is the foremost, for each name that it waits for.
 *
 * Behind a holder and first waiters that have died nobody is told of anything: somebody has to ask once the holder has lapsed,
 * and by that the first living one is granted, whoever asked. It is enough that each coordinator asks once, for if it is
 * alive so are all of its waiters. So of c coordinators with any number of waiters c ask, and the first three in the queue:
 * 3 + c, be it for 10, 1,000 or 10,000 waiters. See lease/pace for when.
 */
export class Foremost {
  private readonly names = new Map<string, { owner: string; rank: number }>();

  /** A waiter was told its rank: whether it is the foremost by that. */
  isAt(name: string, owner: string, rank: number): boolean {
    const known = this.names.get(name);
    if (known && known.owner !== owner && known.rank < rank) return false;
    this.names.set(name, { owner, rank });
    return true;
  }

  /** It waits no more: the next that is told its rank takes its place. */
  leave(name: string, owner: string): void {
    if (this.names.get(name)?.owner === owner) this.names.delete(name);
  }
}

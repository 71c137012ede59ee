/** The calls whose outcome is still to come. */
import type { Call } from './call.ts';

/**
 * An array, where a Set would do but for the garbage: V8 keeps the former tables of a Set or Map that grows and shrinks
 * within reach of one another until a full collection, and what they held with them. Of calls that was a sixth of the
 * CPU time of a busy process.
 */
export class Pending {
  private readonly calls: Call[] = [];

  add(call: Call): void {
    call.place = this.calls.push(call) - 1;
  }

  has({ place }: Call): boolean {
    return place !== undefined;
  }

  /** Whether it was there. The last one takes its place. */
  delete(call: Call): boolean {
    const { place } = call;
    if (place === undefined) return false;
    call.place = undefined;
    const last = this.calls.pop();
    if (last && last !== call) {
      last.place = place;
      this.calls[place] = last;
    }
    return true;
  }

  /** Those of now, in no order: what is done with one may end others. */
  get all(): readonly Call[] {
    return [...this.calls];
  }
}

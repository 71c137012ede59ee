/** The calls whose outcome is still to come, and the timer that ends them by their deadlines. */
import type { SchedulerLike, Subscription } from 'rxjs';
import type { Clock } from '../clock.ts';
import type { RedisyncError } from '../errors.ts';
import type { Call } from './call.ts';

/**
 * An array, where a Set would do but for the garbage: V8 keeps the former tables of a Set or Map that grows and shrinks
 * within reach of one another until a full collection, and what they held with them. Of calls that was a sixth of the
 * CPU time of a busy process.
 */
export class Pending {
  private readonly calls: Call[] = [];
  private readonly scheduler: SchedulerLike;
  private readonly clock: Clock;
  private readonly late: (late: readonly Call[], all: readonly Call[]) => void;
  private timer: Subscription | undefined;
  /** Monotonic ms at which the timer fires. */
  private nextLook = Number.POSITIVE_INFINITY;

  /** @param late is told which calls have come to their deadlines, of all that there are, and ends them */
  constructor(scheduler: SchedulerLike, clock: Clock, late: (late: readonly Call[], all: readonly Call[]) => void) {
    this.scheduler = scheduler;
    this.clock = clock;
    this.late = late;
  }

  add(call: Call): void {
    call.place = this.calls.push(call) - 1;
    if (call.deadline < this.nextLook) this.lookAt(call.deadline);
  }

  has({ place }: Call): boolean {
    return place !== undefined;
  }

  /** Those of now, in no order: what is done with one may end others. */
  get all(): readonly Call[] {
    return [...this.calls];
  }

  succeed(call: Call, value: unknown): void {
    if (!this.delete(call)) return;
    call.outcome.next(value);
    call.outcome.complete();
  }

  fail(call: Call, error: RedisyncError): void {
    if (this.delete(call)) call.outcome.error(error);
  }

  /** Ends them all. */
  close(errorOf: (call: Call) => RedisyncError): void {
    this.timer?.unsubscribe();
    for (const call of this.all) this.fail(call, errorOf(call));
  }

  /** Whether it was there. The last one takes its place. */
  private delete(call: Call): boolean {
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

  /** One timer ends every call that is due by then: most have been answered long before, and cost none. */
  private lookAt(time: number): void {
    this.timer?.unsubscribe();
    this.nextLook = time;
    this.timer = this.scheduler.schedule(() => this.look(), Math.max(0, time - this.clock.now())); // Node warns of less
  }

  private look(): void {
    const now = this.clock.now();
    this.nextLook = Number.POSITIVE_INFINITY; // what is asked meanwhile is looked at in its own time
    let next = Number.POSITIVE_INFINITY;
    const calls = this.all;
    this.late(
      calls.filter(({ deadline }) => deadline <= now),
      calls,
    );
    for (const { deadline } of calls) if (deadline > now) next = Math.min(next, deadline);
    if (next < this.nextLook) this.lookAt(next);
  }
}

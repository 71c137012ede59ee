/** The calls that have no outcome yet, and the timer that ends each at its deadline. */
import type { SchedulerLike, Subscription } from 'rxjs';
import type { Clock } from '../clock.ts';
import type { RedisyncError } from '../errors.ts';
import type { Call } from './call.ts';

/**
 * The pending calls, in an array. A Set would be simpler, but V8 keeps the earlier tables of a Set that grows and shrinks
 * reachable until a full collection, with all that they held; for calls that cost a sixth of the CPU time of a busy
 * process.
 */
export class Pending {
  private readonly calls: Call[] = [];
  private readonly scheduler: SchedulerLike;
  private readonly clock: Clock;
  private readonly late: (late: readonly Call[], all: readonly Call[]) => void;
  private timer: Subscription | undefined;
  /** Monotonic ms at which the timer fires next. */
  private nextLook = Number.POSITIVE_INFINITY;

  /** @param late called with the calls whose deadline has come, and with all pending calls; it ends the late ones */
  constructor(scheduler: SchedulerLike, clock: Clock, late: (late: readonly Call[], all: readonly Call[]) => void) {
    this.scheduler = scheduler;
    this.clock = clock;
    this.late = late;
  }

  add(call: Call): void {
    call.index = this.calls.push(call) - 1;
    if (call.deadline < this.nextLook) this.lookAt(call.deadline);
  }

  has({ index }: Call): boolean {
    return index !== undefined;
  }

  /** A copy of the pending calls, in no order: ending one may end others. */
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

  /** Ends all calls. */
  close(errorOf: (call: Call) => RedisyncError): void {
    this.timer?.unsubscribe();
    for (const call of this.all) this.fail(call, errorOf(call));
  }

  /** Removes a call, and returns whether it was pending. The last call of the array takes its index. */
  private delete(call: Call): boolean {
    const { index } = call;
    if (index === undefined) return false;
    call.index = undefined;
    const last = this.calls.pop();
    if (last && last !== call) {
      last.index = index;
      this.calls[index] = last;
    }
    return true;
  }

  /** Sets the one timer of all calls. Most calls are answered long before their deadline, so a timer for each would be waste. */
  private lookAt(time: number): void {
    this.timer?.unsubscribe();
    this.nextLook = time;
    this.timer = this.scheduler.schedule(() => this.readFirst(), Math.max(0, time - this.clock.now())); // Node warns of less
  }

  /** After a pause of this process timers fire before sockets are read. So what has been answered meanwhile is read first. */
  private readFirst(): void {
    this.timer = this.scheduler.schedule(() => this.look(), 0);
  }

  private look(): void {
    const now = this.clock.now();
    this.nextLook = Number.POSITIVE_INFINITY; // a call that is added meanwhile sets its own time
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

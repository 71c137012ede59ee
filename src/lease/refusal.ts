/** How a closed coordinator refuses: at once, but more and more slowly if the subscriber subscribes again because of it. */
import { setImmediate } from 'node:timers'; // jsdom under Jest has no global one
import { asyncScheduler, type SchedulerLike, type Subscriber, Subscription } from 'rxjs';
import { CoordinatorClosedError } from '../errors.ts';
import { LONGEST } from '../options.ts';

/** How many subscriptions are refused at once in one iteration of the event loop. */
const AT_ONCE = 16;

export class Refusal {
  /** How often the subscriber that is being refused now has been refused before; undefined while none is. */
  private times: number | undefined;
  /** How many were refused in this iteration of the event loop. */
  private refused = 0;

  /** Runs what tells subscribers of the end, so that a subscription from within it is recognised as a retry. */
  telling(act: () => void, times = 0): void {
    const before = this.times;
    this.times = times;
    try {
      act();
    } finally {
      this.times = before;
    }
  }

  /**
   * Refuses a subscription. A `retry()` without a count subscribes again for ever, from within the error or right after it,
   * until the stack overflows; a loop of promises leaves no turn to anything else. So a retry is answered after 2 ms, 4 ms,
   * 8 ms …, and the loop each 2 ms, by timers that do not keep the process alive.
   */
  refuse(subscriber: Subscriber<never>, scheduler: SchedulerLike, lock?: string): Subscription | undefined {
    const { times = this.refused < AT_ONCE ? undefined : 0 } = this;
    const error = (): void => subscriber.error(new CoordinatorClosedError(lock));
    if (times === undefined) {
      if (this.refused === 0) setImmediate(() => (this.refused = 0)).unref();
      this.refused += 1;
      error();
      return undefined;
    }
    const ms = 2 ** (times + 1);
    return ms > LONGEST ? undefined : later(scheduler, ms, () => this.telling(error, times + 1));
  }
}

/** Schedules like the scheduler itself, but by a timer that Node does not wait for. */
const later = (scheduler: SchedulerLike, ms: number, act: () => void): Subscription => {
  if (scheduler !== asyncScheduler) return scheduler.schedule(act, ms);
  const timer = setTimeout(act, ms);
  timer.unref();
  return new Subscription(() => clearTimeout(timer));
};

/** What a closed coordinator answers: that it is closed, at once; and more and more seldom to who asks again on hearing that. */
import { asyncScheduler, type SchedulerLike, type Subscriber, Subscription } from 'rxjs';
import { CoordinatorClosedError } from '../errors.ts';
import { LONGEST } from '../options.ts';

/** How many are refused at once in one run of the event loop. */
const AT_ONCE = 16;

export class Refusal {
  /** How often whoever is being told has been told to wait; undefined while nobody is told. */
  private times: number | undefined;
  /** How many were refused at once in this run of the event loop. */
  private refused = 0;

  /** Tells of the end, and knows who subscribes again from within that. */
  tell(act: () => void, times = 0): void {
    const before = this.times;
    this.times = times;
    try {
      act();
    } finally {
      this.times = before;
    }
  }

  /**
   * A `retry()` without an end subscribes again for ever, each time from within the last or right after it, until the
   * stack overflows. So it is told after 2 ms, 4 ms, 8 ms …, by timers that keep no process alive.
   */
  refuse(subscriber: Subscriber<never>, scheduler: SchedulerLike, lock?: string): Subscription | undefined {
    const { times = this.refused < AT_ONCE ? undefined : 0 } = this;
    const error = (): void => subscriber.error(new CoordinatorClosedError(lock));
    if (times === undefined) {
      if (this.refused === 0) queueMicrotask(() => this.reset());
      this.refused += 1;
      error();
      return undefined;
    }
    const ms = 2 ** (times + 1);
    return ms > LONGEST ? undefined : later(scheduler, ms, () => this.tell(error, times + 1));
  }

  private reset(): void {
    this.refused = 0;
  }
}

/** Like the scheduler's own timer, but for one that Node does not wait for. */
const later = (scheduler: SchedulerLike, ms: number, act: () => void): Subscription => {
  if (scheduler !== asyncScheduler) return scheduler.schedule(act, ms);
  const timer = setTimeout(act, ms);
  timer.unref();
  return new Subscription(() => clearTimeout(timer));
};

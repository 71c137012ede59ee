/** Bounds a wait for a lease by a timeout. */
import {
  asyncScheduler,
  type MonoTypeOperatorFunction,
  Observable,
  type SchedulerLike,
  Subscriber,
  type Subscription,
} from 'rxjs';
import { endLate } from '../lease/attachment.ts';
import { lateError } from './late-error.ts';

/**
 * Mirrors `source`, but unsubscribes from it if it emits nothing within `ms`, and errors. The error is about the waits that
 * end during this unsubscription, so `source` may be a lock with any operators behind it. Written by hand, because the
 * waits have to be collected around the teardown.
 */
export const inTime =
  <T>(ms: number, scheduler: SchedulerLike = asyncScheduler): MonoTypeOperatorFunction<T> =>
  (source) =>
    new Observable((subscriber) => source.subscribe(new Wait(subscriber, ms, scheduler)));

/** It is one object: as closures, and a list of what to tear down, it cost each waiter 1 KB. */
class Wait<T> extends Subscriber<T> {
  private readonly result: Subscriber<T>;
  private readonly ms: number;
  private alarm: Subscription | undefined;

  constructor(result: Subscriber<T>, ms: number, scheduler: SchedulerLike) {
    super(result);
    this.result = result;
    this.ms = ms;
    if (this.closed) return;
    this.alarm = scheduler.schedule(() => {
      this.alarm = scheduler.schedule(() => this.end(), 0); // timers fire before sockets are read: an answer that is there counts
    }, ms);
  }

  override next(value: T): void {
    this.alarm?.unsubscribe();
    super.next(value);
  }

  override unsubscribe(): void {
    this.alarm?.unsubscribe(); // none is set yet where the result is closed already
    super.unsubscribe();
  }

  private end(): void {
    const late = endLate(() => this.unsubscribe());
    this.result.add(lateError(this.ms, late).subscribe(this.result));
  }
}

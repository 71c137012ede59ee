/** An emission that comes once, to all who are subscribed by then. A Subject costs a lease three times the memory, and much more time. */
import { Observable, type Subscriber } from 'rxjs';

export class Once<T> {
  /** The array is replaced at each change, so that an emission reaches those who were subscribed when it began. */
  private subscribers: readonly Subscriber<T>[] = [];

  readonly value$ = new Observable<T>((subscriber) => {
    this.subscribers = this.subscribers.length === 0 ? [subscriber] : [...this.subscribers, subscriber];
    return () => {
      this.subscribers = this.subscribers.filter((other) => other !== subscriber);
    };
  });

  emit(value: T): void {
    for (const subscriber of this.subscribers) {
      subscriber.next(value);
      subscriber.complete();
    }
  }
}

/** Emits to each subscriber in its own async context, although the answer or the timer behind the emission is shared by many. */
import { AsyncResource } from 'node:async_hooks';
import { Observable, type Observer, throwError } from 'rxjs';

/** Reports what a teardown of the user's has thrown, as rxjs does with such errors: it must not keep others from being told. */
export const report = (error: unknown): void => {
  throwError(() => error).subscribe();
};

/** Passes everything on in the async context in which it was made. */
export class InContext<T> extends AsyncResource implements Observer<T> {
  private readonly observer: Observer<T>;

  constructor(observer: Observer<T>) {
    super('redisync');
    this.observer = observer;
  }

  next(value: T): void {
    this.call(this.observer.next, value);
  }

  error(error: unknown): void {
    this.call(this.observer.error, error);
  }

  complete(): void {
    this.call(this.observer.complete);
  }

  /** Calls what reaches the user's code. What that throws is reported. */
  call<A extends unknown[]>(act: (...args: A) => void, ...args: A): void {
    try {
      this.runInAsyncScope(act, this.observer, ...args);
    } catch (error) {
      report(error);
    }
  }
}

/** Mirrors the source to each subscriber in the async context in which it subscribed. */
export const inOwnContext = <T>(source: Observable<T>): Observable<T> =>
  new Observable((subscriber) => source.subscribe(new InContext(subscriber)));

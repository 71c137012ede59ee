/** Cancels what may have been granted: a release by owner, repeated until nothing that was sent before it can take effect. */
import { Observable, type Observer, type SchedulerLike, type Subscriber } from 'rxjs';
import { soon } from '../backoff.ts';
import { type Clock, clockOf } from '../clock.ts';
import { isTransient, RedisUnreachableError } from '../errors.ts';
import { LONGEST } from '../options.ts';
import type { Released } from './store.ts';

export interface Cancellation {
  /** Server ms until which an earlier command of unknown outcome may still take effect; undefined: there is none. */
  readonly notAfter?: number | undefined;
  /** The timeout of a command, in ms: of each release; and of the earlier command counted from now, in case the server's clock steps back. */
  readonly within: number;
  /** ms from now for which a release that fails transiently is repeated. Default: 0, it is sent once. */
  readonly retryFor?: number;
  readonly scheduler: SchedulerLike;
  /** Called after each release that failed. */
  readonly failed?: () => void;
}

/**
 * Emits the outcome of each release that was answered; the first one tells whether there was anything to release. Errors
 * when a release has failed for good, but only when that release can no longer take effect: otherwise it could end the
 * next lease of the same owner.
 */
export const cancel = (release: () => Observable<Released>, options: Cancellation): Observable<Released> =>
  new Observable((subscriber) => new Releases(subscriber, release, options).send());

/** The releases of one cancellation. One object, no pipeline and no closures, because every release of a lease comes through here. */
class Releases implements Observer<Released> {
  private readonly subscriber: Subscriber<Released>;
  private readonly release: () => Observable<Released>;
  private readonly options: Cancellation;
  private readonly clock: Clock;
  private readonly began: number;
  /** Server ms until which a command that was sent earlier may still take effect; undefined: there is none. */
  private notAfter: number | undefined;
  /** Monotonic ms from which on a release is sent later than that command can take effect. */
  private until: number;
  private sent: number;
  /** Whether a release was of unknown outcome: it may take effect before `until`. */
  private inDoubt = false;
  private failures = 0;
  /** Releases that go on, or are to be made: one of a quorum goes on when it has its outcome. */
  private left = 1;

  constructor(subscriber: Subscriber<Released>, release: () => Observable<Released>, options: Cancellation) {
    this.subscriber = subscriber;
    this.release = release;
    this.options = options;
    this.clock = clockOf(options.scheduler);
    this.began = this.sent = this.clock.now();
    this.notAfter = options.notAfter;
    this.until = this.began + options.within;
  }

  send(): void {
    this.sent = this.clock.now();
    this.subscriber.add(this.release().subscribe(this));
  }

  next(released: Released): void {
    const { notAfter, until } = this;
    this.failures = 0;
    this.subscriber.next(released);
    if (notAfter === undefined || released.now > notAfter || this.sent > until) return;
    this.left += 1;
    this.sendAfter(Math.max(0, Math.min(notAfter - released.now, until - this.clock.now())) + 1);
  }

  error(reason: unknown): void {
    const { within, retryFor = 0, failed } = this.options;
    failed?.();
    const unknown = reason instanceof RedisUnreachableError && reason.notAfter !== undefined; // it may have been sent
    if (unknown) {
      this.notAfter = Math.max(this.notAfter ?? 0, reason.notAfter);
      this.until = this.sent + within;
      this.inDoubt = true;
    }
    if (isTransient(reason) && this.clock.now() - this.began < retryFor) {
      this.failures += 1;
      this.sendAfter(soon(this.failures));
      return;
    }
    const rest = this.inDoubt ? this.until + 1 - this.clock.now() : 0; // + 1: in the ms of its not-after it may take effect
    if (rest > 0) this.after(rest, () => this.subscriber.error(reason));
    else this.subscriber.error(reason);
  }

  complete(): void {
    this.left -= 1;
    if (this.left === 0) this.subscriber.complete();
  }

  private sendAfter(ms: number): void {
    this.after(ms, () => this.send());
  }

  private after(ms: number, act: () => void): void {
    this.subscriber.add(this.options.scheduler.schedule(act, Math.min(ms, LONGEST)));
  }
}
